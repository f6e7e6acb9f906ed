/**
 * What is typed into the form of a new assignment, until it is sent. It outlives a reload, the way
 * to another view and back, and the way to sign in; where this tab may store nothing it is kept with
 * its place in the history.
 */
import { tab } from "./storage.js";

const KEY = "atelier.draft";
/** Browsers refuse a history that changes at each key. */
const HISTORY_EVERY_MS = 300;

let waiting = null;
let timer;

/** Keeps `draft`; an empty one too, so that an older one does not come back. */
export function keepDraft(draft) {
  const dated = { ...draft, at: Date.now() };
  if (tab.set(KEY, dated)) return;
  waiting = dated;
  clearTimeout(timer);
  timer = setTimeout(write, HISTORY_EVERY_MS);
  // When the page goes it is too late.
  addEventListener("beforeunload", write, { once: true });
}

function write() {
  if (!waiting) return;
  try {
    history.replaceState({ ...history.state, draft: waiting }, "");
    waiting = null;
  } catch {
    // It is tried again with the next key.
  }
}

/** The newest draft, or null. */
export function keptDraft() {
  const drafts = [tab.get(KEY, {}), history.state?.draft ?? {}].filter(({ at }) => at);
  return drafts.sort((one, other) => other.at - one.at)[0] ?? null;
}
