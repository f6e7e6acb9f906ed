/** An assignment that failed: why, the id for whoever can look it up, and another round. */
import { copy, h, say } from "./dom.js";

/** The words for people in the picture's place, and the id that leads to the cause in the log. */
export function failure({ failure }) {
  const id = failure?.correlation_id;
  const message = failure?.message ?? "Something went wrong.";
  const words = id && message.endsWith(id) ? message.slice(0, -id.length).replace(/\s*Reference:\s*$/, "") : message;
  return h("div", { class: "picture failure" }, h("p", { class: "words", dir: "auto" }, words), id && reference(id));
}

function reference(correlationId) {
  async function click(event) {
    const done = await copy(correlationId);
    event.target.textContent = done ? "Copied" : "Press Ctrl + C";
    setTimeout(() => (event.target.textContent = "Copy id"), 2000);
    say(done ? "Id copied" : "");
  }
  return h(
    "p",
    { class: "reference" },
    h("span", {}, "Reference ", h("code", {}, correlationId)),
    h("button", { type: "button", class: "quiet", click }, "Copy id"),
  );
}

/** Another round, with the prompt to change; `retry` gets the new words, or undefined where they are the old ones. */
export function rewording({ prompt, assignment_id }, retry) {
  const words = h("textarea", { rows: 3, id: `words-${assignment_id}`, dir: "auto" });
  words.value = prompt ?? "";
  const problem = h("p", { class: "error", role: "alert", hidden: true });
  const button = h("button", { type: "submit", class: "primary" }, "Retry");

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    problem.hidden = true;
    const changed = words.value.trim();
    try {
      await retry(changed === prompt ? undefined : changed);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
      button.disabled = false;
    }
  }

  return h("form", { class: "rewording", submit }, h("label", { for: words.id }, "Change the wording"), words, problem, button);
}
