/** Pauses and resumes the fleet. */
import { pauseFleet, resumeFleet } from "./api.js";
import { h, instant, say } from "./dom.js";

const place = document.getElementById("pause");
const MINUTE_MS = 60000;
const MOST_CHARACTERS = 200;
const UNTIL_A_TIME = "at";

/** How long a pause lasts, in minutes. */
const LENGTHS = { "": "Until I resume it", 15: "15 minutes", 60: "1 hour", 240: "4 hours", [UNTIL_A_TIME]: "Until a time" };

let shown = null;

/** Shows whether the fleet is paused, and `again` reads the fleet anew. */
export function showPause({ paused }, again) {
  const state = JSON.stringify(paused);
  if (state === shown) return;
  shown = state;
  place.replaceChildren(paused ? ofPause(paused, again) : form(again));
}

function ofPause({ by, name, since, until, reason }, again) {
  const problem = error();
  const resume = h("button", { type: "button", class: "primary", click: () => attempt(resume, problem, resumeFleet, "The fleet is resumed.", again) }, "Resume the fleet");
  return h(
    "div",
    {},
    h("p", {}, "Paused by ", h("b", { dir: "auto", title: by }, name ?? by.slice(0, 40)), " since ", instant(since), until ? " until " : ", until somebody resumes it", until && instant(until), "."),
    reason && h("p", { dir: "auto" }, reason),
    h("p", { class: "hint" }, "Workers finish what they have and take nothing new. Assignments are accepted and wait."),
    h("p", { class: "send" }, resume),
    problem,
  );
}

function form(again) {
  const problem = error();
  const options = Object.entries(LENGTHS).sort(([one], [other]) => (one === "" ? -1 : other === "" ? 1 : 0));
  const at = h("input", { type: "datetime-local", name: "at" });
  const atLabel = h("label", { hidden: true }, "Until", at);
  const length = h("select", { name: "length", change: offer }, options.map(([value, name]) => h("option", { value }, name)));
  const button = h("button", { class: "danger quiet" }, "Pause the fleet");

  function offer() {
    atLabel.hidden = length.value !== UNTIL_A_TIME;
    at.required = !atLabel.hidden;
  }

  function until() {
    if (length.value === UNTIL_A_TIME) return new Date(at.value);
    return length.value ? new Date(Date.now() + Number(length.value) * MINUTE_MS) : null;
  }

  function submit(event) {
    event.preventDefault();
    const reason = event.target.reason.value.trim();
    const wish = { ...(until() && { until: until().toISOString() }), ...(reason && { reason }) };
    attempt(button, problem, () => pauseFleet(wish), "The fleet is paused.", again);
  }

  return h(
    "form",
    { class: "inline", submit, "aria-label": "Pause the fleet" },
    h("label", {}, "For how long", length),
    atLabel,
    h("label", {}, "Why (other operators read it)", h("input", { name: "reason", maxlength: MOST_CHARACTERS, dir: "auto" })),
    button,
    problem,
  );
}

function error() {
  return h("p", { class: "error", role: "alert", hidden: true });
}

async function attempt(button, problem, act, done, again) {
  button.disabled = true;
  problem.hidden = true;
  try {
    await act();
    say(done);
    await again();
    place.querySelector("button, select")?.focus();
  } catch (failure) {
    problem.textContent = failure.message;
    problem.hidden = false;
  }
  button.disabled = false;
}
