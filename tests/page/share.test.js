/** Share: a teacher makes a link, students answer behind it, the teacher sees what and erases it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { startAtelier } from "./support/atelier.js";
import { addPage, assertSound, openPage, startBrowser } from "./support/browser.js";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const QUESTIONS = [
  { question: "Which planet is the largest?", answer: "Jupiter | the planet Jupiter" },
  { question: "How many are there?", answer: 8 },
];
const PLANETS = { prompt: "A secret prompt of planets", teacher_id: "Ms. Okafor", title: "The planets", question_answers: JSON.stringify(QUESTIONS) };

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

/** An assignment with a link: its id, and the address of the student's view. */
async function shared(content = PLANETS) {
  const { assignment_id } = await atelier.make(content);
  const { token } = await atelier.call("POST", `/assignments/${assignment_id}/share`);
  return { assignment_id, token, address: `${atelier.url}/s/${token}` };
}

test("a teacher makes a link, copies it, sees what students answer, and ends it", async () => {
  const { assignment_id } = await atelier.make(PLANETS);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.goto(`${atelier.url}/complete/${assignment_id}`);
  await page.getByRole("heading", { name: "Share with students" }).waitFor();
  await page.getByRole("button", { name: "Make a link" }).click();
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const address = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(address, await page.getByLabel("Link for students").inputValue());
  await page.getByText("Nobody has answered at this link yet.").waitFor();

  const student = await openPage(browser);
  await student.goto(address);
  await student.getByLabel("Which planet is the largest?").fill("  jupiter! ");
  await student.getByLabel("How many are there?").fill("nine");
  await student.getByLabel("Your name").fill("Ada");
  await student.getByRole("button", { name: "Check answers" }).click();
  await student.getByText("1 of 2 right. Your teacher can see it.").waitFor();
  assertSound(student);

  await page.getByRole("button", { name: "Refresh" }).click();
  const row = page.getByRole("row", { name: /Ada/ });
  await row.getByText("1 of 2").waitFor();
  await row.getByText("nine, wrong").waitFor();
  await row.getByRole("button", { name: "Erase the answers of Ada" }).click();
  await row.waitFor({ state: "detached" });

  await page.getByRole("button", { name: "End link" }).click();
  await page.getByRole("button", { name: "Make a link" }).waitFor();
  await student.getByRole("button", { name: "Check answers" }).click();
  await student.getByText("This link was ended.").waitFor();
  assert.equal((await student.goto(address)).status(), 404);
  await student.getByRole("heading", { name: "This link opens nothing" }).waitFor();
  assertSound(student);
  await student.context().close();
});

test("a student's view leads nowhere, asks for nothing else, and knows no answer", async () => {
  const { assignment_id, token, address } = await shared();
  const asked = [];
  const bodies = [];
  page.on("response", (response) => {
    asked.push(new URL(response.url()).pathname);
    bodies.push(response.text().catch(() => ""));
  });
  await page.goto(address);
  await page.getByRole("img", { name: "The picture of: The planets" }).evaluate((image) => image.decode());
  await page.getByLabel("Which planet is the largest?").fill("Saturn");
  await page.keyboard.press("Enter");
  await page.getByText("0 of 2 right.").waitFor();
  assert.equal(await page.locator("a, nav, iframe, [href*='/show']").count(), 0);
  for (const path of asked) assert.match(path, new RegExp(`^/(s|shared)/${token}(/|$)|^/assets/(style.css|shared.js|dom.js|favicon.svg)$`));
  const seen = (await Promise.all(bodies)).join("\n") + (await page.content());
  for (const secret of ["Jupiter", PLANETS.prompt, PLANETS.teacher_id, assignment_id]) assert.ok(!seen.includes(secret), secret);
});

test("the keyboard alone is enough, and what is right or wrong is said", async () => {
  const { address } = await shared();
  await page.goto(address);
  await page.keyboard.press("Tab");
  await page.keyboard.type("the planet jupiter");
  await page.keyboard.press("Tab");
  await page.keyboard.type("9");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "name");
  await page.keyboard.press("Enter");
  await page.getByRole("status").filter({ hasText: "1 of 2 right." }).waitFor();
  const wrong = page.getByLabel("How many are there?");
  assert.equal(await wrong.getAttribute("aria-invalid"), "true");
  assert.equal(await wrong.evaluate((input) => input === document.activeElement), true);
  assert.match(await page.locator(`#${await wrong.getAttribute("aria-describedby")}`).textContent(), /Wrong/);
});

