/** Show: all assignments, newest first, to look at, retry, keep and delete. */
import { erase, keep, list, retry } from "./api.js";
import { card } from "./card.js";
import { h, say } from "./dom.js";
import { send, unsent } from "./outbox.js";
import { may, me } from "./session.js";
import { hear, tellChanged, tellGone } from "./tabs.js";
import { watch } from "./watch.js";

const PAGE = 24;
const UNDO_SECONDS = 6;

const byId = (id) => document.getElementById(id);
const form = byId("filter");
const shelf = byId("list");
const end = byId("end");
const more = byId("more");

/** The cards on show, by id. */
const cards = new Map();
/** Deletes that can still be undone: what to do when their time is up, by id. */
const leaving = new Map();
/** What the list is filtered by; replaced when the filter changes, so that late answers are known. */
let filter = fromAddress();
let cursor = null;
let loading = false;

// --- the filter, which lives in the address ---

function fromAddress() {
  const query = new URLSearchParams(location.search);
  return { teacher_id: query.get("teacher_id") ?? "", status: query.get("status") ?? "" };
}

function fromForm() {
  const next = { teacher_id: form.teacher_id.value.trim(), status: form.status.value };
  if (next.teacher_id === filter.teacher_id && next.status === filter.status) return;
  const query = new URLSearchParams(Object.entries(next).filter(([, value]) => value)).toString();
  history.pushState(null, "", query ? `?${query}` : location.pathname);
  start(next);
}

function start(next) {
  filter = next;
  form.teacher_id.value = filter.teacher_id;
  form.status.value = filter.status;
  cursor = null;
  loading = false;
  cards.clear();
  shelf.replaceChildren();
  load();
}

let typing;
form.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(fromForm, 250);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  fromForm();
});
addEventListener("popstate", () => start(fromAddress()));

// --- the list ---

/** Loads the next page, or the first. */
async function load() {
  if (loading) return;
  loading = true;
  const asked = filter;
  more.hidden = true;
  shelf.setAttribute("aria-busy", "true");
  if (!cards.size) end.textContent = "Loading…";
  try {
    const page = await list({ ...filter, limit: PAGE, after: cursor });
    if (asked !== filter) return;
    page.assignments.forEach((assignment) => put(assignment));
    cursor = page.next;
    more.hidden = !cursor;
    tellEnd();
    watcher.poke();
    fill();
  } catch (error) {
    if (asked !== filter) return;
    end.textContent = error.message;
    more.hidden = false;
  } finally {
    if (asked === filter) {
      loading = false;
      shelf.setAttribute("aria-busy", "false");
    }
  }
}

/** An observer tells only of changes: what is still in sight after a page loads the next one. */
function fill() {
  near.unobserve(more);
  near.observe(more);
}

function tellEnd() {
  if (cursor) end.textContent = `The newest ${cards.size}; more as you scroll.`;
  else if (cards.size) end.textContent = `That is all: ${cards.size} ${cards.size === 1 ? "assignment" : "assignments"}.`;
  else end.textContent = filter.teacher_id || filter.status ? "Nothing matches this filter." : "No assignments yet. Create the first one.";
}

const near = new IntersectionObserver(([entry]) => entry.isIntersecting && cursor && load(), { rootMargin: "1200px" });
more.addEventListener("click", async () => {
  const { lastElementChild: last } = shelf;
  await load();
  last?.nextElementSibling?.querySelector("a").focus();
});

function matches({ teacher_id, s3_upload_status }) {
  return (!filter.teacher_id || filter.teacher_id === teacher_id) && (!filter.status || filter.status === s3_upload_status);
}

/** Shows an assignment: in the card that it has, else in a new one among those of its time. */
function put(assignment) {
  const id = assignment.assignment_id;
  const present = cards.get(id);
  if (present) return present.update(assignment);
  if (leaving.has(id)) return;
  const made = card(assignment, {
    retry: async (words) => tell(await retry(id, words)),
    keep: async (permanent) => tell(await keep(id, permanent)),
    erase: () => leave(id),
  });
  cards.set(id, made);
  const item = h("li", { "data-created-at": assignment.created_at }, made.element);
  let next = null;
  for (let each = shelf.lastElementChild; each && createdAt(each) < assignment.created_at; each = each.previousElementSibling) next = each;
  shelf.insertBefore(item, next);
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
  tellEnd();
}

/** What is new or deleted at the top, wherever it was done. */
async function refresh() {
  const asked = filter;
  const { assignments, next } = await list({ ...filter, limit: PAGE });
  if (asked !== filter) return;
  const present = new Set(assignments.map(({ assignment_id }) => assignment_id));
  const oldest = next ? assignments.at(-1).created_at : 0;
  for (const [id, { assignment }] of cards) {
    if (assignment.created_at > oldest && matches(assignment) && !present.has(id)) gone(id);
  }
  assignments.forEach((assignment) => put(assignment));
  tellEnd();
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
  pending: () => [...cards].filter(([, { assignment }]) => assignment.s3_upload_status === "pending").map(([id]) => id).reverse(),
  changed: put,
  gone,
  refresh,
});
hear({
  changed(assignment) {
    if (!cards.has(assignment.assignment_id) && !matches(assignment)) return;
    put(assignment);
    tellEnd();
    watcher.poke();
  },
  gone,
});
me.then((known) => {
  // Who sees its own assignments only has no teacher to choose.
  form.teacher_id.closest(".field").hidden = !may(known, "portal", "operator");
  unsent().forEach((content) => send(content).then(tell, () => {}));
  start(filter);
});
