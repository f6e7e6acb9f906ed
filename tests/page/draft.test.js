/** What is typed into the form of a new assignment is not lost, and sends nothing by accident. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { startAtelier, until } from "./support/atelier.js";
import { assertSound, cardOf, openPage, startBrowser } from "./support/browser.js";

/** What a browser may do to a page's storage. */
const STORAGE = {
  "that may not be touched": () => {
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, {
        get() {
          throw new DOMException("forbidden", "SecurityError");
        },
      });
    }
  },
  "that is full": () => {
    Storage.prototype.setItem = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
  },
  "that holds what nobody understands": () => {
    for (const name of ["recent", "outbox", "teacher", "draft", "me", "owner", "typed"]) {
      for (const storage of [localStorage, sessionStorage]) {
        if (!storage.getItem(`atelier.${name}`)) storage.setItem(`atelier.${name}`, ["{", "7", "null", "[[]]", '{"a":1}'][name.length % 5]);
      }
    }
  },
};

let atelier, browser, page;

before(async () => {
  browser = await startBrowser();
  atelier = await startAtelier({ latency: 0.1 });
});
after(() => Promise.all([atelier?.end(), browser?.close()]));
afterEach(async () => {
  assertSound(page);
  await page.context().close();
});

async function open(spoil) {
  page = await openPage(browser);
  if (spoil) await page.addInitScript(spoil);
  await page.goto(atelier.url);
  // The draft is there once it is known who is here.
  await page.waitForLoadState("networkidle");
}

async function type() {
  await page.getByLabel("Prompt").fill("A half-written fox ");
  await page.getByRole("button", { name: "Add a question" }).click();
  await page.getByLabel("Question 1").fill("Which animal?");
  await page.getByLabel("Answer 1").fill("A fox");
  await page.getByLabel("Title").fill("Foxes");
  await page.getByLabel("Teacher").fill("Ada");
  await page.getByLabel("Keep for ever").check();
}

async function assertTyped() {
  await until(async () => (await page.getByLabel("Prompt").inputValue()) === "A half-written fox ");
  assert.equal(await page.getByLabel("Question 1").inputValue(), "Which animal?");
  assert.equal(await page.getByLabel("Answer 1").inputValue(), "A fox");
  assert.equal(await page.getByLabel("Title").inputValue(), "Foxes");
  assert.equal(await page.getByLabel("Teacher").inputValue(), "Ada");
  assert.ok(await page.getByLabel("Keep for ever").isChecked());
}

for (const [name, spoil] of [["as usual", null], ...Object.entries(STORAGE)]) {
  test(`with storage ${name}: a draft outlives a reload and the way back, and is sent once`, async () => {
    const prompt = `A fox with storage ${name}`;
    await open(spoil);
    await type();
    await page.reload();
    await assertTyped();
    await page.getByRole("link", { name: "Show", exact: true }).click();
    await page.getByRole("heading", { name: "Assignments" }).waitFor();
    await page.goBack();
    await assertTyped();
    await page.getByLabel("Prompt").fill(prompt);
    await page.getByRole("button", { name: "Create" }).click();
    await cardOf(page, prompt).getByText("Ready").waitFor();
    await page.reload();
    await page.waitForLoadState("networkidle");
    assert.equal(await page.getByLabel("Prompt").inputValue(), "");
    assert.equal((await atelier.all()).filter((each) => each.prompt === prompt).length, 1);
  });
}

test("Enter leads from field to field and makes a row after the last answer; Ctrl + Enter sends", async () => {
  await open();
  const focused = () => page.evaluate(() => document.activeElement.labels?.[0]?.firstChild.data.trim() ?? document.activeElement.textContent);
  await page.getByLabel("Prompt").fill("A field of wheat");
  await page.getByRole("button", { name: "Add a question" }).click();
  await page.keyboard.type("Which plant?");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "Answer 1");
  await page.keyboard.type("Wheat");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "Question 2");
  await page.getByLabel("Title").focus();
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "Teacher");
  await page.keyboard.press("Enter");
  await page.getByLabel("Keep for ever").focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.getByRole("article").count(), 0);
  assert.equal((await atelier.all()).filter(({ prompt }) => prompt === "A field of wheat").length, 0);
  await page.getByLabel("Answer 1").focus();
  await page.keyboard.press("Control+Enter");
  await cardOf(page, "A field of wheat").getByText("Ready").waitFor();
});

