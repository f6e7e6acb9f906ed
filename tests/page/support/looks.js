/**
 * How a view looks in a state: at three widths, in both color schemes, with text twice as large. Axe
 * finds nothing, nothing shifts while it loads, nothing is wider than the screen, no text lies on
 * another or is cut off, and what is transferred for it is small. The screenshots are in ATELIER_LOOKS,
 * by default a folder for temporary files, to be looked at: `index.html` there shows them all.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { assertSound, openPage } from "./browser.js";

const PICTURES = process.env.ATELIER_LOOKS ?? path.join(tmpdir(), "atelier-looks");
const SCREENS = {
  320: { viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true },
  768: { viewport: { width: 768, height: 1024 } },
  1280: { viewport: { width: 1280, height: 900 } },
};
const SCHEMES = ["light", "dark"];
const FIRST_VIEW_BYTES = 60_000;
/** What a view shows of its own is not what it weighs. */
const isPicture = (address) => /\/image$|\/generated_images\//.test(address);

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Every rule of WCAG 2.2 up to AA, the best practices, and those that are still tried out. */
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice", "experimental"];

/** A test for each state and width. `states` has the steps that lead to each, called with a page of `browser()`. */
export function look(states, browser) {
  for (const [state, steps] of Object.entries(states)) {
    for (const width of Object.keys(SCREENS)) test(`${state} at ${width} pixels`, () => lookAt(browser(), state, steps, width));
  }
}

async function lookAt(browser, state, steps, width) {
  const page = await openPage(browser, SCREENS[width]);
  try {
    await watchShifts(page);
    const weight = await weigh(page);
    for (const step of steps) await step(page);
    const faults = await faultsOf(page, weight, `${state}-${width}`);
    assert.deepEqual(faults, [], faults.join("\n"));
    assertSound(page);
  } finally {
    await page.context().close();
  }
}

/** Everything that is wrong with what a page shows; takes its screenshots under `name`. */
async function faultsOf(page, weight, name) {
  const faults = [];
  const note = (what, found) => found.length > 0 && faults.push(`${what}: ${[found].flat().join("\n  ")}`);
  const screenshot = (look) => page.screenshot({ path: path.join(PICTURES, `${name}-${look}.png`), fullPage: true });
  await mkdir(PICTURES, { recursive: true });
  note("shifts", await shifts(page));
  const bytes = weight.bytes((address) => !isPicture(address));
  if (bytes > FIRST_VIEW_BYTES) note("weight", `${bytes} bytes`);
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme });
    await screenshot(scheme);
    note(`axe, ${scheme}`, await findings(page));
  }
  for (const size of ["100%", "200%"]) {
    await page.evaluate((size) => (document.documentElement.style.fontSize = size), size);
    const wide = await tooWide(page);
    if (wide > 0) note(`too wide with ${size} text`, `${wide} pixels`);
    note(`collisions with ${size} text`, await collisions(page));
  }
  await screenshot("large");
  return faults;
}

/** One page with all screenshots, to be looked at. */
export async function contents() {
  const names = (await readdir(PICTURES)).filter((name) => name.endsWith(".png")).sort();
  const figures = names.map((name) => `<figure><img src="${name}" loading="lazy"><figcaption>${name}</figcaption></figure>`);
  await writeFile(path.join(PICTURES, "index.html"), `<!doctype html><title>Looks</title><style>body{display:flex;flex-wrap:wrap;gap:1rem}img{max-height:30rem;border:1px solid gray}figure{margin:0}</style>${figures.join("\n")}`);
}

/** What axe finds, of any impact: `rule: elements`. */
async function findings(page) {
  if (!(await page.evaluate(() => Boolean(window.axe)))) await page.evaluate(AXE);
  const { violations } = await page.evaluate((values) => window.axe.run({ runOnly: { type: "tag", values } }), RULES);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} (${failureSummary.replace(/\s+/g, " ")})`).join(" ")}`);
}

