/** What a teacher does with a finished assignment: download it, print it, change its questions, show its link to a class. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { startAtelier, until } from "./support/atelier.js";
import { assertSound, cardOf, openPage, pictureLoaded, startBrowser } from "./support/browser.js";

const JSQR = await readFile(createRequire(import.meta.url).resolve("jsqr/dist/jsQR.js"), "utf8");
const QUESTIONS = [
  { question: "Which planet is the largest?", answer: "Jupiter" },
  { question: "How many planets are there?", answer: 8 },
];

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

const open = (id) => page.goto(`${atelier.url}/complete/${id}`);
const make = (content) => atelier.make({ question_answers: JSON.stringify(QUESTIONS), ...content });

/** Pages of a PDF: Chromium writes an object of this type for each. */
const pagesOf = (pdf) => pdf.toString("latin1").match(/\/Type\s*\/Page\b/g).length;

test("the picture is downloaded as WebP, PNG and JPEG under a name made of the prompt", async () => {
  const { assignment_id } = await make({ prompt: "Ein Fuchs, groß & rot: «Reineke»/狐" });
  await open(assignment_id);
  await page.getByText("Download", { exact: true }).click();
  for (const [format, ending, magic] of [["WebP", "webp", "RIFF"], ["PNG", "png", "\x89PNG"], ["JPEG", "jpg", "\xff\xd8\xff"]]) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: `${format}: download the picture` }).click()]);
    assert.equal(download.suggestedFilename(), `Ein-Fuchs-groß-rot-Reineke-狐.${ending}`);
    const file = await readFile(await download.path(), "latin1");
    assert.ok(file.startsWith(magic), `${format}: ${file.slice(0, 8)}`);
  }
});

for (const [paper, format] of [["A4", "A4"], ["Letter", "Letter"]]) {
  test(`a worksheet of six questions is one page of ${paper}, with the answers on a sheet of their own`, async () => {
    const questions = Array.from({ length: 6 }, (_, n) => ({ question: `What is drawn at place number ${n + 1} of the picture, and what is it good for?`, answer: `Answer number ${n + 1}` }));
    const { assignment_id } = await make({ prompt: `A workshop on ${paper}`, question_answers: JSON.stringify(questions) });
    await open(assignment_id);
    await pictureLoaded(page.locator("main"), `A workshop on ${paper}`);
    assert.equal(pagesOf(await page.pdf({ format })), 2);
    await page.emulateMedia({ media: "print" });
    for (const gone of ["header", ".tools", ".share", ".editor", ".quiz button"]) assert.equal(await page.locator(gone).first().isVisible(), false, gone);
    const line = await page.getByLabel("What is drawn at place number 1").boundingBox();
    assert.ok(line.width > 300 && line.height >= 30, JSON.stringify(line));
    assert.ok(await page.getByText("Answer number 6").last().isVisible());
    assert.equal(await page.locator(".answer-sheet").evaluate((sheet) => getComputedStyle(sheet).breakBefore), "page");
  });
}

test("without questions a worksheet has no sheet of answers", async () => {
  const { assignment_id } = await atelier.make({ prompt: "Nothing but a tree" });
  await open(assignment_id);
  await pictureLoaded(page.locator("main"), "Nothing but a tree");
  assert.equal(pagesOf(await page.pdf({ format: "A4" })), 1);
});

test("the QR code for the class leads to the link", async () => {
  const { assignment_id } = await make({ prompt: "The planets for a class" });
  await open(assignment_id);
  await page.getByRole("button", { name: "Make a link" }).click();
  const link = await page.getByLabel("Link for students").inputValue();
  await page.getByRole("button", { name: "QR code for the class" }).click();
  const code = page.getByRole("dialog", { name: "QR code for the class" }).getByRole("img");
  await code.evaluate((image) => image.decode());
  await page.evaluate(JSQR);
  const read = await code.evaluate((image) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 640;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, 640, 640);
    return window.jsQR(context.getImageData(0, 0, 640, 640).data, 640, 640)?.data;
  });
  assert.equal(read, link);
  await page.keyboard.press("Escape");
  await code.waitFor({ state: "hidden" });
});