test("without JavaScript the questions are read, answered and checked", async () => {
  const { assignment_id, address } = await shared();
  const plain = await openPage(browser, { javaScriptEnabled: false });
  await plain.goto(address);
  await plain.getByRole("heading", { name: "The planets" }).waitFor();
  await plain.getByLabel("Which planet is the largest?").fill("jupiter");
  await plain.getByLabel("How many are there?").fill('nine "or" <so>');
  await plain.getByLabel("Your name").fill("Ada");
  await plain.getByRole("button", { name: "Check answers" }).click();
  await plain.getByRole("status").filter({ hasText: "1 of 2 right. Your teacher can see it." }).waitFor();
  const wrong = plain.getByLabel("How many are there?");
  assert.equal(await wrong.inputValue(), 'nine "or" <so>');
  assert.equal(await wrong.getAttribute("aria-invalid"), "true");
  const { results } = await atelier.call("GET", `/assignments/${assignment_id}/results`);
  assert.deepEqual(results.map(({ name, answers, right }) => ({ name, answers, right })), [{ name: "Ada", answers: ["jupiter", 'nine "or" <so>'], right: [true, false] }]);
  await plain.getByRole("button", { name: "Clear answers for the next student" }).click();
  await plain.getByRole("button", { name: "Clear answers" }).waitFor({ state: "hidden" });
  assert.equal(await plain.getByLabel("Which planet is the largest?").inputValue(), "");
  assert.doesNotMatch(plain.url(), /Ada|jupiter/);
  await plain.context().close();
});

test("without JavaScript answers that are not taken stay, with what is wrong", async () => {
  const { address } = await shared();
  const plain = await openPage(browser, { javaScriptEnabled: false });
  await plain.goto(address);
  const long = "x".repeat(501);
  const response = await plain.request.post(address, { form: { answer: long, name: "Ada" } });
  assert.equal(response.status(), 400);
  const html = await response.text();
  assert.match(html, /role="alert">`answers` must have answers of at most 500 characters\./);
  assert.ok(html.includes(`value="${long}"`) && html.includes('value="Ada"'));
  await plain.context().close();
});

test("what is typed is kept over a reload, and gone once it is sent", async () => {
  const { address } = await shared();
  const answer = page.getByLabel("Which planet is the largest?");
  const name = page.getByLabel("Your name");
  const clear = page.getByRole("button", { name: "Clear answers for the next student" });
  await page.goto(address);
  assert.ok(await clear.isHidden());
  await answer.fill("Saturn");
  await name.fill("Ada");
  await page.reload();
  await page.getByText("What was typed here before is still here.").waitFor();
  assert.deepEqual([await answer.inputValue(), await name.inputValue()], ["Saturn", "Ada"]);
  await page.getByRole("button", { name: "Check answers" }).click();
  await page.getByText("0 of 2 right. Your teacher can see it.").waitFor();
  assert.equal(await answer.inputValue(), "Saturn");
  await page.reload();
  await page.getByLabel("How many are there?").fill("8");
  assert.deepEqual([await answer.inputValue(), await name.inputValue()], ["", ""]);
  const kept = await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }));
  for (const sent of ["Saturn", "Ada"]) assert.ok(!kept.includes(sent), kept);
  // A new tab at the same computer has nothing of it.
  const next = await addPage(page.context());
  await next.goto(address);
  assert.equal(await next.getByLabel("How many are there?").inputValue(), "");
  await next.close();
});

test("the next student starts with an empty page", async () => {
  const { address } = await shared();
  await page.goto(address);
  await page.getByLabel("Which planet is the largest?").fill("Jupiter");
  await page.getByLabel("Your name").fill("Ada");
  await page.keyboard.press("Enter");
  await page.getByText("1 of 2 right. Your teacher can see it.").waitFor();
  await page.getByRole("button", { name: "Clear answers for the next student" }).click();
  await page.getByRole("status").filter({ hasText: "The answers are cleared." }).waitFor();
  assert.equal(await page.getByLabel("Which planet is the largest?").inputValue(), "");
  assert.equal(await page.getByLabel("Your name").inputValue(), "");
  assert.equal(await page.evaluate(() => document.activeElement.id), "answer-0");
  assert.equal(await page.locator(".verdict").allTextContents().then((all) => all.join("")), "");
});

