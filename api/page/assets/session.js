/** Who is signed in, and what that means for the page. */
import { signOut, whoami } from "./api.js";
import { h, say } from "./dom.js";
import { arrived, forgetTyped, goToSignIn, restoreTyped } from "./sign-in.js";
import { kept, tab } from "./storage.js";

const ME_KEY = "atelier.me";
const OWNER_KEY = "atelier.owner";
/** What is kept in this browser for whoever uses it. */
const OWN_KEYS = ["atelier.recent", "atelier.outbox", "atelier.teacher"];
const DRAFT_KEY = "atelier.draft";
const EVERYBODY = { sign_in: false, signed_in: false, roles: ["portal", "operator"] };

/** Where signing in or words about it take the page's place, nothing goes on. */
const never = new Promise(() => {});

/** One tab at a time: what renews a session serves once. Who may keep nothing has no locks either. */
async function alone(work) {
  let begun = false;
  const once = () => {
    begun = true;
    return work();
  };
  try {
    return await navigator.locks.request("atelier.session", once);
  } catch (error) {
    if (begun) throw error;
    return work();
  }
}

/**
 * Who is signed in, once that is somebody with a role: {sign_in, subject, name, teacher_id, roles}.
 * Without an answer it is who it was last, so that one can work offline.
 */
export const me = start();

async function start() {
  let known;
  try {
    known = await alone(whoami);
    kept.set(ME_KEY, known);
  } catch {
    known = kept.get(ME_KEY, EVERYBODY);
  }
  if (!known.sign_in) {
    reveal();
    return known;
  }
  if (!known.signed_in) {
    if (!goToSignIn()) {
      reveal();
      tellNotKept();
    }
    return never;
  }
  arrived();
  belongTo(known.subject);
  showAccount(known);
  reveal();
  if (!known.roles.length) {
    tellNoAccess(known);
    return never;
  }
  restoreTyped();
  renew(known);
  return known;
}

/** Shows what waited until it is known who is signed in. */
function reveal() {
  delete document.body.dataset.session;
}

/** True if `known` has one of the roles. */
export const may = (known, ...roles) => roles.some((role) => known.roles.includes(role));

/** What another person left in this browser is nobody else's. */
function belongTo(subject) {
  // Drafts are a tab's own, and a tab may sleep while another one signs out.
  const places = [kept, tab];
  if (places.some((place) => ![null, subject].includes(place.get(OWNER_KEY)))) forget();
  places.forEach((place) => place.set(OWNER_KEY, subject));
}

function forget() {
  OWN_KEYS.forEach((key) => kept.remove(key));
  tab.remove(DRAFT_KEY);
  forgetTyped();
}

function showAccount({ name, subject, roles }) {
  document.querySelectorAll('nav a[href="/fleet"]').forEach((link) => (link.hidden = !roles.includes("operator")));
  if (!roles.length) document.querySelector("header nav").hidden = true;
  const button = h("button", { type: "button", class: "quiet", click: leave }, "Sign out");
  const who = h("span", { class: "who", dir: "auto", title: roles.join(", ") || "no role" }, name ?? subject);
  document.querySelector("header.top").append(h("div", { class: "account", role: "group", "aria-label": "Account" }, who, button));
}

async function leave({ target }) {
  target.disabled = true;
  try {
    const { location: there } = await alone(signOut);
    forget();
    [ME_KEY, OWNER_KEY].forEach((key) => kept.remove(key));
    tab.remove(OWNER_KEY);
    location.assign(there);
  } catch (error) {
    target.disabled = false;
    say(`Not signed out: ${error.message}`);
  }
}

/** Asks again now and then, which makes the session last; and at once when the page is looked at again. */
function renew({ ask_again_seconds, subject }) {
  let asked = Date.now();
  async function ask() {
    asked = Date.now();
    const now = await alone(whoami).catch(() => null);
    if (now && !now.signed_in) goToSignIn();
    else if (now && now.subject !== subject) location.reload();
  }
  setInterval(() => document.hidden || ask(), ask_again_seconds * 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() - asked > 30000) ask();
  });
}

function replaceMain(title, ...words) {
  const main = document.getElementById("main");
  main.removeAttribute("aria-busy");
  main.className = "message";
  main.replaceChildren(h("h1", {}, title), ...words);
}

function tellNoAccess({ name, subject }) {
  replaceMain(
    "This account has no access",
    h("p", {}, `You are signed in as ${name ?? subject}, but this account has no role here. Teachers get one from whoever runs the school’s accounts.`),
    h("p", {}, "Students need no account: open the link that your teacher shared with you."),
  );
}

function tellNotKept() {
  replaceMain(
    "You are not signed in",
    h("p", {}, "You signed in, but your browser did not keep it. Please allow cookies for this page."),
    h("p", {}, h("a", { class: "primary", href: "/auth/sign-in" }, "Sign in again")),
  );
}

/** What a view shows to those who may not use it. */
export function tellNotAllowed(role) {
  replaceMain("Not for this account", h("p", {}, `This page needs the role ${role}.`));
  return never;
}
