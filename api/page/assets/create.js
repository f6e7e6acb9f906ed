/** Create: a prompt and its questions become a card, and the card becomes a picture. */
import { ping, readMany, Refusal, retry } from "./api.js";
import { card } from "./card.js";
import { showBudget } from "./budget.js";
import { newId, send, unsent } from "./outbox.js";
import { questionRows } from "./questions.js";
import { may, me } from "./session.js";
import { hear, tellChanged } from "./tabs.js";
import { watch } from "./watch.js";

const LONGEST_PROMPT = 1024;
const RECENT_KEY = "atelier.recent";
const MOST_RECENT = 24;
const TEACHER_KEY = "atelier.teacher";
const DRAFT_KEY = "atelier.draft";
const DOUBLE_CLICK_MS = 1000;

const byId = (id) => document.getElementById(id);
const form = byId("create");
const prompt = byId("prompt");
const teacher = byId("teacher");
const heading = byId("heading");
const permanent = byId("permanent");
const rows = questionRows(byId("rows"), changed);

/** The cards on show, by id. */
const cards = new Map();
/** Ids that the service has acknowledged; only these can be followed. */
const acknowledged = new Set();
let sentAt = 0;

// --- the form ---

function content() {
  const questions = rows.read();
  return {
    assignment_id: newId(),
    ...(prompt.value.trim() && { prompt: prompt.value.trim() }),
    ...(heading.value.trim() && { title: heading.value.trim() }),
    ...(teacher.value.trim() && { teacher_id: teacher.value.trim() }),
    ...(questions.length && { question_answers: JSON.stringify(questions) }),
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
  if (made.teacher_id) localStorage.setItem(TEACHER_KEY, made.teacher_id);
  prompt.value = "";
  heading.value = "";
  permanent.checked = false;
  rows.fill([]);
  count();
  keepDraft();
  remember(made.assignment_id);
  deliver(made);
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
  put({ created_at: Date.now() / 1000, s3_upload_status: made.prompt ? "pending" : "no_image", ...made });
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
  if (!rows.read().length && made.question_answers) rows.fill(JSON.parse(made.question_answers));
  permanent.checked ||= Boolean(made.permanent);
  count();
  keepDraft();
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

/** What is typed outlives a reload, and the way to sign in and back. */
function keepDraft() {
  const draft = { prompt: prompt.value, title: heading.value, questions: rows.read(), permanent: permanent.checked };
  sessionStorage.setItem(DRAFT_KEY, JSON.stringify(draft));
}

function restoreDraft() {
  const draft = JSON.parse(sessionStorage.getItem(DRAFT_KEY) ?? "null");
  if (!draft || prompt.value) return;
  prompt.value = draft.prompt;
  heading.value = draft.title ?? "";
  permanent.checked = draft.permanent;
  rows.fill(draft.questions);
  count();
}

function changed() {
  clearErrors();
  keepDraft();
}

form.addEventListener("submit", submit);
form.addEventListener("input", changed);
prompt.addEventListener("input", count);
prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
byId("add").addEventListener("click", () => rows.add().querySelector("input").focus());
form.querySelectorAll(".chip").forEach((chip) =>
  chip.addEventListener("click", () => {
    prompt.value = chip.dataset.prompt;
    changed();
    count();
    prompt.focus();
  }),
);
teacher.addEventListener("change", tellBudget);
teacher.value = localStorage.getItem(TEACHER_KEY) ?? "";
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
  localStorage.setItem(RECENT_KEY, JSON.stringify(recent().filter((each) => each !== id)));
  byId("empty").hidden = cards.size > 0;
}

async function again(id, words) {
  const assignment = await retry(id, words);
  put(assignment, true);
  tellChanged(assignment);
  watcher.poke();
}

function recent() {
  return JSON.parse(localStorage.getItem(RECENT_KEY) ?? "[]");
}

function remember(id) {
  localStorage.setItem(RECENT_KEY, JSON.stringify([id, ...recent().filter((each) => each !== id)].slice(0, MOST_RECENT)));
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
  if (teacher.closest(".field").hidden) teacher.value = "";
  restoreDraft();
  tellBudget();
  unsent().forEach(deliver);
  recall().then(watcher.poke, () => {});
});
