/** Creates that the service has not acknowledged yet. They outlive the page where the browser keeps them, and are sent under the same id until it answers. */
import { create, passes } from "./api.js";
import { Backoff, connection } from "./connection.js";
import { kept } from "./storage.js";
import { tellChanged } from "./tabs.js";

const KEY = "atelier.outbox";

/** The contents that wait to be sent, oldest first. */
export function unsent() {
  return Object.values(stored());
}

/**
 * Sends a new assignment's content, as often as it takes; answers with the document.
 * Throws a Refusal if the service does not want it.
 */
export async function send(content) {
  kept.set(KEY, { ...stored(), [content.assignment_id]: content });
  const backoff = new Backoff();
  for (;;) {
    try {
      const assignment = await create(content);
      forget(content.assignment_id);
      tellChanged(assignment);
      return assignment;
    } catch (error) {
      // The page leaves to sign in; what comes back sends it then.
      if (error.status === 401) return new Promise(() => {});
      if (!passes(error)) {
        forget(content.assignment_id);
        throw error;
      }
      await pause(error.retryAfterMs ?? backoff.next());
    }
  }
}

/** A new id, also where the page is not a secure context. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    connection.addEventListener("back", resolve, { once: true });
  });
}

/** By id; whatever else is written there is left out. */
function stored() {
  const contents = Object.entries(kept.get(KEY, {}));
  return Object.fromEntries(contents.filter(([id, content]) => content?.assignment_id === id));
}

function forget(id) {
  const { [id]: _, ...others } = stored();
  kept.set(KEY, others);
}
