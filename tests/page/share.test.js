/** Share: a teacher makes a link, students answer behind it, the teacher sees what and erases it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { startAtelier } from "./support/atelier.js";
import { assertSound, openPage, startBrowser } from "./support/browser.js";

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

test("without JavaScript the picture and the questions can be read", async () => {
  const { address } = await shared();
  const plain = await openPage(browser, { javaScriptEnabled: false });
  await plain.goto(address);
  await plain.getByRole("heading", { name: "The planets" }).waitFor();
  await plain.getByText("How many are there?").waitFor();
  await plain.locator("noscript .notice").waitFor();
  assert.ok(await plain.getByRole("button", { name: "Check answers" }).isDisabled());
  await plain.context().close();
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
