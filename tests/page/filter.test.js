/** Show: search and filter, one's own first, and several at once. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { startAtelier, until } from "./support/atelier.js";
import { assertSound, cardOf, openPage, startBrowser } from "./support/browser.js";

let atelier, browser, page;
const ids = {};

before(async () => {
  browser = await startBrowser();
  atelier = await startAtelier({ latency: 0.1 });
  for (const [prompt, teacher_id] of [["A heron by the river", "Ada"], ["An otter in the river", "Ben"], ["A desert fox", "Benjamin"], ["Pure violence", "Ben"]]) {
    ids[prompt] = (await atelier.make({ prompt, teacher_id })).assignment_id;
  }
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

/** Exactly these are on show. */
const shown = (...prompts) =>
  until(async () => {
    const found = await page.getByRole("article").getByRole("heading").allTextContents();
    return JSON.stringify(found.toSorted()) === JSON.stringify(prompts.toSorted());
  });

test("part of a teacher's name matches while it is typed, a whole one finds that teacher's alone; it is one step back", async () => {
  await show();
  await cardOf(page, "A desert fox").waitFor();
  const steps = await page.evaluate(() => history.length);
  const teacher = page.getByLabel("Teacher");
  await teacher.pressSequentially("be", { delay: 400 });
  await shown("An otter in the river", "A desert fox", "Pure violence");
  await teacher.fill("");
  await teacher.pressSequentially("Ben", { delay: 400 });
  await shown("An otter in the river", "Pure violence");
  assert.equal(await page.evaluate(() => history.length), steps + 1);
  await page.getByLabel("Status").selectOption("failed");
  await shown("Pure violence");
  await page.goBack();
  await shown("An otter in the river", "Pure violence");
  await page.goBack();
  await shown("A heron by the river", "An otter in the river", "A desert fox", "Pure violence");
  assert.equal(await teacher.inputValue(), "");
});

test("the search and the dates go to the service, whole days of this place", async () => {
  const asked = [];
  await page.route("**/assignments?*", async (route) => {
    const query = new URL(route.request().url()).searchParams;
    if (!query.has("limit")) return route.fallback();
    asked.push(Object.fromEntries(query));
    await route.fallback();
  });
  await show("?q=river+heron&from=2020-02-03&to=2020-02-04");
  await until(async () => asked.length > 0);
  assert.equal(asked[0].q, "river heron");
  const [from, to] = await page.evaluate(() => [new Date(2020, 1, 3).toISOString(), new Date(2020, 1, 4, 23, 59, 59, 999).toISOString()]);
  assert.equal(asked[0].from, from);
  assert.equal(asked[0].to, to);
  assert.equal(await page.getByLabel("Search").inputValue(), "river heron");
});

test("one's own come first, and everybody's are a click away", async () => {
  await page.addInitScript(() => localStorage.setItem("atelier.teacher", JSON.stringify("Ada")));
  await show();
  await shown("A heron by the river");
  await page.getByLabel("Mine only").uncheck();
  await shown("A heron by the river", "An otter in the river", "A desert fox", "Pure violence");
  await page.reload();
  await shown("A heron by the river", "An otter in the river", "A desert fox", "Pure violence");
  await page.goto(`${atelier.url}/complete`);
  await page.getByRole("link", { name: "A desert fox" }).waitFor();
  assert.match(await page.locator(".offer").first().textContent(), /heron/);
});

test("who has none of one's own sees everybody's", async () => {
  await page.addInitScript(() => localStorage.setItem("atelier.teacher", JSON.stringify("Nobody")));
  await show();
  await shown("A heron by the river", "An otter in the river", "A desert fox", "Pure violence");
  assert.ok(!(await page.getByLabel("Mine only").isChecked()));
});

test("each card and the list say what they cost", async () => {
  await show();
  const prices = await page.locator(".cost").allTextContents();
  await cardOf(page, "A heron by the river").getByText(/^\$0\.\d+$/).waitFor();
  await page.getByText(/That is all: 4 assignments\. They cost \$\d\.\d+ in all\./).waitFor();
  assert.ok(prices.length <= 4);
});

test("several are chosen, and deleted after their number and cost were seen", async () => {
  const posts = [];
  await page.route("**/assignments:batch", async (route) => {
    const body = route.request().postDataJSON();
    posts.push(body);
    const count = body.ids.length;
    if (body.confirm_count === undefined) return route.fulfill({ json: { count, cost_usd: 0.08, confirmed: false } });
    if (posts.length === 2) return route.fulfill({ status: 409, json: { title: "Conflict", detail: "It is 2 now." } });
    return route.fulfill({ json: { count, cost_usd: 0.08, confirmed: true, done: 1, failed: [{ assignment_id: ids["A desert fox"], problem: { detail: "It is being changed by others." } }] } });
  });
  await show();
  await page.getByRole("button", { name: "Choose several" }).click();
  await page.getByLabel("Choose: A heron by the river").check();
  await page.getByLabel("Choose: A desert fox").check();
  const chosen = page.getByRole("group", { name: "Chosen assignments" });
  await chosen.getByText("2 chosen").waitFor();
  await chosen.getByRole("button", { name: "Delete" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Delete 2 assignments?").waitFor();
  await dialog.getByText("$0.08").waitFor();
  assert.equal(posts.length, 1);
  await dialog.getByRole("button", { name: "Delete 2" }).click();
  // It was not 2 any more: it is asked again, not done.
  await until(async () => posts.length === 3);
  await dialog.getByRole("button", { name: "Delete 2" }).click();
  await dialog.getByText("It is being changed by others.").waitFor();
  assert.deepEqual(posts.map(({ confirm_count }) => confirm_count), [undefined, 2, undefined, 2]);
  await dialog.getByRole("button", { name: "Close" }).click();
  await cardOf(page, "A heron by the river").waitFor({ state: "detached" });
  await cardOf(page, "A desert fox").waitFor();
});