test("answers that could not be sent stay, also over a reload", async () => {
  const { address } = await shared();
  await page.goto(address);
  const answer = page.getByLabel("Which planet is the largest?");
  await answer.fill("Jupiter");
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "Check answers" }).click();
  await page.getByRole("alert").filter({ hasText: "No answer came." }).waitFor();
  assert.equal(await answer.inputValue(), "Jupiter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "check");
  await page.context().setOffline(false);
  await page.reload();
  await page.getByText("What was typed here before is still here.").waitFor();
  assert.equal(await answer.inputValue(), "Jupiter");
});

test("a browser that forbids storage shows and checks all the same", async () => {
  const { address } = await shared();
  await page.addInitScript(() => {
    for (const storage of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, storage, { get: () => { throw new DOMException("forbidden", "SecurityError"); } });
    }
  });
  await page.goto(address);
  await page.getByLabel("Which planet is the largest?").fill("Jupiter");
  await page.getByRole("button", { name: "Check answers" }).click();
  await page.getByText("1 of 2 right.").waitFor();
});

test("questions without a picture, and a picture without questions, show what there is", async () => {
  const questions = await shared({ prompt: "", title: "Only questions", question_answers: JSON.stringify(QUESTIONS) });
  await page.goto(questions.address);
  await page.getByLabel("How many are there?").fill("8");
  assert.equal(await page.locator("img, .stage").count(), 0);
  const picture = await shared({ prompt: "Only a picture" });
  await page.goto(picture.address);
  await page.getByRole("heading", { name: "Look at the picture" }).waitFor();
  await page.getByRole("img", { name: "The picture of this assignment" }).evaluate((image) => image.decode());
  assert.equal(await page.locator("form, input, button").count(), 0);
});

test("the first question is in sight with the picture, on a phone and beside it", async () => {
  const { address } = await shared();
  for (const [width, height] of [[320, 568], [390, 844], [740, 360], [768, 1024], [1280, 720]]) {
    await page.setViewportSize({ width, height });
    await page.goto(address);
    const label = await page.getByText("Which planet is the largest?").boundingBox();
    assert.ok(label.y + label.height <= height, `the question ends at ${label.y + label.height} of ${width} x ${height}`);
    const picture = await page.getByRole("img", { name: "The picture of: The planets" }).boundingBox();
    assert.ok(picture.y < label.y && picture.height <= height, `${picture.height} of ${height}`);
  }
});

test("a picture that is still pending turns up without a reload", async () => {
  const { assignment_id } = await atelier.make({ prompt: "A late planet", title: "Late" }, { final: false });
  const { token } = await atelier.call("POST", `/assignments/${assignment_id}/share`);
  await page.goto(`${atelier.url}/s/${token}`);
  await page.getByRole("img", { name: "The picture of: Late" }).waitFor();
});

test("what a teacher wrote stays text", async () => {
  const question = "<img src=x onerror=alert(1)>?";
  const { address } = await shared({ title: "<script>alert(2)</script>", question_answers: JSON.stringify([[question, "<b>"]]) });
  await page.goto(address);
  await page.getByRole("heading", { name: "<script>alert(2)</script>" }).waitFor();
  await page.getByLabel(question).fill("<B>");
  await page.getByRole("button", { name: "Check answers" }).click();
  await page.getByText("1 of 1 right.").waitFor();
});

test("axe finds nothing serious in either view, at 320 pixels and with large text too", async () => {
  const { assignment_id, token, address } = await shared();
  await atelier.call("POST", `/shared/${token}/answers`, { name: "Ada Lovelace of the long name", answers: ["Jupiter", "seven"] });
  for (const viewport of [{ width: 320, height: 640 }, { width: 1280, height: 900 }]) {
    const narrow = await openPage(browser, { viewport });
    for (const [where, ready] of [
      [address, "Check answers"],
      [`${atelier.url}/complete/${assignment_id}`, "Refresh"],
    ]) {
      await narrow.goto(where);
      await narrow.getByRole("button", { name: ready }).waitFor();
      await narrow.evaluate(AXE);
      const { violations } = await narrow.evaluate(() => window.axe.run());
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`), []);
      await narrow.evaluate(() => (document.documentElement.style.fontSize = "200%"));
      const wide = await narrow.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${where} is ${wide} px too wide at ${viewport.width}`);
    }
    assertSound(narrow);
    await narrow.context().close();
  }
});
