/** The audit log: who did what, newest first, and more of it on demand. */
import { auditLog } from "./api.js";
import { h, instant } from "./dom.js";

const place = document.getElementById("audit");
const rows = h("tbody");
const more = h("button", { type: "button", class: "quiet", hidden: true, click: showMore }, "Show more");
const problem = h("p", { class: "error", role: "alert", hidden: true });
let newest = null;
let next = null;

/** Reads the newest entries and shows them, if there are others than before. */
export async function showAudit() {
  const page = await auditLog();
  const first = page.entries[0]?.id ?? "";
  if (first === newest) return;
  newest = first;
  if (!first) return place.replaceChildren(h("p", { class: "nothing" }, "Nothing yet."));
  rows.replaceChildren(...page.entries.map(row));
  goOn(page);
  if (rows.isConnected) return;
  const names = ["When", "Who", "What"].map((name) => h("th", { scope: "col" }, name));
  place.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, names)), rows), h("p", { class: "actions" }, more), problem);
}

async function showMore() {
  more.disabled = true;
  problem.hidden = true;
  try {
    const page = await auditLog(next);
    rows.append(...page.entries.map(row));
    goOn(page);
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
  more.disabled = false;
}

function goOn(page) {
  next = page.next;
  more.hidden = !next;
}

function row({ at, actor, name, action, what, outcome, counts }) {
  const done = outcome === "begun" ? action : `${action}, ${outcome}`;
  const amounts = Object.entries(counts).map(([of, count]) => `${count.toLocaleString()} ${of.replaceAll("_", " ")}`);
  return h(
    "tr",
    {},
    h("td", {}, instant(at)),
    h("td", { title: actor }, name ?? short(actor)),
    h("td", {}, done, what && " ", what && h("code", { title: what }, short(what)), amounts.length > 0 && ` (${amounts.join(", ")})`),
  );
}

/** A pseudonym of 64 digits by its first. */
function short(text) {
  return text.replace(/\b([0-9a-f]{8})[0-9a-f]{56}\b/, "$1…");
}
