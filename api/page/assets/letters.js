/** Dead letters: look into one, send it again, drop it. */
import { deadLetters, drop, redrive } from "./api.js";
import { h, instant, say } from "./dom.js";

const place = document.getElementById("letters");
let shown = null;

/** Reads the dead letters and shows them, if they are others than before. */
export async function showLetters() {
  const { messages } = await deadLetters();
  const state = messages.map(({ message_id }) => message_id).join();
  if (state === shown) return;
  shown = state;
  if (!messages.length) return place.replaceChildren(h("p", { class: "nothing" }, "None."));
  place.replaceChildren(h("ul", { class: "letters" }, messages.map(letter)));
}

function letter({ message_id, body, received, sent_at }) {
  const problem = h("p", { class: "error", role: "alert", hidden: true });

  function button(name, done, act, kind) {
    async function click({ target }) {
      target.disabled = true;
      try {
        await act(message_id);
        say(done);
        shown = null;
        await showLetters();
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        target.disabled = false;
      }
    }
    return h("button", { type: "button", class: kind, click }, name);
  }

  return h(
    "li",
    {},
    h(
      "details",
      {},
      h("summary", {}, h("code", {}, message_id), sent_at && " sent ", sent_at && instant(sent_at), `, received ${received} ${received === 1 ? "time" : "times"}`),
      h("pre", { tabindex: 0, role: "group", "aria-label": "Message body" }, pretty(body)),
    ),
    h("p", { class: "actions" }, button("Send again", "Sent again.", redrive, "quiet"), button("Drop", "Dropped.", drop, "quiet danger")),
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