test("questions and answers are seen on the card, and changed after the picture was made", async () => {
  const { assignment_id } = await make({ prompt: "The planets with a mistake" });
  let saved;
  await page.route(`**/assignments/${assignment_id}`, async (route) => {
    if (route.request().method() !== "PATCH") return route.fallback();
    saved = route.request().postDataJSON();
    const now = await atelier.call("GET", `/assignments/${assignment_id}`);
    await route.fulfill({ json: { ...now, ...saved } });
  });
  await page.goto(`${atelier.url}/show`);
  const card = cardOf(page, "The planets with a mistake");
  await card.getByText("2 questions").click();
  await card.getByText("Jupiter").waitFor();
  await card.getByRole("link", { name: "Edit questions" }).click();
  const editor = page.getByRole("region", { name: "Questions and answers" });
  await editor.getByRole("button", { name: "Edit" }).click();
  await editor.getByLabel("Answer 2").fill("eight | 8");
  await page.keyboard.press("Enter");
  await page.keyboard.type("Which one is ours?");
  await editor.getByRole("button", { name: "Save" }).click();
  await page.getByLabel("Which one is ours?").waitFor();
  assert.deepEqual(JSON.parse(saved.question_answers), [QUESTIONS[0], { question: QUESTIONS[1].question, answer: "eight | 8" }, { question: "Which one is ours?", answer: "" }]);
  await page.getByLabel("How many planets are there?").fill("Eight");
  await page.getByRole("button", { name: "Check answers" }).click();
  await page.getByText("1 of 3 right.").waitFor();
});

test("one that failed says why where one opens it, with its reference, and is made with other words", async () => {
  const assignment = await atelier.make({ prompt: "Violence at noon" });
  await open(assignment.assignment_id);
  await page.getByText("This prompt was declined by the picture service. Please change the wording.").waitFor();
  await page.getByText(`Reference ${assignment.failure.correlation_id}`).waitFor();
  await page.getByLabel("Change the wording").fill("Silence at noon");
  await page.getByRole("button", { name: "Retry" }).click();
  await pictureLoaded(page.locator("main"), "Silence at noon");
});

test("a lost picture says so and is made again", async () => {
  const { assignment_id } = await make({ prompt: "A sand painting" });
  const address = `**/assignments/${assignment_id}/image*`;
  let retried = false;
  await page.route(address, (route) => (retried ? route.fallback() : route.fulfill({ headers: { "content-type": "image/svg+xml", "x-atelier-placeholder": "missing", "cache-control": "no-store" }, body: '<svg xmlns="http://www.w3.org/2000/svg" width="420" height="400"/>' })));
  await page.route(`**/assignments/${assignment_id}/retry`, async (route) => {
    retried = true;
    const now = await atelier.call("GET", `/assignments/${assignment_id}`);
    await route.fulfill({ status: 202, json: { ...now, round: 2 } });
  });
  await page.goto(`${atelier.url}/show`);
  const card = cardOf(page, "A sand painting");
  await card.getByText("This picture is lost.").waitFor();
  await card.getByText("Lost", { exact: true }).waitFor();
  await card.getByRole("button", { name: "Make it again" }).click();
  await pictureLoaded(card, "A sand painting");
  await card.getByText("Ready").waitFor();
});

