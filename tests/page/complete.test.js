import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { startAtelier } from "./support/atelier.js";
import { assertSound, openPage, startBrowser } from "./support/browser.js";

let atelier, browser, page;

before(async () => {
  browser = await startBrowser();
  atelier = await startAtelier();
});
after(() => Promise.all([atelier?.end(), browser?.close()]));
beforeEach(async () => {
  page = await openPage(browser);
});
afterEach(async () => {
  assertSound(page);
  await page.context().close();
});

const open = (id) => page.goto(`${atelier.url}/complete/${id}`);
const picture = (prompt) => page.getByRole("img", { name: prompt, exact: true });

test("answers are checked whatever their case and spaces, and right and wrong are said", async () => {
  const questions = [
    { question: "Largest planet?", answer: "Jupiter" },
    { question: "Nearest star?", answer: "The Sun" },
    { question: "How many planets?", answer: 8 },
  ];
  const { assignment_id } = await atelier.make({ prompt: "The planets", question_answers: JSON.stringify(questions) });
  await open(assignment_id);
  await picture("The planets").waitFor();
  await page.getByLabel("Largest planet?").fill("  JUPITER ");
  await page.getByLabel("Nearest star?").fill("the  sun");
  await page.getByLabel("How many planets?").fill("9");
  await page.getByRole("button", { name: "Check answers" }).click();
  await page.getByText("2 of 3 right.").waitFor();
  const wrong = page.getByLabel("How many planets?");
  assert.equal(await wrong.getAttribute("aria-invalid"), "true");
  assert.match(await page.locator(`#${await wrong.getAttribute("aria-describedby")}`).textContent(), /Wrong/);
  assert.equal(await wrong.evaluate((input) => input === document.activeElement), true);
  await wrong.fill("8");
  await page.keyboard.press("Enter");
  await page.getByText("3 of 3 right.").waitFor();
});

test("a picture that is still pending turns up without a reload", async () => {
  const { assignment_id } = await atelier.make({ prompt: "A late guest" }, { final: false });
  await open(assignment_id);
  await page.getByText("Being painted").waitFor();
  await picture("A late guest").waitFor();
});

test("without a picture there are a placeholder and the questions", async () => {
  const { assignment_id } = await atelier.make({ question_answers: JSON.stringify([{ question: "2 + 2?", answer: "4" }]) });
  await open(assignment_id);
  await page.getByText("No picture was asked for.").waitFor();
  await page.getByLabel("2 + 2?").fill("4");
  await page.getByRole("button", { name: "Check answers" }).click();
  await page.getByText("1 of 1 right.").waitFor();
});

test("questions in another shape are understood or left out", async () => {
  for (const [text, labels] of [
    [JSON.stringify({ "Capital of Peru?": "Lima" }), ["Capital of Peru?"]],
    [JSON.stringify(["Just a question?", null, 7, { question: "" }, { question: "And one more?", answer: ["x"] }]), ["Just a question?", "And one more?"]],
    [JSON.stringify([["In a pair?", "Yes"]]), ["In a pair?"]],
    [JSON.stringify("words"), []],
  ]) {
    const { assignment_id } = await atelier.make({ question_answers: text });
    await open(assignment_id);
    if (labels.length) await page.getByRole("button", { name: "Check answers" }).waitFor();
    else await page.getByText("There are no questions with this picture.").waitFor();
    assert.deepEqual(await page.locator("label").allTextContents(), labels);
  }
});

test("scripts in questions and answers stay text", async () => {
  const question = "<img src=x onerror=alert(1)>?";
  const { assignment_id } = await atelier.make({ prompt: "<script>alert(2)</script>", question_answers: JSON.stringify([{ question, answer: "<b>" }]) });
  await open(assignment_id);
  await page.getByLabel(question).fill("<B>");
  await page.getByRole("button", { name: "Check answers" }).click();
  await page.getByText("1 of 1 right.").waitFor();
  await page.getByRole("heading", { name: "<script>alert(2)</script>" }).waitFor();
});

test("an assignment that does not exist is said so", async () => {
  await open("no-such-assignment");
  await page.getByRole("heading", { name: "This assignment does not exist" }).waitFor();
});

test("without an id there are pictures to choose from", async () => {
  await atelier.make({ prompt: "A door to choose" });
  await page.goto(`${atelier.url}/complete`);
  await page.getByRole("link", { name: "A door to choose" }).click();
  await page.getByRole("heading", { name: "A door to choose" }).waitFor();
});
