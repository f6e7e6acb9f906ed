/** A real Chromium for the tests, and what every page in it is watched for. */
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Starts the browser: Debian's, or the one that CHROMIUM names. */
export const startBrowser = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: QUIET });

/**
 * A page of a new context. `faults` collects what must never happen: errors of scripts, breaches
 * of the Content-Security-Policy, and requests to other hosts.
 */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(15000);
  return addPage(context);
}

/** One more tab of a context. */
export async function addPage(context) {
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("dialog", (dialog) => {
    page.faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("console", (message) => {
    if (/Content.Security.Policy|TypeError|ReferenceError/.test(message.text())) page.faults.push(message.text());
  });
  page.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol !== "data:" && hostname !== "127.0.0.1" && hostname !== "localhost") page.faults.push(`asks ${hostname}`);
  });
  return page;
}

/** Nothing happened on this page that never must. */
export function assertSound(page) {
  assert.deepEqual(page.faults, []);
}

/** The card of an assignment, by its prompt. */
export const cardOf = (page, prompt) => page.getByRole("article", { name: prompt, exact: true });

/** Waits until a card's picture is loaded, not only announced. */
export async function pictureLoaded(card, prompt) {
  const image = card.getByRole("img", { name: prompt, exact: true });
  await image.waitFor();
  await image.scrollIntoViewIfNeeded();
  await image.evaluate(async (element) => {
    if (!element.complete) await new Promise((resolve) => element.addEventListener("load", resolve));
    if (!element.naturalWidth) throw new Error("the picture is broken");
  });
}
