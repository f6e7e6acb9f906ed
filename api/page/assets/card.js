/** One assignment as a card. */
import { dollars, h, instant, say } from "./dom.js";
import { downloads } from "./download.js";
import { failure, rewording } from "./failure.js";
import { foldable } from "./fold.js";
import { expect, picture } from "./picture.js";
import { nameOf, questionList, readQuestions } from "./questions.js";

const WORDS = { pending: "Pending", success: "Ready", failed: "Failed", no_image: "No picture" };
const SIZES = "(max-width: 39rem) 92vw, 22rem";
const LONGEST_NAME = 60;

/**
 * A card of `assignment`: its `element`, and `update` for each newer state of it. `retry(prompt)`
 * starts another round; `keep(permanent)` and `erase()` are offered where they are given.
 */
export function card(assignment, { retry, keep, erase }) {
  const id = assignment.assignment_id;
  let frame = h("div");
  const status = h("span", { class: "status" });
  const meta = h("p", { class: "meta" });
  const title = h("p", { class: "title", dir: "auto" });
  const prompt = h("h3", { class: "prompt", id: `prompt-${id}`, dir: "auto" });
  const more = h("div", { class: "more-of-it" });
  const again = h("div", { class: "again" });
  const cost = h("span", { class: "cost" });
  const keeping = keep && h("input", { type: "checkbox", change: changeKeeping });
  const open = h("a", { href: `/complete/${encodeURIComponent(id)}` }, "Open");
  const duplicate = h("a", { href: `/?copy=${encodeURIComponent(id)}` }, "Duplicate");
  const erasing = erase && h("button", { type: "button", class: "quiet", click: () => erase() }, "Delete");
  const actions = h("div", { class: "actions" }, open, duplicate, cost, keep && h("label", { class: "check" }, keeping, "Keep for ever"), erasing);
  const element = h(
    "article",
    { class: "card", "aria-labelledby": prompt.id, "data-id": id },
    frame,
    h("div", { class: "about" }, meta, title, prompt, more, again, actions),
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
    const before = assignment;
    assignment = next;
    if (keeping) keeping.checked = Boolean(next.permanent);
    cost.textContent = next.cost_usd ? dollars(next.cost_usd) : "";
    cost.title = next.cost_usd ? "What the model took for it" : "";
    const state = JSON.stringify([next.s3_upload_status, next.round ?? 1, next.prompt ?? "", next.title, next.question_answers, next.failure?.correlation_id, Boolean(next.unsent)]);
    if (state === shown) return expect(frame, next.expected_wait_seconds);
    shown = state;
    show(next);
    if (before.s3_upload_status !== "pending") return;
    if (next.s3_upload_status === "success") say("A picture is ready.");
    if (next.s3_upload_status === "failed") say("A picture could not be made.");
  }

  function show(next) {
    const failed = next.s3_upload_status === "failed";
    const lost = () => (status.textContent = "Lost");
    const fresh = failed ? failure(next) : picture(next, { sizes: SIZES, retry, lost });
    frame.replaceWith(fresh);
    frame = fresh;
    element.dataset.status = next.unsent ? "unsent" : next.s3_upload_status;
    status.textContent = next.unsent ? "Not sent yet" : (WORDS[next.s3_upload_status] ?? next.s3_upload_status);
    const teacher = next.teacher_id && h("span", { class: "teacher", dir: "auto", title: next.teacher_id }, next.teacher_id);
    meta.replaceChildren(...[status, teacher, instant(next.created_at)].filter(Boolean));
    title.textContent = next.prompt && next.title ? next.title : "";
    const unfold = foldable(prompt, nameOf(next));
    more.replaceChildren(...[unfold, questions(next), next.s3_upload_status === "success" && downloads(next)].filter(Boolean));
    again.replaceChildren(...(failed ? [rewording(next, retry)] : []));
    actions.hidden = Boolean(next.unsent);
    tellTargets();
  }

  /** Read out alone, a link says of what it is. */
  function tellTargets() {
    const name = prompt.textContent.slice(0, LONGEST_NAME);
    for (const each of [open, duplicate, erasing].filter(Boolean)) each.setAttribute("aria-label", `${each.textContent}: ${name}`);
  }

  update(assignment);
  return { element, update, get assignment() { return assignment; } };
}

/** The questions and answers, to be looked at without opening it. */
function questions({ question_answers, assignment_id, unsent }) {
  const count = readQuestions(question_answers).length;
  if (!count) return null;
  return h(
    "details",
    { class: "with-questions" },
    h("summary", {}, count === 1 ? "1 question" : `${count} questions`),
    questionList(question_answers),
    !unsent && h("p", {}, h("a", { href: `/complete/${encodeURIComponent(assignment_id)}#edit` }, "Edit questions")),
  );
}
