/** Sign-in against a provider that we did not write, in a real browser. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { startAtelier } from "./support/atelier.js";
import { assertSound, cardOf, openPage, startBrowser } from "./support/browser.js";
import { startProvider } from "./support/provider.js";

let atelier, browser, provider;
const opened = [];

before(async () => {
  browser = await startBrowser();
  provider = await startProvider({ secret: "a secret/of+the client" });
  atelier = await startAtelier({ latency: 0, options: provider.options });
});
after(async () => {
  await Promise.all([atelier?.end(), browser?.close()]);
  await provider?.stop();
});
afterEach(async () => {
  for (const page of opened.splice(0)) {
    assertSound(page);
    await page.context().close();
  }
});

async function fresh() {
  const page = await openPage(browser);
  opened.push(page);
  return page;
}

/** Types an account into the provider's page. */
async function signInAs(page, account) {
  await page.getByLabel("Account").fill(account);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** A page of somebody who is signed in. */
async function pageOf(account, address = "/") {
  const page = await fresh();
  await page.goto(atelier.url + address);
  await signInAs(page, account);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  return page;
}

const session = async (page) => (await page.context().cookies()).find(({ name }) => name === "__Host-atelier-session");
const status = (page, route, init) => page.evaluate(async ([route, init]) => (await fetch(route, init)).status, [route, init]);

test("sign-in leads back to where one was, and the page shows who one is", async () => {
  const page = await pageOf("ada", "/show?status=failed");
  await page.getByText("Ada Teacher").waitFor();
  assert.equal(page.url(), `${atelier.url}/show?status=failed`);
});

test("the session is in a cookie that scripts cannot read and that stays below 4 kB", async () => {
  const page = await pageOf("ada");
  const cookie = await session(page);
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.secure, true);
  assert.equal(cookie.sameSite, "Lax");
  assert.ok(cookie.name.length + cookie.value.length < 4096);
  assert.doesNotMatch(Buffer.from(cookie.value, "base64").toString("latin1"), /ada|teacher/i);
  assert.equal(await page.evaluate(() => document.cookie), "");
  const names = (await page.context().cookies(atelier.url)).map(({ name }) => name);
  assert.deepEqual(names.filter((name) => name.startsWith("__Host-")), ["__Host-atelier-session"]);
});

test("a teacher makes an assignment of its own, and another teacher sees nothing of it", async () => {
  const ada = await pageOf("ada");
  assert.equal(await ada.getByLabel("Teacher").isVisible(), false);
  await ada.getByLabel("Prompt").fill("A fox that is Ada’s alone");
  await ada.getByRole("button", { name: "Create" }).click();
  const card = cardOf(ada, "A fox that is Ada’s alone");
  await card.getByText("Ready").waitFor();
  const id = await card.getAttribute("data-id");
  const ben = await pageOf("ben", "/show");
  await ben.getByText("No assignments yet.").waitFor();
  assert.equal(await status(ben, `/assignments/${id}`), 404);
  assert.equal(await status(ben, `/assignments/${id}`, { method: "DELETE" }), 404);
  assert.equal(await status(ada, `/assignments/${id}`), 200);
  const olga = await pageOf("olga", "/show");
  await cardOf(olga, "A fox that is Ada’s alone").waitFor();
});

test("a teacher is offered nothing of the fleet, and an operator is", async () => {
  const ada = await pageOf("ada");
  assert.equal(await ada.getByRole("link", { name: "Fleet" }).count(), 0);
  await ada.goto(`${atelier.url}/fleet`);
  await ada.getByText("This page needs the role operator.").waitFor();
  assert.equal(await status(ada, "/fleet.json"), 403);
  const olga = await pageOf("olga", "/fleet");
  await olga.getByText("Cost so far").waitFor();
});

test("an account without a role is told so, and where students go", async () => {
  const page = await pageOf("sam");
  await page.getByRole("heading", { name: "This account has no access" }).waitFor();
  await page.getByText("open the link that your teacher shared").waitFor();
  assert.equal(await page.getByLabel("Prompt").count(), 0);
  assert.equal(await status(page, "/assignments"), 403);
});

