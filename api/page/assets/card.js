/** One assignment as a card. */
import { copy, h, instant, say } from "./dom.js";
import { expect, learn, picture } from "./picture.js";

const WORDS = { pending: "Pending", success: "Ready", failed: "Failed", no_image: "No picture" };

/**
 * A card of `assignment`: its `element`, and `update` for each newer state of it. `retry(prompt)`
 * starts another round; `keep(permanent)` and `erase()` are offered where they are given.
 */
export function card(assignment, { retry, keep, erase }) {
  const id = assignment.assignment_id;
  let frame = h("div");
  const status = h("span", { class: "status" });
  const meta = h("p", { class: "meta" });
  const prompt = h("h3", { class: "prompt", id: `prompt-${id}` });
  const again = h("div", { class: "again" });
  const keeping = keep && h("input", { type: "checkbox", change: changeKeeping });
  const element = h(
    "article",
    { class: "card", "aria-labelledby": prompt.id, "data-id": id },
    frame,
    h(
      "div",
      { class: "about" },
      meta,
      prompt,
      again,
      h(
        "p",
        { class: "actions" },
        h("a", { href: `/complete/${encodeURIComponent(id)}` }, "Open"),
        keep && h("label", { class: "check" }, keeping, "Keep for ever"),
        erase && h("button", { type: "button", class: "quiet", click: () => erase() }, "Delete"),
      ),
    ),
  );
  let shown = "";

  async function changeKeeping() {
    keeping.disabled = true;
    try {
      await keep(keeping.checked);
    } catch (error) {
      keeping.checked = !keeping.checked;
      say(`Not changed: ${error.message}`);
    } finally {
      keeping.disabled = false;
    }
  }

  function update(next) {
    const before = assignment.s3_upload_status;
    assignment = next;
    if (keeping) keeping.checked = Boolean(next.permanent);
    const state = JSON.stringify([next.s3_upload_status, next.round ?? 1, next.prompt ?? "", next.failure?.correlation_id]);
    if (state === shown) return expect(frame, next.expected_wait_seconds);
    shown = state;
    element.dataset.status = next.s3_upload_status;
    const fresh = next.s3_upload_status === "failed" ? failure(next) : picture(next);
    frame.replaceWith(fresh);
    frame = fresh;
    status.textContent = WORDS[next.s3_upload_status] ?? next.s3_upload_status;
    meta.replaceChildren(status, ...(next.teacher_id ? [h("span", { class: "teacher", title: next.teacher_id }, next.teacher_id)] : []), instant(next.created_at));
    prompt.textContent = next.prompt || "Without a picture";
    again.replaceChildren(...(next.s3_upload_status === "failed" ? [rewording(next, retry)] : []));
    if (before === "pending" && next.s3_upload_status === "success") {
      learn(next);
      say("A picture is ready.");
    }
    if (before === "pending" && next.s3_upload_status === "failed") say("A picture could not be made.");
  }

  update(assignment);
  return { element, update, get assignment() { return assignment; } };
}

/** The words for people in the picture's place, and the id that leads to the cause in the log. */
function failure({ failure }) {
  const id = failure?.correlation_id;
  const message = failure?.message ?? "Something went wrong.";
  const words = id && message.endsWith(id) ? message.slice(0, -id.length).replace(/\s*Reference:\s*$/, "") : message;
  return h(
    "div",
    { class: "picture failure" },
    h("p", { class: "words" }, words),
    id && reference(id),
  );
}

/** Another round, with the prompt to change. */
function rewording({ prompt, assignment_id }, retry) {
  const words = h("textarea", { rows: 3, id: `words-${assignment_id}` });
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

  return h("form", { submit }, h("label", { for: words.id }, "Change the wording"), words, problem, button);
}

/** The id under which the log tells the cause, to hand to whoever can look it up. */
function reference(correlationId) {
  async function click(event) {
    const done = await copy(correlationId);
    event.target.textContent = done ? "Copied" : "Press Ctrl + C";
    setTimeout(() => (event.target.textContent = "Copy id"), 2000);
    say(done ? "Id copied" : "");
  }
  return h("p", { class: "reference" }, h("code", {}, correlationId), h("button", { type: "button", class: "quiet", click }, "Copy id"));
}
