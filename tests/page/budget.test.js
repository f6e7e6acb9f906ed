import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { startAtelier } from "./support/atelier.js";
import { assertSound, cardOf, openPage, startBrowser } from "./support/browser.js";

let atelier, browser, page;

before(async () => {
  browser = await startBrowser();
  atelier = await startAtelier({ options: () => ({ BUDGET_USD_PER_DAY: "0.08", REUSE: "off" }) });
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

test("the page tells what is left of the budget until it is used up, and gives the form back then", async () => {
  const create = async (prompt) => {
    await page.getByLabel("Prompt").fill(prompt);
    await page.getByRole("button", { name: "Create" }).click();
  };
  await page.getByText("Today's budget: 2 more pictures.").waitFor();
  await create("A first lighthouse");
  await cardOf(page, "A first lighthouse").getByText("Ready").waitFor();
  await page.getByText("Today's budget: 1 more picture.").waitFor();
  await create("A second lighthouse");
  await cardOf(page, "A second lighthouse").getByText("Ready").waitFor();
  await page.getByRole("status").getByText("Today's budget for pictures is used up.").waitFor();
  await create("A third lighthouse");
  await page.getByRole("alert").getByText("Today's budget for pictures is used up.").waitFor();
  assert.equal(await page.getByLabel("Prompt").inputValue(), "A third lighthouse");
  assert.equal(await page.getByRole("article").count(), 2);
  await page.goto(`${atelier.url}/fleet`);
  await page.getByText("$0.08 of $0.08 are charged today.").waitFor();
});