test("several pasted lines become several rows", async () => {
  await open();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const paste = async (text) => {
    await page.evaluate((text) => navigator.clipboard.writeText(text), text);
    await page.keyboard.press("Control+V");
  };
  const rows = () => page.locator("#rows input").evaluateAll((inputs) => inputs.map(({ value }) => value));
  await page.getByRole("button", { name: "Add a question" }).click();
  await paste("1. Largest planet?\tJupiter\r\n2. Nearest star?\tThe Sun\n\n3. How many?");
  assert.deepEqual(await rows(), ["Largest planet?", "Jupiter", "Nearest star?", "The Sun", "How many?", ""]);
  await page.getByLabel("Answer 3").focus();
  await paste("8\n9");
  assert.deepEqual(await rows(), ["Largest planet?", "Jupiter", "Nearest star?", "The Sun", "How many?", "8", "", "9"]);
  await page.getByLabel("Question 4").focus();
  await paste("One line");
  assert.equal(await page.getByLabel("Question 4").inputValue(), "One line");
});

test("an example that takes the place of one's own prompt can be undone", async () => {
  await open();
  const prompt = page.getByLabel("Prompt");
  await page.getByRole("button", { name: "A volcano inside" }).click();
  await page.getByRole("button", { name: "A Roman market" }).click();
  assert.match(await prompt.inputValue(), /ancient Rome/);
  assert.equal(await page.getByRole("button", { name: "Undo" }).count(), 0);
  await prompt.fill("My own words");
  await page.getByRole("button", { name: "A volcano inside" }).click();
  await page.getByRole("button", { name: "Undo" }).click();
  assert.equal(await prompt.inputValue(), "My own words");
});

test("what is not sent yet says so, here and in the list", async () => {
  await open();
  await page.route("**/assignments", (route) => (route.request().method() === "POST" ? route.abort() : route.fallback()));
  await page.getByLabel("Prompt").fill("A letter without a stamp");
  await page.getByRole("button", { name: "Create" }).click();
  const card = cardOf(page, "A letter without a stamp");
  await card.getByText("Not sent yet").first().waitFor();
  assert.equal(await card.getByRole("timer").count(), 0);
  await page.goto(`${atelier.url}/show`);
  await card.getByText("Not sent yet").first().waitFor();
  await page.unroute("**/assignments");
  await card.getByText("Ready").waitFor({ timeout: 60000 });
});

test("a copy of an assignment is filled in, and sent as a new one", async () => {
  const questions = JSON.stringify([{ question: "Which planet?", answer: ["Jupiter", "a|b"], points: 3 }, ["How many?", 8]]);
  const made = await atelier.make({ prompt: "The planets to copy", title: "Planets", teacher_id: "Ben", question_answers: questions });
  await open();
  await page.goto(`${atelier.url}/show`);
  await cardOf(page, "The planets to copy").getByRole("link", { name: "Duplicate" }).click();
  await until(async () => (await page.getByLabel("Prompt").inputValue()) === "The planets to copy");
  assert.equal(await page.getByLabel("Answer 1").inputValue(), "Jupiter | a\\|b");
  assert.equal(new URL(page.url()).search, "");
  await page.getByLabel("Question 2").fill("How many are there?");
  await page.getByRole("button", { name: "Create" }).click();
  await until(async () => (await atelier.all()).filter(({ prompt }) => prompt === made.prompt).length === 2);
  const [copy] = (await atelier.all()).filter(({ assignment_id, prompt }) => prompt === made.prompt && assignment_id !== made.assignment_id);
  assert.deepEqual(JSON.parse(copy.question_answers), [
    { question: "Which planet?", answer: ["Jupiter", "a|b"], points: 3 },
    { question: "How many are there?", answer: "8" },
  ]);
  assert.equal(copy.teacher_id, "Ben");
});
