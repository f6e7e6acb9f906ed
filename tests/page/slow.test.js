/**
 * A student's phone on slow 3G: 400 kbit/s, 400 ms from a request to its answer. Judged are bytes and
 * round trips, which are the same on every machine, and the time that they take on such a link; the
 * time that this browser took is told.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startAtelier, until } from "./support/atelier.js";
import { assertSound, openPage, startBrowser } from "./support/browser.js";
import { weigh } from "./support/looks.js";

const BYTES_PER_SECOND = 400_000 / 8;
const ROUND_TRIP_SECONDS = 0.4;
const QUESTIONS_SECONDS = 2;
const PICTURE_SECONDS = 3;
const ALL_BYTES = 60_000;
/** A machine that runs other tests besides may be so much slower than the link. */
const BUSY = 4;
/** Up to the first byte of the page itself: to connect, and to ask. */
const FIRST_ROUND_TRIPS = 2;

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 3, isMobile: true, hasTouch: true };
const SHEET = {
  prompt: "A cross-section of a volcano with magma chamber, vent and ash cloud, watercolor",
  title: "Inside a volcano",
  question_answers: JSON.stringify([
    ["What is the molten rock below the ground called?", "magma"],
    ["What comes out of the vent?", "ash | lava"],
    ["How hot is it down there?", "1200 °C"],
    ["What would you ask a volcanologist?"],
  ]),
};

let atelier, browser, address;

before(async () => {
  browser = await startBrowser();
  atelier = await startAtelier({ options: () => ({ AVIF: "on", VARIANTS: "640,320" }) });
  const { assignment_id } = await atelier.make(SHEET);
  // The AVIF is encoded once the picture can be seen already.
  await until(async () => {
    const picture = await fetch(`${atelier.url}/assignments/${assignment_id}/image?stream=true&width=640`, { headers: { accept: "image/avif,image/webp" } });
    return picture.headers.get("content-type") === "image/avif";
  }, 240_000);
  const { token } = await atelier.call("POST", `/assignments/${assignment_id}/share`);
  address = `${atelier.url}/s/${token}`;
});
after(() => Promise.all([atelier?.end(), browser?.close()]));

/** Opens the student's page over the slow link, and tells when what was there. */
async function open() {
  const page = await openPage(browser, PHONE);
  const weight = await weigh(page);
  await weight.client.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: ROUND_TRIP_SECONDS * 1000,
    downloadThroughput: BYTES_PER_SECOND,
    uploadThroughput: BYTES_PER_SECOND,
  });
  await page.goto(address);
  await page.getByLabel("What comes out of the vent?").waitFor();
  const picture = page.getByRole("img", { name: "The picture of: Inside a volcano" });
  await picture.evaluate((image) => image.decode());
  await page.waitForLoadState("networkidle");
  const times = await page.evaluate(() => ({
    questions: performance.getEntriesByName("first-contentful-paint")[0].startTime / 1000,
    picture: performance.getEntriesByType("resource").find(({ name }) => name.includes("/image")).responseEnd / 1000,
  }));
  return { page, weight, picture, times };
}

test("on slow 3G the questions are there within 2 s, the picture within 3 s, and all of it below 60 kB", async (context) => {
  const { page, weight, picture, times } = await open();
  const bytes = { page: weight.bytes((path) => path.startsWith("/s/")), style: weight.bytes((path) => path.endsWith(".css")), picture: weight.bytes((path) => path.endsWith("/image")), all: weight.bytes() };
  context.diagnostic(weight.parts().map((part) => `${part.path.replace(/\/[\w-]{32}/, "/…")} ${part.bytes}`).join(", "));
  context.diagnostic(`all ${bytes.all} bytes; questions painted after ${times.questions.toFixed(2)} s, picture loaded after ${times.picture.toFixed(2)} s`);
  const shown = await picture.evaluate((image) => ({ address: image.currentSrc, width: image.naturalWidth }));
  assert.match(shown.address, /\?width=640$/);
  const seconds = (roundTrips, bytes) => roundTrips * ROUND_TRIP_SECONDS + bytes / BYTES_PER_SECOND;
  // Page and stylesheet are all that is needed to paint the questions; the picture is asked for beside
  // the stylesheet, and shares the link with everything else.
  const questions = seconds(FIRST_ROUND_TRIPS + 1, bytes.page + bytes.style);
  const last = seconds(FIRST_ROUND_TRIPS + 2, bytes.all);
  context.diagnostic(`by the link alone, with connecting: questions ${questions.toFixed(2)} s, picture ${last.toFixed(2)} s`);
  assert.ok(bytes.all < ALL_BYTES, `${bytes.all} bytes`);
  assert.ok(questions < QUESTIONS_SECONDS, `questions after ${questions} s`);
  assert.ok(last < PICTURE_SECONDS, `picture after ${last} s`);
  assert.ok(times.questions < BUSY * QUESTIONS_SECONDS && times.picture < BUSY * PICTURE_SECONDS, JSON.stringify(times));
  assertSound(page);
  await page.context().close();
});

test("before the picture comes its preview is painted, and nothing moves when it comes", async () => {
  const page = await openPage(browser, PHONE);
  let give;
  const held = new Promise((resolve) => (give = resolve));
  await page.route("**/image**", async (route) => {
    await held;
    await route.continue();
  });
  await page.goto(address, { waitUntil: "commit" });
  const question = page.getByText("What is the molten rock below the ground called?");
  await question.waitFor();
  const preview = page.locator("img.preview");
  assert.ok(await preview.evaluate((image) => image.decode().then(() => image.naturalWidth > 0)));
  const place = await preview.boundingBox();
  const before = await question.boundingBox();
  give();
  const picture = page.getByRole("img", { name: "The picture of: Inside a volcano" });
  await picture.evaluate((image) => image.complete || new Promise((resolve) => image.addEventListener("load", resolve)));
  assert.deepEqual(await picture.boundingBox(), place);
  assert.deepEqual(await question.boundingBox(), before);
  assertSound(page);
  await page.context().close();
});
