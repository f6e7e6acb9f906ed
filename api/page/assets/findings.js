/** What is wrong with the fleet now, and what to do about it. */
import { h, instant, say } from "./dom.js";

const place = document.getElementById("findings");
let shown = null;

/** Shows the findings of the service. */
export function showFindings({ findings }) {
  show(findings.length ? findings.map(finding) : [h("p", { class: "nothing" }, "Nothing that this page knows of.")], JSON.stringify(findings));
}

/** The fleet cannot be read: what is shown is of `readAt`, if anything is. */
export function showUnreadable(error, readAt) {
  const words = ["The fleet cannot be read: ", error.message, readAt ? " What follows is of " : " Nothing is shown until it answers.", readAt && instant(readAt), readAt && "."];
  const to_do = "If the service answers at all, look whether its store does; else start with the service itself. This page tries again by itself.";
  show([finding({ code: "fleet_unreadable", words: h("span", {}, words), to_do })], error.message);
}

function show(elements, state) {
  if (state === shown) return;
  if (shown !== null) say(elements.map(({ textContent }) => textContent).join(" "));
  shown = state;
  place.replaceChildren(...elements);
}

function finding({ code, words, to_do, since }) {
  return h(
    "div",
    { class: "finding" },
    h("p", {}, h("strong", { dir: "auto" }, words), since && " Since ", since && instant(since), since && "."),
    h("p", {}, to_do),
    h("p", { class: "hint" }, "Runbook: docs/OPERATIONS.md, “What the fleet page finds”, row ", h("code", {}, code), "."),
  );
}
