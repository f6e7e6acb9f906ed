/** Create: a prompt and its questions become a card, and the card becomes a picture. */
import { ping, read, readMany, Refusal, retry } from "./api.js";
import { card } from "./card.js";
import { showBudget } from "./budget.js";
import { keepDraft, keptDraft } from "./draft.js";
import { newId, send, unsent } from "./outbox.js";
import { editableQuestions, questionRows, writtenQuestions } from "./questions.js";
import { may, me } from "./session.js";
import { kept } from "./storage.js";
import { hear, tellChanged } from "./tabs.js";
import { watch } from "./watch.js";

const LONGEST_PROMPT = 1024;
const RECENT_KEY = "atelier.recent";
const MOST_RECENT = 24;
const TEACHER_KEY = "atelier.teacher";
const DOUBLE_CLICK_MS = 1000;

const byId = (id) => document.getElementById(id);
const form = byId("create");
const prompt = byId("prompt");
const teacher = byId("teacher");
const heading = byId("heading");
const permanent = byId("permanent");
const rows = questionRows(byId("rows"), byId("add"), changed);

/** The cards on show, by id. */
const cards = new Map();
/** Ids that the service has acknowledged; only these can be followed. */
const acknowledged = new Set();
let sentAt = 0;
/** Until it is known who is here, what is typed does not take the place of the draft that waits. */
let restored = false;

// --- the form ---

/** What is typed, as it is. */
function typed() {
  return { prompt: prompt.value, title: heading.value, teacher: teacher.value, questions: rows.typed(), permanent: permanent.checked };
}

function fill({ prompt: words = "", title = "", teacher: name, questions = [], permanent: keeping = false }) {
  prompt.value = words;
  heading.value = title;
  if (name !== undefined) teacher.value = name;
  permanent.checked = keeping;
  rows.fill(questions);
  count();
}

const isEmpty = (draft) => !draft.prompt?.trim() && !draft.title?.trim() && !draft.questions?.length;

function content() {
  const questions = rows.read();
  return {
    assignment_id: newId(),
    ...(prompt.value.trim() && { prompt: prompt.value.trim() }),
    ...(heading.value.trim() && { title: heading.value.trim() }),
    ...(teacher.value.trim() && { teacher_id: teacher.value.trim() }),
    ...(questions.length && { question_answers: writtenQuestions(questions) }),
    ...(permanent.checked && { permanent: true }),
  };
}

function submit(event) {
  event.preventDefault();
  const made = content();
  const empty = !made.prompt && !made.question_answers;
  if (empty && Date.now() - sentAt < DOUBLE_CLICK_MS) return;
  clearErrors();
  if (empty) return fail(prompt, "Write a prompt, or at least a question.");
  const length = [...(made.prompt ?? "")].length;
  if (length > LONGEST_PROMPT) return fail(prompt, `The prompt is ${length} characters long; the limit is ${LONGEST_PROMPT}.`);
  sentAt = Date.now();
  if (made.teacher_id) kept.set(TEACHER_KEY, made.teacher_id);
  remember(made.assignment_id);
  deliver(made);
  fill({});
  keepDraft(typed());
  offerUndo(null);
  bringIntoSight(cards.get(made.assignment_id).element);
}

/** Beside the form on a wide screen, the card is below it on a narrow one. */
function bringIntoSight(element) {
  prompt.focus({ preventScroll: true });
  const { top, bottom } = element.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) element.scrollIntoView({ block: "nearest" });
}

/** Shows the card at once and sends the content until the service has it. */
async function deliver(made) {
  put({ created_at: Date.now() / 1000, s3_upload_status: made.prompt ? "pending" : "no_image", ...made, unsent: true });
  try {
    put(await send(made), true);
    watcher.poke();
  } catch (error) {
    gone(made.assignment_id);
    if (error.status !== 410) refuse(made, error);
  }
}

/** The service did not want it: the form gets it back, with the reasons. */
function refuse(made, error) {
  if (!(error instanceof Refusal)) throw error;
  if (!prompt.value) prompt.value = made.prompt ?? "";
  if (!heading.value) heading.value = made.title ?? "";
  if (!rows.read().length) rows.fill(editableQuestions(made.question_answers));
  permanent.checked ||= Boolean(made.permanent);
  count();
  keepDraft(typed());
  const fields = { prompt, title: heading, teacher_id: teacher };
  for (const each of error.errors) fail(fields[each.field], each.detail);
  if (!error.errors.length) fail(undefined, error.message);
  tellBudget();
}

function fail(field, words) {
  const place = byId(field ? `${field.id}-error` : "form-error");
  place.textContent = words;
  place.hidden = false;
  field?.setAttribute("aria-invalid", "true");
  field?.focus();
}

function clearErrors() {
  form.querySelectorAll(".error").forEach((place) => (place.hidden = true));
  form.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
}

function count() {
  const length = [...prompt.value.trim()].length;
  const counter = byId("prompt-count");
  counter.textContent = `${length} / ${LONGEST_PROMPT}`;
  counter.classList.toggle("over", length > LONGEST_PROMPT);
}

function changed() {
  clearErrors();
  if (restored) keepDraft(typed());
}

