/** The way to sign in, and back to where one was with what one had typed. */

import { tab } from "./storage.js";

const WENT_KEY = "atelier.went-to-sign-in";
const TYPED_KEY = "atelier.typed";
/** Who comes back so soon without being signed in is not sent again: its browser keeps no cookies. */
const SOON_MS = 15000;
/** How long what was typed waits for its field to come back. */
const RESTORE_WITHIN_MS = 20000;

let going = false;

/** Goes to sign in; false if that was tried just now, in vain. */
export function goToSignIn() {
  if (going) return true;
  if (Date.now() - tab.get(WENT_KEY, 0) < SOON_MS) return false;
  going = true;
  if (document.hidden) document.addEventListener("visibilitychange", go, { once: true });
  else go();
  return true;
}

function go() {
  keepTyped();
  tab.set(WENT_KEY, Date.now());
  const here = location.pathname + location.search + location.hash;
  location.assign(`/auth/sign-in?return_to=${encodeURIComponent(here)}`);
}

/** Somebody is signed in. */
export function arrived() {
  tab.remove(WENT_KEY);
}

/** Forgets what somebody else had typed. */
export function forgetTyped() {
  tab.remove(TYPED_KEY);
}

/** Fields by their ids; the form of a new assignment keeps its own draft. */
function keepTyped() {
  const fields = [...document.querySelectorAll("main :is(input, textarea, select)[id]")]
    .filter((field) => !field.closest("#create") && field.value)
    .map((field) => [field.id, field.type === "checkbox" ? field.checked : field.value]);
  tab.set(TYPED_KEY, { at: location.pathname, fields });
}

/** Gives fields back what was typed into them before the sign-in, as soon as they are there. */
export function restoreTyped() {
  const { at, fields } = tab.get(TYPED_KEY, {});
  forgetTyped();
  if (at !== location.pathname || !fields?.length) return;
  const missing = new Map(fields);
  const observer = new MutationObserver(fill);
  function fill() {
    for (const [id, value] of missing) {
      const field = document.getElementById(id);
      if (!field) continue;
      missing.delete(id);
      const property = field.type === "checkbox" ? "checked" : "value";
      if (field[property] === value) continue;
      field[property] = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    if (!missing.size) observer.disconnect();
  }
  observer.observe(document.body, { childList: true, subtree: true });
  setTimeout(() => observer.disconnect(), RESTORE_WITHIN_MS);
  fill();
}
