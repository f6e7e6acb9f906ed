/** Show: all assignments, newest first, to look at, retry, keep and delete. */
import { erase, keep, readMany, retry } from "./api.js";
import { card } from "./card.js";
import { choosing } from "./choosing.js";
import { dollars, h, say } from "./dom.js";
import { keepDraft, keptDraft } from "./draft.js";
import { filtering, isWhole, pagesOf } from "./filter.js";
import { send, unsent } from "./outbox.js";
import { editableQuestions, nameOf } from "./questions.js";
import { may, me } from "./session.js";
import { kept } from "./storage.js";
import { hear, tellChanged, tellGone } from "./tabs.js";
import { watch } from "./watch.js";

const PAGE = 24;
const UNDO_SECONDS = 6;
/** The most that the service reads by id at once. */
const MOST_IDS = 50;
const LONGEST_NAME = 60;
const TEACHER_KEY = "atelier.teacher";

const byId = (id) => document.getElementById(id);
const form = byId("filter");
const shelf = byId("list");
const end = byId("end");
/** Shown only after a page did not come: a button in sight would be pushed down by what loads. */
const more = byId("more");

/** The cards on show, by id. */
const cards = new Map();
/** Deletes that can still be undone: what to do when their time is up, by id. */
const leaving = new Map();
/** What is listed; replaced when the filter changes, so that late answers are known. */
let pages;
let filter;
let filters;
let myself;
let cursor = null;
let loading = false;

const several = choosing({ main: byId("main"), toggle: byId("choose"), dialog: byId("confirm"), done: carriedOut });

function start(next) {
  filter = next;
  pages = pagesOf(filter, myself, PAGE);
  cursor = null;
  loading = false;
  cards.forEach((_, id) => several.forget(id));
  cards.clear();
  shelf.replaceChildren();
  unsent().forEach(putUnsent);
  load();
}

// --- the list ---

/** Loads the next page, or the first. */
async function load() {
  if (loading) return;
  loading = true;
  const asked = pages;
  more.hidden = true;
  shelf.setAttribute("aria-busy", "true");
  if (!cards.size) end.textContent = "Loading…";
  try {
    const first = cursor === null;
    const page = await asked.page(cursor);
    if (asked !== pages) return;
    if (first && !page.assignments.length && filter.mine && isWhole({ ...filter, mine: false })) return filters.showAll();
    page.assignments.forEach((assignment) => put(assignment));
    cursor = page.next;
    tellEnd();
    watcher.poke();
    fill();
  } catch (error) {
    if (asked !== pages) return;
    end.textContent = error.message;
    more.hidden = false;
  } finally {
    if (asked === pages) {
      loading = false;
      shelf.setAttribute("aria-busy", "false");
    }
  }
}

/** An observer tells only of changes: what is still in sight after a page loads the next one. */
function fill() {
  near.unobserve(more.parentElement);
  near.observe(more.parentElement);
}

function tellEnd() {
  const count = cards.size === 1 ? "1 assignment" : `${cards.size} assignments`;
  const cost = [...cards.values()].reduce((sum, { assignment }) => sum + (assignment.cost_usd ?? 0), 0);
  const price = cost ? ` ${cards.size === 1 ? "It" : "They"} cost ${dollars(cost)}${cursor ? "" : " in all"}.` : "";
  if (cursor) end.textContent = `The newest ${cards.size}; more as you scroll.${price}`;
  else if (cards.size) end.textContent = `That is all: ${count}.${price}`;
  else end.textContent = isWhole(filter) ? "No assignments yet. Create the first one." : "Nothing matches this filter.";
}

const near = new IntersectionObserver(([entry]) => entry.isIntersecting && cursor && load(), { rootMargin: "1200px" });
more.addEventListener("click", async () => {
  const { lastElementChild: last } = shelf;
  await load();
  last?.nextElementSibling?.querySelector("a").focus();
});

/** Shows an assignment: in the card that it has, else in a new one among those of its time. */
function put(assignment) {
  const id = assignment.assignment_id;
  const present = cards.get(id);
  if (present) return present.update(assignment);
  if (leaving.has(id)) return;
  const choice = several.offer(id, nameOf(assignment).slice(0, LONGEST_NAME));
  const made = card(assignment, {
    retry: async (words) => tell(await retry(id, words)),
    keep: async (permanent) => tell(await keep(id, permanent)),
    erase: () => leave(id),
  });
  cards.set(id, made);
  const item = h("li", { "data-created-at": assignment.created_at }, made.element, choice);
  let next = null;
  for (let each = shelf.lastElementChild; each && createdAt(each) < assignment.created_at; each = each.previousElementSibling) next = each;
  shelf.insertBefore(item, next);
}