/** Adds up the layout shifts of a page's life, but for those that follow a user's own deed. */
const watchShifts = (page) =>
  page.addInitScript(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const { value, hadRecentInput, sources } of list.getEntries()) {
        if (hadRecentInput) continue;
        const moved = sources.map(({ node, previousRect: from, currentRect: to }) => {
          const element = node?.nodeType === 1 ? node : node?.parentElement;
          return `${element?.tagName.toLowerCase()}${element?.id && `#${element.id}`}.${element?.className} ${from.x},${from.y} ${from.width}x${from.height} -> ${to.x},${to.y} ${to.width}x${to.height}`;
        });
        window.shifts.push(`${value.toFixed(4)}: ${moved.join("; ")}`);
      }
    }).observe({ type: "layout-shift", buffered: true });
  });

/** Those layout shifts, with what moved. */
const shifts = (page) => page.evaluate(() => window.shifts);

/** Pixels by which the page is wider than the screen. */
const tooWide = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

/**
 * Texts that lie on each other, and texts that are cut off at the right without a word on it: what a
 * person sees at a glance and axe does not. Looked at is where the lines of text are really painted.
 */
const collisions = (page) =>
  page.evaluate(() => {
    const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true }) && !element.closest(".unseen, .skip, .undo, [inert], select, .connection");
    const lines = [];
    const cut = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = walker.nextNode(); text; text = walker.nextNode()) {
      const element = text.parentElement;
      if (!text.data.trim() || !seen(element) || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName)) continue;
      const range = document.createRange();
      range.selectNodeContents(text);
      // What a box hides is not painted.
      let clip = { left: -Infinity, top: -Infinity, right: Infinity, bottom: Infinity };
      let hides = null;
      for (let box = element; box && box !== document.body; box = box.parentElement) {
        const { overflowX, overflowY, textOverflow } = getComputedStyle(box);
        if (overflowX === "visible" && overflowY === "visible") continue;
        const { left, top, right, bottom } = box.getBoundingClientRect();
        clip = { left: Math.max(clip.left, left), top: Math.max(clip.top, top), right: Math.min(clip.right, right), bottom: Math.min(clip.bottom, bottom) };
        if (textOverflow === "ellipsis") break;
        if (["hidden", "clip"].includes(overflowX)) hides ??= box;
      }
      for (const rect of range.getClientRects()) {
        if (hides && rect.right > hides.getBoundingClientRect().right + 1.5) cut.push(text.data.trim());
        const line = { left: Math.max(rect.left, clip.left), top: Math.max(rect.top, clip.top), right: Math.min(rect.right, clip.right), bottom: Math.min(rect.bottom, clip.bottom) };
        if (line.right - line.left > 1 && line.bottom - line.top > 1) lines.push({ ...line, text: text.data.trim(), element });
      }
    }
    const collide = [];
    for (const [at, one] of lines.entries()) {
      for (const other of lines.slice(at + 1)) {
        if (one.element === other.element || one.element.contains(other.element) || other.element.contains(one.element)) continue;
        // The boxes of lines are higher than what is painted in them.
        const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
        const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
        if (width > 2 && height > 0.4 * Math.min(one.bottom - one.top, other.bottom - other.top)) collide.push(`"${one.text}" lies on "${other.text}"`);
      }
    }
    return [...collide, ...new Set(cut.map((text) => `"${text}" is cut off`))];
  });

/** Counts what a page transfers, heads and bodies as they are sent, compressed. `bytes()` tells it by path. */
export async function weigh(page) {
  const client = await page.context().newCDPSession(page);
  const asked = new Map();
  await client.send("Network.enable");
  client.on("Network.requestWillBeSent", ({ requestId, request }) => request.url.startsWith("http") && asked.set(requestId, { path: new URL(request.url).pathname, bytes: 0 }));
  client.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (asked.has(requestId)) asked.get(requestId).bytes = encodedDataLength;
  });
  const answered = () => [...asked.values()].filter(({ path, bytes }) => bytes > 0 && path);
  return {
    client,
    parts: answered,
    bytes: (counts = () => true) => answered().filter(({ path }) => counts(path)).reduce((total, { bytes }) => total + bytes, 0),
  };
}
