/** Tokens that prove nothing, against an API that trusts a provider which lies on demand. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { exportSPKI } from "jose";
import { startAtelier } from "./support/atelier.js";
import { openPage, startBrowser } from "./support/browser.js";
import { signingKey, startLiar } from "./support/provider.js";

let atelier, browser, liar, stranger;

before(async () => {
  browser = await startBrowser();
  liar = await startLiar();
  stranger = await signingKey("k-1");
  atelier = await startAtelier({ latency: 0, options: liar.options });
});
after(async () => {
  await Promise.all([atelier?.end(), browser?.close()]);
  await liar?.stop();
});

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const seconds = () => Math.floor(Date.now() / 1000);

/** `alg: none`, in the spelling given. */
const unsigned = (claims, alg) => `${part({ alg, typ: "JWT", kid: "k-1" })}.${part(claims)}.`;

/** HS256 with the public key as the secret. */
async function hmacWithPublicKey(claims) {
  const signed = `${part({ alg: "HS256", typ: "JWT", kid: "k-1" })}.${part(claims)}`;
  const secret = await exportSPKI(liar.keys[0].publicKey);
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

const FORGED = {
  "of a wrong issuer": (claims) => liar.sign({ ...claims, iss: "https://evil.example" }),
  "of an issuer with one slash more": (claims) => liar.sign({ ...claims, iss: `${liar.issuer}/` }),
  "for another audience": (claims) => liar.sign({ ...claims, aud: "somebody-else" }),
  "that is expired": (claims) => liar.sign({ ...claims, exp: seconds() - 61 }),
  "that is not yet valid": (claims) => liar.sign({ ...claims, nbf: seconds() + 120 }),
  "without an end": ({ exp, ...claims }) => liar.sign(claims),
  "without a subject": ({ sub, ...claims }) => liar.sign(claims),
  "without an audience": ({ aud, ...claims }) => liar.sign(claims),
  "signed by a stranger's key of the same id": (claims) => liar.sign(claims, { key: stranger }),
  "signed by a key that nobody knows": (claims) => liar.sign(claims, { kid: "unknown" }),
  "with alg none": (claims) => unsigned(claims, "none"),
  "with alg None": (claims) => unsigned(claims, "None"),
  "signed by HS256 with the public key": hmacWithPublicKey,
  "that is no token": () => "not.a.token",
};

async function signIn() {
  const page = await openPage(browser);
  const answer = await page.goto(`${atelier.url}/auth/sign-in?return_to=/show`);
  const cookies = await page.context().cookies();
  const text = await page.textContent("body");
  await page.context().close();
  return { answer, text, session: cookies.some(({ name }) => name === "__Host-atelier-session") };
}

test("a good token signs in", async () => {
  liar.token = liar.sign;
  const { answer, session } = await signIn();
  assert.equal(answer.status(), 200);
  assert.equal(answer.url(), `${atelier.url}/show`);
  assert.ok(session);
});

for (const [what, forge] of Object.entries(FORGED)) {
  test(`an ID token ${what} signs nobody in`, async () => {
    liar.token = forge;
    const { answer, text, session } = await signIn();
    assert.equal(answer.status(), 502);
    assert.match(text, /cannot be trusted/);
    assert.doesNotMatch(text, /signature|audience|issuer|jwt|\.rs/i);
    assert.equal(session, false);
  });

  test(`a bearer token ${what} is refused`, async () => {
    const token = await forge(liar.claims());
    const answer = await fetch(`${atelier.url}/assignments`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 401);
    assert.match(answer.headers.get("www-authenticate"), /^Bearer/);
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
  });
}

test("an ID token of another sign-in signs nobody in", async () => {
  liar.token = (claims) => liar.sign({ ...claims, nonce: "another" });
  const { answer, session } = await signIn();
  assert.equal(answer.status(), 502);
  assert.equal(session, false);
});

test("a refusal of the token endpoint is told in words", async () => {
  liar.tokenStatus = 400;
  const { answer, text, session } = await signIn();
  liar.tokenStatus = 200;
  assert.equal(answer.status(), 403);
  assert.match(text, /refused \(invalid_grant\)/);
  assert.equal(session, false);
});

test("a good bearer token is let in, and wins over a session", async () => {
  const token = await liar.sign(liar.claims());
  const answer = await fetch(`${atelier.url}/assignments`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200);
});

test("ids of keys that nobody knows do not make us ask the provider each time", async () => {
  const before = liar.counts["/jwks"];
  for (let n = 0; n < 50; n++) {
    const token = await liar.sign(liar.claims(), { kid: `unknown-${n}` });
    const answer = await fetch(`${atelier.url}/assignments`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 401);
  }
  assert.ok(liar.counts["/jwks"] - before <= 1, `${liar.counts["/jwks"] - before} requests`);
});

test("a provider that is away neither stops those who are signed in nor good tokens", async () => {
  const token = await liar.sign(liar.claims());
  await liar.stop();
  try {
    const answer = await fetch(`${atelier.url}/assignments`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 200);
  } finally {
    await liar.start();
  }
});
