import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { startAtelier, until } from "./support/atelier.js";
import { addPage, assertSound, cardOf, openPage, pictureLoaded, startBrowser } from "./support/browser.js";

let atelier, browser, page;

before(async () => {
  browser = await startBrowser();
  atelier = await startAtelier();
});
after(() => Promise.all([atelier?.end(), browser?.close()]));
beforeEach(async () => {
  page = await openPage(browser);
  await page.goto(atelier.url);
});
afterEach(async () => {
  assertSound(page);
  await page.context().close();
});

const named = async (prompt) => (await atelier.all()).filter((each) => each.prompt === prompt);
const create = () => page.getByRole("button", { name: "Create" });

test("a prompt alone becomes a card at once, and the card a picture without a reload", async () => {
  const prompt = "A lighthouse in a storm, oil on canvas";
  await page.evaluate(() => (window.sameDocument = true));
  await page.getByLabel("Prompt").fill(prompt);
  await create().click();
  const card = cardOf(page, prompt);
  await card.getByText("Pending").waitFor();
  await card.getByText(prompt, { exact: true }).waitFor();
  await card.getByText("Ready").waitFor();
  await pictureLoaded(card, prompt);
  assert.equal(await page.evaluate(() => window.sameDocument), true);
  assert.equal(await page.getByLabel("Prompt").inputValue(), "");
});

test("the expected wait counts down", async () => {
  // Nothing is measured yet, so the page begins with what is typical.
  const slow = await startAtelier({ latency: 6 });
  try {
    await page.goto(slow.url);
    await page.getByLabel("Prompt").fill("A slow river");
    await create().click();
    const wait = cardOf(page, "A slow river").getByRole("timer");
    await wait.getByText(/about \d+ s to go/).waitFor();
    const seconds = async () => Number(/(\d+) s/.exec(await wait.textContent())?.[1] ?? 0);
    const first = await seconds();
    await until(async () => (await seconds()) < first);
    await pictureLoaded(cardOf(page, "A slow river"), "A slow river");
  } finally {
    await page.goto(atelier.url);
    await slow.end();
  }
});

test("a double click makes one assignment", async () => {
  await page.getByLabel("Prompt").fill("Two clicks, one fox");
  await create().dblclick();
  await cardOf(page, "Two clicks, one fox").getByText("Ready").waitFor();
  assert.equal((await named("Two clicks, one fox")).length, 1);
  assert.equal(await page.getByRole("article").count(), 1);
});

test("an answer that is lost makes no second assignment", async () => {
  let posts = 0;
  await page.route("**/assignments", async (route) => {
    if (route.request().method() !== "POST") return route.fallback();
    posts += 1;
    if (posts > 1) return route.fallback();
    await route.fetch();
    return route.abort();
  });
  await page.getByLabel("Prompt").fill("A letter that got lost");
  await create().click();
  await cardOf(page, "A letter that got lost").getByText("Ready").waitFor();
  assert.ok(posts > 1);
  assert.equal((await named("A letter that got lost")).length, 1);
});

test("a reload while pending goes on to the picture", async () => {
  await page.getByLabel("Prompt").fill("A bridge that survives a reload");
  await create().click();
  await cardOf(page, "A bridge that survives a reload").getByText("Pending").waitFor();
  await page.reload();
  await pictureLoaded(cardOf(page, "A bridge that survives a reload"), "A bridge that survives a reload");
  assert.equal((await named("A bridge that survives a reload")).length, 1);
});

test("a reload before the service has the assignment loses nothing", async () => {
  await page.route("**/assignments", (route) => route.abort());
  await page.getByLabel("Prompt").fill("A seed under snow");
  await create().click();
  await cardOf(page, "A seed under snow").getByText("Not sent yet").first().waitFor();
  await page.reload();
  await cardOf(page, "A seed under snow").waitFor();
  assert.equal((await named("A seed under snow")).length, 0);
  await page.unroute("**/assignments");
  await cardOf(page, "A seed under snow").getByText("Ready").waitFor();
  assert.equal((await named("A seed under snow")).length, 1);
});

test("a declined prompt says why, and new words make a picture", async () => {
  await page.getByLabel("Prompt").fill("A scene of violence");
  await create().click();
  const card = cardOf(page, "A scene of violence");
  await card.getByText("Failed").waitFor();
  await card.getByText("This prompt was declined by the picture service. Please change the wording.").waitFor();
  assert.match(await card.locator("code").textContent(), /\S{8,}/);
  await card.getByLabel("Change the wording").fill("A scene of peace");
  await card.getByRole("button", { name: "Retry" }).click();
  await pictureLoaded(cardOf(page, "A scene of peace"), "A scene of peace");
});

test("a prompt that is too long is refused with its limit, and keeps its words", async () => {
  await page.getByLabel("Prompt").fill("x".repeat(1025));
  await page.getByText("1025 / 1024").waitFor();
  await create().click();
  await page.getByText("The prompt is 1025 characters long; the limit is 1024.").waitFor();
  assert.equal((await page.getByLabel("Prompt").inputValue()).length, 1025);
  assert.equal(await page.getByRole("article").count(), 0);
});

