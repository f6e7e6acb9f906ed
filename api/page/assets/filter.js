/** Which assignments Show lists: the form, the address, and what the service is asked for. */
import { list } from "./api.js";

/** What stands in the form and in the address under the same name. */
const FIELDS = ["q", "teacher_id", "status", "from", "to"];
const TYPING_MS = 250;
const SCANNED = 100;
const SCANNED_PAGES = 5;

/**
 * Calls `start` with the filter of the address, and with each other one that the form or the
 * browser's way back makes of it. `myself` is the teacher whose assignments come first, if there is
 * one.
 */
export function filtering(form, myself, start) {
  let filter = fromAddress();
  /** The field whose changes go into the present entry of the history. */
  let editing = null;
  let typing;

  function fromAddress() {
    const query = new URLSearchParams(location.search);
    const given = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ""]));
    return { ...given, mine: Boolean(myself) && !given.teacher_id && query.get("whose") !== "all" };
  }

  function fromForm() {
    const given = Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value.trim()]));
    return { ...given, mine: form.elements.mine.checked };
  }

  function addressOf(next) {
    const query = new URLSearchParams(FIELDS.filter((name) => next[name]).map((name) => [name, next[name]]));
    if (myself && !next.mine && !next.teacher_id) query.set("whose", "all");
    return query.size ? `?${query}` : location.pathname;
  }

  function show() {
    for (const name of FIELDS) form.elements[name].value = filter[name];
    form.elements.mine.checked = filter.mine;
  }

  /** Takes what the form says; the changes of one field while it is typed into are one step back. */
  function take(field) {
    clearTimeout(typing);
    const next = fromForm();
    if (JSON.stringify(next) === JSON.stringify(filter)) return;
    if (field && editing === field) history.replaceState(history.state, "", addressOf(next));
    else history.pushState(null, "", addressOf(next));
    editing = field;
    filter = next;
    start(filter);
  }

  form.addEventListener("input", ({ target }) => {
    // Who names a teacher wants that one's, and who wants the own names nobody.
    if (target.name === "teacher_id" && target.value.trim()) form.elements.mine.checked = false;
    if (target.name === "mine" && target.checked) form.elements.teacher_id.value = "";
    clearTimeout(typing);
    if (target.matches("select, [type=checkbox]")) take(null);
    else typing = setTimeout(take, TYPING_MS, target.name);
  });
  form.addEventListener("focusout", ({ target }) => {
    take(target.name);
    editing = null;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    take(document.activeElement?.name);
  });
  addEventListener("popstate", () => {
    clearTimeout(typing);
    editing = null;
    filter = fromAddress();
    show();
    start(filter);
  });

  form.elements.mine.closest("label").hidden = !myself;
  show();
  start(filter);

  return {
    /** Shows everybody's where there are none of one's own, without a step in the history. */
    showAll() {
      filter = { ...filter, mine: false };
      history.replaceState(history.state, "", addressOf(filter));
      show();
      start(filter);
    },
  };
}

/** True where nothing is filtered. */
export const isWhole = (filter) => FIELDS.every((name) => !filter[name]) && !filter.mine;

/**
 * The pages of what `filter` lets through, newest first. A teacher's whole name finds that teacher's
 * alone; a part of one finds all who have it in theirs, for which the list is looked through here.
 */
export function pagesOf(filter, myself, limit) {
  const { q, status, teacher_id: named } = filter;
  const teacher = filter.mine ? myself : named;
  const [from, to] = [startOf(filter.from), endOf(filter.to)];
  const query = { q, status, from: from?.toISOString(), to: to?.toISOString() };
  let scanning = false;

  const words = plain(q).split(/\s+/).filter(Boolean);
  const isTeachers = (id = "") => !teacher || (scanning ? plain(id).includes(plain(teacher)) : id === teacher);

  /** Whether an assignment that is heard of belongs here. */
  function matches({ teacher_id, s3_upload_status, prompt = "", created_at }) {
    const at = created_at * 1000;
    return (
      isTeachers(teacher_id) &&
      (!status || status === s3_upload_status) &&
      words.every((word) => plain(prompt).includes(word)) &&
      !(from && at < from) &&
      !(to && at > to)
    );
  }

  /** {assignments, next, oldest}: `oldest` is when the last one was created that was looked at. */
  async function page(after = null) {
    if (scanning) return scan(after);
    const found = await list({ ...query, teacher_id: teacher, limit, after });
    scanning = !after && !found.assignments.length && Boolean(teacher) && !filter.mine;
    return scanning ? scan(after) : { ...found, oldest: found.assignments.at(-1)?.created_at };
  }

  async function scan(after) {
    const found = [];
    let oldest;
    for (let pages = 0; pages < SCANNED_PAGES && found.length < limit; pages++) {
      const { assignments, next } = await list({ ...query, limit: SCANNED, after });
      found.push(...assignments.filter(({ teacher_id }) => isTeachers(teacher_id)));
      oldest = assignments.at(-1)?.created_at ?? oldest;
      after = next;
      if (!after) break;
    }
    return { assignments: found, next: after, oldest };
  }

  return { page, matches };
}

const plain = (text) => text.toLocaleLowerCase();

/** The first moment of a day here; undefined without one. */
function startOf(day) {
  const at = new Date(`${day}T00:00:00`);
  return Number.isNaN(at.getTime()) ? undefined : at;
}

/** The last moment of a day here. */
function endOf(day) {
  const at = new Date(`${day}T23:59:59.999`);
  return Number.isNaN(at.getTime()) ? undefined : at;
}