/** Enter sends nothing that costs money: from a field it leads to the next one. Ctrl + Enter sends. */
function onKey(event) {
  if (event.key !== "Enter" || event.isComposing) return;
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    return form.requestSubmit();
  }
  if (event.defaultPrevented || !event.target.matches("input")) return;
  event.preventDefault();
  const fields = [...form.elements].filter((field) => field.checkVisibility() && field.matches("input, textarea, button"));
  fields[fields.indexOf(event.target) + 1]?.focus();
}

// --- what takes the place of something typed can be undone ---

const undone = byId("undone");
let before = null;

/** Fills the form anew. What was typed before comes back at a click. */
function replace(draft, words) {
  const was = typed();
  fill({ ...was, ...draft });
  keepDraft(typed());
  if (!isEmpty(was)) offerUndo(was, words);
}

function offerUndo(draft, words = "") {
  before = draft;
  undone.hidden = !draft;
  undone.querySelector("span").textContent = words;
}

undone.querySelector("button").addEventListener("click", () => {
  fill(before);
  keepDraft(typed());
  offerUndo(null);
  prompt.focus();
});

/** An example takes the place of nothing, or of another example; of what was typed with a way back. */
function example({ currentTarget: { dataset } }) {
  const examples = [...form.querySelectorAll(".chip")].map((chip) => chip.dataset.prompt);
  const words = { prompt: dataset.prompt };
  if (!prompt.value.trim() || examples.includes(prompt.value)) {
    fill({ ...typed(), ...words });
    keepDraft(typed());
  } else replace(words, "The example took the place of your prompt.");
  clearErrors();
  prompt.focus();
}

/** The draft of this tab. What was typed before it could be read stays, and it is offered. */
function restoreDraft() {
  restored = true;
  const draft = keptDraft();
  if (!draft) return;
  const now = typed();
  if (isEmpty(now)) fill({ ...draft, teacher: draft.teacher || undefined });
  else if (!isEmpty(draft) && draft.prompt !== now.prompt) offerUndo(draft, "There is an earlier draft.");
}

/** `?copy=ID`: the same again, to be changed and sent as a new one. */
async function duplicate() {
  const id = new URLSearchParams(location.search).get("copy");
  if (!id) return;
  history.replaceState(history.state, "", location.pathname);
  try {
    const { prompt, title, teacher_id, question_answers, permanent } = await read(id);
    const questions = editableQuestions(question_answers);
    replace({ prompt, title, teacher: teacher_id, questions, permanent }, "The copy took the place of your draft.");
  } catch (error) {
    fail(undefined, `It cannot be duplicated: ${error.message}`);
  }
}

form.addEventListener("submit", submit);
form.addEventListener("input", changed);
form.addEventListener("keydown", onKey);
prompt.addEventListener("input", count);
form.querySelectorAll(".chip").forEach((chip) => chip.addEventListener("click", example));
teacher.addEventListener("change", tellBudget);
teacher.value = kept.get(TEACHER_KEY, "");
count();

/** What is left of today's budget, for the teacher who is named. */
function tellBudget() {
  return showBudget(byId("budget"), teacher.value.trim());
}

// --- the cards ---

function put(assignment, known = false) {
  const id = assignment.assignment_id;
  if (known) acknowledged.add(id);
  const present = cards.get(id);
  if (present) {
    if (present.assignment.s3_upload_status !== assignment.s3_upload_status) tellBudget();
    return present.update(assignment);
  }
  const made = card(assignment, { retry: (words) => again(id, words) });
  cards.set(id, made);
  const item = document.createElement("li");
  item.append(made.element);
  const older = [...byId("recent").children].find(({ firstChild }) => cards.get(firstChild.dataset.id).assignment.created_at < assignment.created_at);
  byId("recent").insertBefore(item, older ?? null);
  byId("empty").hidden = true;
}

function gone(id) {
  cards.get(id)?.element.parentElement.remove();
  cards.delete(id);
  acknowledged.delete(id);
  kept.set(
    RECENT_KEY,
    recent().filter((each) => each !== id),
  );
  byId("empty").hidden = cards.size > 0;
}

async function again(id, words) {
  const assignment = await retry(id, words);
  put(assignment, true);
  tellChanged(assignment);
  watcher.poke();
}

function recent() {
  return kept.get(RECENT_KEY, []).filter((id) => typeof id === "string");
}

function remember(id) {
  kept.set(RECENT_KEY, [id, ...recent().filter((each) => each !== id)].slice(0, MOST_RECENT));
}

/** What this browser made is on show after a reload too, pending or not. Where nothing is to be read, the service is asked for a sign of life. */
async function recall() {
  const ids = recent().filter((id) => !cards.has(id));
  if (!ids.length) return ping();
  const { assignments } = await readMany(ids, 0);
  assignments.forEach((assignment) => put(assignment, true));
}

const watcher = watch({
  pending: () => [...acknowledged].filter((id) => cards.get(id).assignment.s3_upload_status === "pending"),
  changed: (assignment) => put(assignment, true),
  gone,
  refresh: recall,
});
hear({
  changed(assignment) {
    if (!recent().includes(assignment.assignment_id)) return;
    put(assignment, true);
    watcher.poke();
  },
  gone,
});
me.then((known) => {
  // Who may make assignments for itself only is asked no teacher.
  teacher.closest(".field").hidden = !may(known, "portal", "operator");
  restoreDraft();
  if (teacher.closest(".field").hidden) teacher.value = "";
  duplicate();
  tellBudget();
  unsent().forEach(deliver);
  recall().then(watcher.poke, () => {});
});