test("what the service refuses comes back into the form, with its reason", async () => {
  await page.getByLabel("Prompt").fill("A mountain");
  await page.getByLabel("Teacher").fill("t".repeat(2000));
  await create().click();
  await page.locator("#teacher-error, #form-error").filter({ visible: true }).waitFor();
  assert.equal(await page.getByLabel("Prompt").inputValue(), "A mountain");
  assert.equal((await named("A mountain")).length, 0);
});

test("a script in a prompt stays text", async () => {
  const prompt = `<script>window.ran = 1</script><img src=x onerror="window.ran = 1"> & "quotes"`;
  await page.getByLabel("Prompt").fill(prompt);
  await page.getByLabel("Teacher").fill("<b onclick=alert(1)>Mallory</b>");
  await create().click();
  const card = page.getByRole("article");
  await card.getByText("Ready").waitFor();
  assert.equal(await card.getByRole("heading").textContent(), prompt);
  await card.getByText("<b onclick=alert(1)>Mallory</b>").waitFor();
  assert.equal(await page.evaluate(() => window.ran), undefined);
});

test("questions are edited as rows and kept with the assignment", async () => {
  await page.getByLabel("Prompt").fill("The solar system");
  const add = page.getByRole("button", { name: "Add a question" });
  await add.click();
  await page.getByLabel("Question 1").fill("Largest planet?");
  await page.getByLabel("Answer 1").fill("Jupiter");
  await add.click();
  await page.getByLabel("Question 2").fill("Not needed");
  await add.click();
  await page.getByLabel("Question 3").fill("How many planets?");
  await page.getByLabel("Answer 3").fill("8");
  await page.getByRole("button", { name: "Remove question 2" }).click();
  await page.getByLabel("Keep for ever").check();
  await create().click();
  await cardOf(page, "The solar system").getByText("Ready").waitFor();
  const [assignment] = await named("The solar system");
  assert.deepEqual(JSON.parse(assignment.question_answers), [
    { question: "Largest planet?", answer: "Jupiter" },
    { question: "How many planets?", answer: "8" },
  ]);
  assert.equal(assignment.permanent, true);
});

test("ten pending cards are followed with one connection", async () => {
  let open = 0;
  let most = 0;
  const ends = (request) => request.url().includes("wait=") && (open -= 1);
  page.on("request", (request) => request.url().includes("wait=") && (most = Math.max(most, (open += 1))));
  page.on("requestfinished", ends);
  page.on("requestfailed", ends);
  for (let n = 1; n <= 10; n++) {
    await page.getByLabel("Prompt").fill(`One of ten, number ${n}`);
    await create().click();
  }
  await until(async () => (await page.getByRole("article").getByText("Ready").count()) === 10, 30000);
  assert.equal(most, 1);
});

test("a card made in one tab turns into its picture in the other", async () => {
  const other = await addPage(page.context());
  await other.goto(`${atelier.url}/show`);
  await page.getByLabel("Prompt").fill("A kite seen from two windows");
  await create().click();
  await cardOf(other, "A kite seen from two windows").getByText("Pending").waitFor();
  await pictureLoaded(cardOf(other, "A kite seen from two windows"), "A kite seen from two windows");
  await cardOf(page, "A kite seen from two windows").getByText("Ready").waitFor();
  assertSound(other);
});

test("offline is said, and what was created then is sent later", async () => {
  await page.context().setOffline(true);
  await page.getByText("You are offline").waitFor();
  await page.getByLabel("Prompt").fill("A cabin without a line");
  await create().click();
  await cardOf(page, "A cabin without a line").getByText("Not sent yet").first().waitFor();
  await page.context().setOffline(false);
  await cardOf(page, "A cabin without a line").getByText("Ready").waitFor();
  assert.equal(await page.getByText("You are offline").count(), 0);
});

test("the API goes away and comes back, and the picture is there", async () => {
  await page.getByLabel("Prompt").fill("A phoenix before");
  await create().click();
  await cardOf(page, "A phoenix before").getByText("Pending").waitFor();
  await atelier.stop();
  await page.getByText("The service cannot be reached").waitFor();
  await page.getByLabel("Prompt").fill("A phoenix meanwhile");
  await create().click();
  await cardOf(page, "A phoenix meanwhile").getByText("Not sent yet").first().waitFor();
  await atelier.start();
  await cardOf(page, "A phoenix before").getByText("Ready").waitFor({ timeout: 60000 });
  await cardOf(page, "A phoenix meanwhile").getByText("Ready").waitFor({ timeout: 60000 });
  await until(async () => (await page.getByText("The service cannot be reached").count()) === 0);
  assert.equal((await named("A phoenix meanwhile")).length, 1);
});

test("a hidden tab asks rarely, and at once when it is seen again", async () => {
  let asked = 0;
  page.on("request", (request) => request.url().includes("ids=") && (asked += 1));
  const hide = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await page.getByLabel("Prompt").fill("A cat behind a curtain");
  await create().click();
  await cardOf(page, "A cat behind a curtain").getByText("Ready").waitFor();
  await hide(true);
  await page.getByLabel("Prompt").fill("A dog behind a curtain");
  await create().click();
  await until(async () => (await named("A dog behind a curtain")).length === 1);
  await atelier.settled((await named("A dog behind a curtain"))[0].assignment_id);
  assert.ok(asked < 10, `${asked} requests`);
  await hide(false);
  await cardOf(page, "A dog behind a curtain").getByText("Ready").waitFor();
});
