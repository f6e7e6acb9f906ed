import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { startAtelier, until } from "./support/atelier.js";
import { addPage, assertSound, cardOf, openPage, pictureLoaded, startBrowser } from "./support/browser.js";

const MANY = 500;

let atelier, browser, page;

before(async () => {
  browser = await startBrowser();
  atelier = await startAtelier({ latency: 0.1 });
});
after(() => Promise.all([atelier?.end(), browser?.close()]));
beforeEach(async () => {
  page = await openPage(browser);
});
afterEach(async () => {
  assertSound(page);
  await page.context().close();
});

const show = (query = "") => page.goto(`${atelier.url}/show${query}`);

test("without assignments the page says so", async () => {
  await show();
  await page.getByText("No assignments yet.").waitFor();
});

test("the filter lives in the address: it can be reloaded, shared, and gone back from", async () => {
  await atelier.make({ prompt: "A heron", teacher_id: "Ada" });
  await atelier.make({ prompt: "An otter", teacher_id: "Ben" });
  await atelier.make({ prompt: "Pure violence", teacher_id: "Ben" });
  await show();
  await cardOf(page, "A heron").waitFor();
  await page.getByLabel("Teacher").fill("Ben");
  await page.waitForURL("**/show?teacher_id=Ben");
  await cardOf(page, "A heron").waitFor({ state: "detached" });
  await cardOf(page, "An otter").waitFor();
  await page.getByLabel("Status").selectOption("failed");
  await page.waitForURL("**/show?teacher_id=Ben&status=failed");
  await cardOf(page, "An otter").waitFor({ state: "detached" });
  await page.reload();
  await cardOf(page, "Pure violence").waitFor();
  assert.equal(await page.getByRole("article").count(), 1);
  assert.equal(await page.getByLabel("Teacher").inputValue(), "Ben");
  await page.goBack();
  await cardOf(page, "An otter").waitFor();
});

test("a failed one has words, an id to copy, and another try with other words", async () => {
  const assignment = await atelier.make({ prompt: "Violence at dawn" });
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await show("?status=failed");
  const card = cardOf(page, "Violence at dawn");
  await card.getByText("Failed").waitFor();
  await card.getByText("This prompt was declined by the picture service. Please change the wording.").waitFor();
  await card.getByRole("button", { name: "Copy id" }).click();
  await card.getByText("Copied").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), assignment.failure.correlation_id);
  await card.getByLabel("Change the wording").fill("Silence at dawn");
  await card.getByRole("button", { name: "Retry" }).click();
  await pictureLoaded(cardOf(page, "Silence at dawn"), "Silence at dawn");
  assert.equal((await atelier.settled(assignment.assignment_id)).round, 2);
});

test("keep for ever is kept", async () => {
  const { assignment_id } = await atelier.make({ prompt: "A cathedral" });
  await show();
  const box = cardOf(page, "A cathedral").getByLabel("Keep for ever");
  await box.check();
  await until(async () => (await atelier.call("GET", `/assignments/${assignment_id}`)).permanent === true);
  await page.reload();
  await until(() => box.isChecked());
  await box.uncheck();
  await until(async () => (await atelier.call("GET", `/assignments/${assignment_id}`)).permanent === false);
});

test("a delete can be taken back for a few seconds, then it is done", async () => {
  const { assignment_id } = await atelier.make({ prompt: "A sandcastle" });
  const left = async () => (await atelier.all()).some((each) => each.assignment_id === assignment_id);
  await show();
  const card = cardOf(page, "A sandcastle");
  await card.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Undo" }).click();
  assert.equal(await page.getByRole("button", { name: "Undo" }).count(), 0);
  assert.ok(await left());
  await card.getByRole("button", { name: "Delete" }).click();
  assert.ok(await left());
  await card.waitFor({ state: "detached" });
  assert.ok(!(await left()));
});

test("a delete is done when the page is left before its time", async () => {
  const { assignment_id } = await atelier.make({ prompt: "Footprints" });
  await show();
  await cardOf(page, "Footprints").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("link", { name: "Fleet" }).click();
  await until(async () => !(await atelier.all()).some((each) => each.assignment_id === assignment_id), 4000);
});