/** What the service has not acknowledged yet is here too, and says so. */
function putUnsent(content) {
  const assignment = { created_at: Date.now() / 1000, s3_upload_status: content.prompt ? "pending" : "no_image", ...content, unsent: true };
  if (pages.matches(assignment) && !cards.has(content.assignment_id)) put(assignment);
}

/** The service did not want it. Its words wait in the form of a new assignment, unless others do. */
function refused({ assignment_id, prompt, title, teacher_id: teacher, question_answers, permanent }, error) {
  gone(assignment_id);
  if (error.status === 410) return;
  if (!keptDraft()?.prompt) keepDraft({ prompt, title, teacher, questions: editableQuestions(question_answers), permanent });
  end.textContent = `“${nameOf({ prompt, title, question_answers })}” was not created: ${error.message}`;
}

const createdAt = (item) => Number(item.dataset.createdAt);

function tell(assignment) {
  put(assignment);
  tellChanged(assignment);
  watcher.poke();
}

function gone(id) {
  leaving.delete(id);
  cards.get(id)?.element.parentElement.remove();
  cards.delete(id);
  several.forget(id);
  tellEnd();
}

/** What is new or deleted at the top, wherever it was done. */
async function refresh() {
  const asked = pages;
  const { assignments, next, oldest } = await asked.page();
  if (asked !== pages) return;
  const present = new Set(assignments.map(({ assignment_id }) => assignment_id));
  for (const [id, { assignment }] of cards) {
    const covered = !next || assignment.created_at > oldest;
    if (covered && !assignment.unsent && asked.matches(assignment) && !present.has(id)) gone(id);
  }
  assignments.forEach((assignment) => put(assignment));
  tellEnd();
}

/** Several were retried or deleted. */
async function carriedOut(operation, ids) {
  if (operation === "delete") {
    ids.forEach((id) => {
      gone(id);
      tellGone(id);
    });
    return;
  }
  for (let at = 0; at < ids.length; at += MOST_IDS) {
    const { assignments } = await readMany(ids.slice(at, at + MOST_IDS), 0);
    assignments.forEach(tell);
  }
}

// --- delete, with a way back ---

/** Puts the way back in the card's place; the delete itself is sent when its time is up. */
function leave(id) {
  const { element } = cards.get(id);
  const item = element.parentElement;
  const back = h("button", { type: "button", class: "primary", click: undo }, "Undo");
  const strip = h("div", { class: "undo" }, h("p", {}, "Deleted."), back);
  const timer = setTimeout(go, UNDO_SECONDS * 1000);
  leaving.set(id, go);
  element.inert = true;
  item.append(strip);
  back.focus();
  say("Deleted. Undo is possible for a few seconds.");

  function undo() {
    clearTimeout(timer);
    leaving.delete(id);
    strip.remove();
    element.inert = false;
    element.querySelector(".actions button").focus();
    say("Not deleted.");
  }

  async function go(closing = false) {
    clearTimeout(timer);
    back.disabled = true;
    try {
      await erase(id, closing);
    } catch (error) {
      if (error.status !== 404) {
        undo();
        say(`Not deleted: ${error.message}`);
        return;
      }
    }
    const neighbor = item.nextElementSibling ?? item.previousElementSibling;
    if (item.contains(document.activeElement)) neighbor?.querySelector("a, button")?.focus();
    gone(id);
    tellGone(id);
  }
}

addEventListener("pagehide", () => leaving.forEach((go) => go(true)));

const watcher = watch({
  pending: () => [...cards].filter(([, { assignment }]) => assignment.s3_upload_status === "pending" && !assignment.unsent).map(([id]) => id).reverse(),
  changed: put,
  gone,
  refresh,
});
hear({
  changed(assignment) {
    if (!cards.has(assignment.assignment_id) && !pages?.matches(assignment)) return;
    put(assignment);
    tellEnd();
    watcher.poke();
  },
  gone,
});
me.then((known) => {
  // Who sees its own assignments only has no teacher to choose.
  const mayChoose = may(known, "portal", "operator");
  form.elements.teacher_id.closest(".field").hidden = !mayChoose;
  myself = mayChoose ? known.teacher_id || kept.get(TEACHER_KEY, "") : "";
  filters = filtering(form, myself, start);
  unsent().forEach((content) => send(content).then(tell, (error) => refused(content, error)));
});
