/** Follows what is pending, with one connection however many there are. */
import { passes, readMany } from "./api.js";
import { Backoff, connection } from "./connection.js";

const MOST_IDS = 50;
const HOLD_SECONDS = 10;
const REFRESH_MS = 5000;
const HIDDEN_MS = 60000;
const LEAST_MS = 200;

/**
 * Calls `changed` with each assignment read and `gone` with each id that exists no more. `pending`
 * gives the ids to follow. `refresh`, if given, is awaited every 5 s for news of any other kind.
 * Hidden, the page asks once a minute; without an answer it asks ever less often.
 */
export function watch({ pending, changed, gone, refresh }) {
  const backoff = new Backoff();
  let wake = () => {};
  let holding = new AbortController();

  /** Ends the present wait: there is something new to follow. */
  function poke() {
    holding.abort();
    wake();
  }

  function sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function follow() {
    const ids = pending().slice(0, MOST_IDS);
    if (!ids.length) return;
    holding = new AbortController();
    const hold = document.hidden ? 0 : HOLD_SECONDS;
    const { assignments } = await readMany(ids, hold, holding.signal);
    const missing = new Set(ids);
    for (const assignment of assignments) {
      missing.delete(assignment.assignment_id);
      changed(assignment);
    }
    missing.forEach(gone);
  }

  async function run() {
    let refreshed = Date.now();
    for (;;) {
      try {
        await follow();
        if (refresh && Date.now() - refreshed >= REFRESH_MS - LEAST_MS) {
          await refresh();
          refreshed = Date.now();
        }
        backoff.reset();
        await sleep(document.hidden ? HIDDEN_MS : pending().length ? LEAST_MS : REFRESH_MS);
      } catch (error) {
        if (error.name === "AbortError") {
          await new Promise((resolve) => setTimeout(resolve, LEAST_MS));
          continue;
        }
        if (!passes(error)) console.error(error);
        await sleep(document.hidden ? HIDDEN_MS : backoff.next());
      }
    }
  }

  document.addEventListener("visibilitychange", () => document.hidden || poke());
  connection.addEventListener("back", () => {
    backoff.reset();
    wake();
  });
  run();
  return { poke };
}
