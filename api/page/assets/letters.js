/** Dead letters: look into one, send it again, drop it; send all of a cause again. */
import { deadLetters, drop, redrive, redriveAll } from "./api.js";
import { h, instant, say } from "./dom.js";
import { many } from "./fleet-words.js";

const place = document.getElementById("letters");
/** A dropped letter can be taken back for so long; it is lost only then. */
const GRACE_MS = 10000;

const CAUSES = {
  unreadable_message: "No job of ours",
  unknown_assignment: "No such assignment",
  unreadable_assignment: "An assignment that cannot be read",
};

let shown = null;
/** Ids of letters that are about to be dropped, and when. Nothing is dropped if the page is closed. */
const dropping = new Map();

/** Reads the dead letters and shows them, if they are others than before. */
export async function showLetters() {
  const { messages } = await deadLetters();
  const state = messages.map(({ message_id }) => message_id).join();
  if (state === shown) return;
  shown = state;
  if (!messages.length) return place.replaceChildren(h("p", { class: "nothing" }, "None."));
  const causes = [...new Set(messages.map(({ cause }) => cause))];
  place.replaceChildren(
    ...causes.map((cause) => {
      const of = messages.filter((message) => message.cause === cause);
      const heading = h("h3", {}, `${CAUSES[cause] ?? cause}: ${of.length}`);
      return h("div", { class: "cause" }, heading, of.length > 1 && batch(cause), h("ul", { class: "letters" }, of.map(letter)));
    }),
  );
}

/** Reads and shows them anew, whatever is shown. */
function again() {
  shown = null;
  return showLetters();
}

function alarm() {
  return h("p", { class: "error", role: "alert", hidden: true });
}

function tell(problem, words) {
  problem.textContent = words;
  problem.hidden = false;
}

/** Sends all of a cause again, once the count is confirmed. */
function batch(cause) {
  const problem = alarm();
  const actions = h("p", { class: "actions" });
  const of = (CAUSES[cause] ?? cause).toLowerCase();
  const button = (name, kind, click) => h("button", { type: "button", class: kind, click }, name);

  function offer() {
    actions.replaceChildren(button(`Send all again (${of})`, "quiet", ask));
  }

  async function ask() {
    problem.hidden = true;
    try {
      const { count } = await redriveAll({ cause });
      const yes = button(`Yes, send ${many(count, "message")} again`, "primary", () => send(count));
      actions.replaceChildren(yes, button("Cancel", "quiet", offer));
      yes.focus();
    } catch (error) {
      tell(problem, error.message);
    }
  }

  async function send(confirm_count) {
    for (const each of actions.children) each.disabled = true;
    try {
      const { done, failed } = await redriveAll({ cause, confirm_count });
      say(`${many(done, "message")} sent again.`);
      if (failed.length) return tell(problem, `${many(failed.length, "message")} not sent: ${failed[0].problem}`);
      await again();
    } catch (error) {
      tell(problem, error.message);
      offer();
    }
  }

  offer();
  return h("div", {}, actions, problem);
}

function letter({ message_id, body, received, sent_at, words }) {
  const problem = alarm();
  const actions = h("p", { class: "actions" });
  const describedby = `letter-${message_id}`;
  const button = (name, kind, click) => h("button", { type: "button", class: kind, "aria-describedby": describedby, click }, name);

  function offer() {
    actions.replaceChildren(button("Send again", "quiet", send), button("Drop", "quiet danger", begin));
  }

  async function send({ target }) {
    target.disabled = true;
    problem.hidden = true;
    try {
      await redrive(message_id);
      say("Sent again.");
      await again();
    } catch (error) {
      tell(problem, error.message);
      target.disabled = false;
    }
  }

  function begin() {
    problem.hidden = true;
    const timer = setTimeout(carryOut, GRACE_MS);
    dropping.set(message_id, timer);
    const undo = offerUndo();
    undo.focus();
    say("It is dropped in 10 seconds, unless you undo that.");
  }

  function offerUndo() {
    const undo = button("Undo", "quiet", () => {
      clearTimeout(dropping.get(message_id));
      dropping.delete(message_id);
      offer();
      say("It stays.");
      actions.lastChild.focus();
    });
    actions.replaceChildren(h("span", { class: "hint" }, "Dropped in 10 s, while this page is open."), " ", undo);
    return undo;
  }

  async function carryOut() {
    dropping.delete(message_id);
    try {
      await drop(message_id);
      say("Dropped.");
      await again();
    } catch (error) {
      // What is shown may be anew by now.
      shown = null;
      await showLetters().catch(() => {});
      tell(problem, error.message);
      offer();
    }
  }

  if (dropping.has(message_id)) offerUndo();
  else offer();
  return h(
    "li",
    {},
    h(
      "details",
      {},
      h("summary", {}, h("code", { id: describedby }, message_id), sent_at && " sent ", sent_at && instant(sent_at), `, received ${received} ${received === 1 ? "time" : "times"}`),
      h("p", { dir: "auto" }, words),
      h("pre", { tabindex: 0, role: "group", "aria-label": "Message body" }, pretty(body)),
    ),
    actions,
    problem,
  );
}

function pretty(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