test("what was typed is still there after a session that ended under it", async () => {
  const page = await pageOf("ada");
  await page.getByLabel("Prompt").fill("A long thought, typed slowly");
  await page.getByRole("button", { name: "Add a question" }).click();
  await page.getByLabel("Question 1").fill("Who thinks?");
  await page.context().clearCookies({ name: "__Host-atelier-session" });
  await page.evaluate(() => window.dispatchEvent(new Event("online")));
  await page.reload();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  assert.equal(await page.getByLabel("Prompt").inputValue(), "A long thought, typed slowly");
  assert.equal(await page.getByLabel("Question 1").inputValue(), "Who thinks?");
});

test("an assignment that is sent without a session is made after the sign-in", async () => {
  const page = await pageOf("ada");
  await page.getByLabel("Prompt").fill("A bridge over an ended session");
  await page.context().clearCookies();
  await page.getByRole("button", { name: "Create" }).click();
  await signInAs(page, "ada");
  await cardOf(page, "A bridge over an ended session").getByText("Ready").waitFor();
});

test("another person finds nothing that the one before had typed or made", async () => {
  const page = await pageOf("ada");
  await page.getByLabel("Prompt").fill("A secret of Ada’s");
  await page.context().clearCookies();
  await page.reload();
  await signInAs(page, "ben");
  await page.getByText("Ben Teacher").waitFor();
  assert.equal(await page.getByLabel("Prompt").inputValue(), "");
});

test("sign-out ends the session here and at the provider", async () => {
  const page = await pageOf("ada");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Yes, sign me out" }).click();
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  assert.equal(await session(page), undefined);
  await page.getByRole("link", { name: "Sign in" }).click();
  await page.getByLabel("Account").waitFor();
});

test("a page of another site can neither sign somebody out nor change anything", async () => {
  const page = await pageOf("ada");
  const cookie = await session(page);
  for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }, {}]) {
    const answer = await fetch(`${atelier.url}/assignments`, {
      method: "POST",
      headers: { "content-type": "application/json", cookie: `${cookie.name}=${cookie.value}`, ...headers },
      body: JSON.stringify({ prompt: "Forged" }),
    });
    assert.equal(answer.status, 403, JSON.stringify(headers));
  }
});

test("the state of another browser signs nobody in, and neither does a code again", async () => {
  const ada = await fresh();
  let callback;
  ada.on("request", (request) => {
    if (request.url().includes("/auth/callback")) callback = request.url();
  });
  await ada.goto(atelier.url);
  await signInAs(ada, "ada");
  await ada.getByRole("button", { name: "Sign out" }).waitFor();
  const other = await fresh();
  for (const page of [other, ada]) {
    const answer = await page.goto(callback);
    assert.equal(answer.status(), 400);
    await page.getByText("begun in another browser, took too long, or is done already").waitFor();
    await page.getByRole("link", { name: "Sign in again" }).waitFor();
  }
  assert.equal(await session(other), undefined);
});

test("no address but one of ours is gone back to", async () => {
  for (const address of ["//evil.example", "/\\evil.example", "https://evil.example/", "/%5Cevil.example", "%2F%2Fevil.example", "/\t/evil.example", "javascript:alert(1)"]) {
    const page = await fresh();
    await page.goto(`${atelier.url}/auth/sign-in?return_to=${encodeURIComponent(address)}`);
    await signInAs(page, "ada");
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    assert.equal(page.url(), `${atelier.url}/`, address);
  }
});

test("keys that the provider rotates are fetched, and people go on signing in", async () => {
  const before = provider.counts["/jwks"];
  await provider.rotate("second");
  await pageOf("ben");
  assert.equal(provider.counts["/jwks"], before + 1);
});

test("a provider that is away is told in words", async () => {
  const away = await startProvider();
  await away.stop();
  const lonely = await startAtelier({ latency: 0, options: away.options });
  try {
    const page = await fresh();
    const answer = await page.goto(`${lonely.url}/auth/sign-in`);
    assert.equal(answer.status(), 503);
    await page.getByText("The service that signs people in does not answer.").waitFor();
    assert.doesNotMatch(await page.textContent("body"), /127\.0\.0\.1|error|panicked|\.rs/i);
  } finally {
    await lonely.end();
  }
});
