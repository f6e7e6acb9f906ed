/** `atelier --sign-in`: everybody who can be tried, in a minute. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { startAtelier } from "./support/atelier.js";
import { assertSound, cardOf, openPage, startBrowser } from "./support/browser.js";

let atelier, browser, page;

before(async () => {
  browser = await startBrowser();
  atelier = await startAtelier({ latency: 0, flags: ["--sign-in"] });
});
after(() => Promise.all([atelier?.end(), browser?.close()]));
afterEach(async () => {
  assertSound(page);
  await page.context().close();
});

async function enter(name) {
  page = await openPage(browser);
  await page.goto(atelier.url);
  await choose(name);
}

async function choose(name) {
  await page.getByText("asks for no password").waitFor();
  await page.getByRole("button", { name }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

test("a teacher signs in, makes a picture, and signs out for another account", async () => {
  await enter("Tess Teacher");
  await page.getByLabel("Prompt").fill("An owl at school");
  await page.getByRole("button", { name: "Create" }).click();
  await cardOf(page, "An owl at school").getByText("Ready").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  await page.getByRole("link", { name: "Sign in" }).click();
  await choose("Theo Teacher");
  await page.getByRole("link", { name: "All assignments" }).click();
  await page.getByText("No assignments yet.").waitFor();
});

test("an operator sees the fleet", async () => {
  await enter("Olga Operator");
  await page.getByRole("link", { name: "Fleet" }).click();
  await page.getByText("Cost so far").waitFor();
});

test("a student is told that this account has no access", async () => {
  await enter("Sam Student");
  await page.getByRole("heading", { name: "This account has no access" }).waitFor();
});

test("whoever opens the page by another name of this machine signs in all the same", async () => {
  page = await openPage(browser);
  await page.goto(atelier.url.replace("127.0.0.1", "localhost"));
  await choose("Tess Teacher");
  assert.equal(new URL(page.url()).hostname, "127.0.0.1");
});