test("renditions and the preview are used on every view", async () => {
  const { assignment_id } = await make({ prompt: "A picture of many sizes" });
  const rich = (it) => (it.assignment_id === assignment_id ? { ...it, thumbhash: "1QcSHQRnh493V4dIh4eXh1h4kJUI", variants: [{ width: 320, height: 320, url: `/assignments/${assignment_id}/image?width=320`, size_bytes: 9 }] } : it);
  await page.route("**/assignments?*", async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    await route.fulfill({ response, json: { ...answer, assignments: answer.assignments.map(rich) } });
  });
  await page.route(`**/assignments/${assignment_id}`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: rich(await response.json()) });
  });
  await page.route("**/image*", async (route) => {
    await until(async () => (await page.locator(".picture[style*='data:image']").count()) > 0 || page.url().endsWith("/complete")).catch(() => {});
    await route.fallback();
  });
  await page.addInitScript((id) => localStorage.setItem("atelier.recent", JSON.stringify([id])), assignment_id);
  for (const address of ["/", "/show", `/complete/${assignment_id}`, "/complete"]) {
    await page.goto(atelier.url + address);
    const image = page.locator(`img[srcset*="${assignment_id}/image?width=320 320w"]`).first();
    await image.waitFor();
    assert.match(await image.getAttribute("srcset"), /\/image 1024w$/);
    assert.ok(await image.getAttribute("sizes"));
    if (address !== "/complete") {
      await until(() => page.locator(".picture.loaded").first().isVisible());
    }
  }
});

test("an estimate counts down once, and what is past it takes longer than usual", async () => {
  await atelier.call("PUT", "/fleet/temper", { latency_ms: 60000, throttle: 0, failure: 0 });
  try {
    const { assignment_id } = await atelier.make({ prompt: "A snail on its way" }, { final: false });
    await page.route("**/assignments?*", async (route) => {
      const response = await route.fetch();
      const answer = await response.json();
      await route.fulfill({ response, json: { ...answer, assignments: answer.assignments.map((each) => (each.assignment_id === assignment_id ? { ...each, expected_wait_seconds: 2 } : each)) } });
    });
    await page.goto(`${atelier.url}/show`);
    const wait = cardOf(page, "A snail on its way").getByRole("timer");
    await wait.getByText(/about [12] s to go/).waitFor();
    await wait.getByText("longer than usual").waitFor();
    // Each answer has a new estimate; late stays late.
    await page.waitForResponse((response) => response.url().includes("limit="));
    await wait.getByText("longer than usual").waitFor();
    await atelier.call("DELETE", `/assignments/${assignment_id}`);
  } finally {
    await atelier.call("PUT", "/fleet/temper", { latency_ms: 100, throttle: 0, failure: 0 });
  }
});

test("a question without a picture has its title, long prompts fold, and every script runs its own way", async () => {
  await atelier.make({ title: "ما هذا؟", question_answers: JSON.stringify([["2 + 2?", "4"]]) });
  await atelier.make({ question_answers: JSON.stringify([["3 + 3?", "6"]]) });
  const long = `A very long street. ${"House after house after house. ".repeat(20)}`.trim();
  const { assignment_id } = await atelier.make({ prompt: long });
  await page.goto(`${atelier.url}/show`);
  assert.equal(await cardOf(page, "ما هذا؟").getByRole("heading").evaluate((heading) => getComputedStyle(heading).direction), "rtl");
  await cardOf(page, "3 + 3?").waitFor();
  for (const address of ["/show", `/complete/${assignment_id}`]) {
    await page.goto(atelier.url + address);
    const heading = page.getByRole("heading", { name: long });
    await heading.waitFor();
    const folded = (await heading.boundingBox()).height;
    await page.getByRole("button", { name: "Show all of it" }).click();
    assert.ok((await heading.boundingBox()).height > folded);
    await page.getByRole("button", { name: "Show less" }).click();
    assert.equal((await heading.boundingBox()).height, folded);
  }
});

test("an unknown address is a page, and a slash at the end leads to the same view", async () => {
  const response = await page.goto(`${atelier.url}/no/such/view`);
  assert.equal(response.status(), 404);
  await page.getByRole("heading", { name: "Nothing here" }).waitFor();
  await page.getByRole("link", { name: "To the start" }).click();
  await page.getByRole("heading", { name: "Create an assignment" }).waitFor();
  await page.goto(`${atelier.url}/show/?status=failed`);
  assert.equal(page.url(), `${atelier.url}/show?status=failed`);
  assert.equal(await page.getByLabel("Status").inputValue(), "failed");
});