test("two tabs, and two browsers, agree", async () => {
  const { assignment_id } = await atelier.make({ prompt: "A shared moon" });
  await show();
  const tab = await addPage(page.context());
  const elsewhere = await openPage(browser);
  await tab.goto(`${atelier.url}/show`);
  await elsewhere.goto(`${atelier.url}/show`);
  await cardOf(tab, "A shared moon").getByLabel("Keep for ever").check();
  await until(() => cardOf(page, "A shared moon").getByLabel("Keep for ever").isChecked(), 3000);
  await until(() => cardOf(elsewhere, "A shared moon").getByLabel("Keep for ever").isChecked());
  await atelier.call("DELETE", `/assignments/${assignment_id}`);
  await atelier.make({ prompt: "A comet from elsewhere" });
  for (const each of [page, tab, elsewhere]) {
    await cardOf(each, "A shared moon").waitFor({ state: "detached" });
    await cardOf(each, "A comet from elsewhere").waitFor();
    assertSound(each);
  }
  await elsewhere.context().close();
});

test("S3 goes away while one looks: words in the picture's place, and the picture when it is back", async () => {
  const prompt = "A picture behind a wall";
  await atelier.make({ prompt });
  await atelier.fault({ service: "s3", kind: "refuse" });
  try {
    await show();
    const card = cardOf(page, prompt);
    const frame = card.locator(".picture");
    const before = await frame.boundingBox();
    await page.waitForTimeout(1500);
    assert.deepEqual(await frame.boundingBox(), before);
    await card.getByText("Ready").waitFor();
  } finally {
    await atelier.mend();
  }
  await until(() => cardOf(page, prompt).locator(".picture.loaded").isVisible(), 60000);
});

test(`${MANY} assignments scroll smoothly, without a jump, down to the last`, async (context) => {
  const there = (await atelier.all()).length;
  for (let made = there; made < MANY; made += 20) {
    const batch = Array.from({ length: Math.min(20, MANY - made) }, (_, n) => ({ prompt: `Tile ${n % 5}`, teacher_id: "Tessa" }));
    await Promise.all(batch.map((content) => atelier.make(content, { final: false })));
  }
  await until(async () => (await atelier.all("&status=pending")).length === 0, 120000);
  await show();
  await page.getByRole("article").first().waitFor();
  await page.evaluate(() => {
    window.shift = 0;
    window.frames = [];
    new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => (window.shift += value))).observe({ type: "layout-shift", buffered: true });
    let last = performance.now();
    requestAnimationFrame(function frame(now) {
      window.frames.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    });
  });
  await until(async () => {
    await page.mouse.wheel(0, 900);
    return (await page.getByText(`That is all: ${MANY} assignments.`).count()) === 1;
  }, 120000);
  assert.equal(await page.getByRole("article").count(), MANY);
  const { shift, median } = await page.evaluate(() => ({ shift: window.shift, median: window.frames.sort((a, b) => a - b)[window.frames.length >> 1] }));
  context.diagnostic(`layout shift ${shift.toFixed(4)}, median frame ${median.toFixed(1)} ms`);
  assert.ok(shift < 0.05, `layout shift ${shift}`);
  // The figure is told; judged is only what no busy machine explains.
  assert.ok(median < 200, `median frame ${median} ms`);
});

test("a page of the list that did not come is asked for again with a button", async () => {
  const more = page.getByRole("button", { name: "Show more" });
  await page.route(/assignments\?.*after=/, (route) => route.fulfill({ status: 500, json: { detail: "The list is away." } }));
  await show();
  await until(async () => {
    await page.mouse.wheel(0, 900);
    return more.isVisible();
  });
  await page.getByText("The list is away.").waitFor();
  const before = await page.getByRole("article").count();
  await page.unroute(/assignments\?.*after=/);
  await more.click();
  await until(async () => (await page.getByRole("article").count()) > before);
  assert.equal(await more.isVisible(), false);
});
