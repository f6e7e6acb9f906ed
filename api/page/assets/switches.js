/** The switches of the embedded cloud: faults and the model's temper. */
import { addFault, endFaults, faults, setTemper, temper } from "./api.js";
import { h, say } from "./dom.js";

const SLOW_MODEL_MS = 10000;

/** What a switch does: one fault each, except the first, which is the model's temper. */
const DAYS = [
  { name: "Throttle the model", hint: "Half of the calls are turned away; the fleet slows down.", fault: { service: "bedrock", kind: "throttle", share: 0.5 } },
  { name: "Take the model away", hint: "Every call to the model fails.", fault: { service: "bedrock", kind: "error", share: 1 } },
  { name: "Take S3 away", hint: "No picture can be stored or read.", fault: { service: "s3", kind: "refuse", share: 1 } },
  { name: "Take the queue away", hint: "No job can be sent or fetched; the sweep mends it.", fault: { service: "sqs", kind: "refuse", share: 1 } },
  { name: "Deliver twice", hint: "The queue hands every job out two times.", fault: { service: "sqs", kind: "duplicate", share: 1 } },
  { name: "Take the CDN away", hint: "Pictures cannot be looked at until it is back.", fault: { service: "cdn", kind: "refuse", share: 1 } },
];

/** The kinds of faults that each service can play. */
const KINDS = {
  sqs: ["refuse", "error", "throttle", "slow", "hang", "denied", "missing", "lost_reply", "duplicate"],
  s3: ["refuse", "error", "throttle", "slow", "hang", "denied", "missing", "lost_reply"],
  bedrock: ["refuse", "error", "throttle", "slow", "hang", "denied", "lost_reply", "garbage", "filtered", "retired"],
  cdn: ["refuse", "error", "slow", "hang", "lost_reply"],
};
const SLOW_MS = 2000;

/** Whether the form for any other fault is unfolded; it stays so when the switches are shown anew. */
let unfolded = false;
const problem = h("p", { class: "error", role: "alert", hidden: true });

/** Shows the switches in `place` as they stand. */
export async function showSwitches(place) {
  const [present, mood] = await Promise.all([faults(), temper()]);
  const active = present.faults;
  const switches = DAYS.map((day) => toggle(day.name, day.hint, active.some((fault) => same(fault, day.fault)), (on) => (on ? addFault(day.fault) : remove(day.fault))));
  const before = mood.latency_ms < SLOW_MODEL_MS ? mood.latency_ms : 1000;
  const slow = toggle("Make the model slow", "A picture takes 10 s.", mood.latency_ms >= SLOW_MODEL_MS, (on) => setTemper({ latency_ms: on ? SLOW_MODEL_MS : before }));
  const end = h("button", { type: "button", class: "primary", click: () => attempt(endFaults, "All faults have ended.", place) }, "End all faults");
  place.replaceChildren(h("ul", { class: "switches" }, [slow, ...switches]), h("p", { class: "send" }, end), problem, custom(place, active));

  function toggle(name, hint, on, change) {
    const input = h("input", { type: "checkbox", role: "switch", change: () => attempt(() => change(input.checked), `${name}: ${input.checked ? "on" : "off"}`, place) });
    input.checked = on;
    return h("li", {}, h("label", { class: "check" }, input, name, h("span", { class: "hint" }, hint)));
  }
}

const same = (one, other) => one.service === other.service && one.kind === other.kind;

/** The control address can only end all faults: the others are added again. */
async function remove(fault) {
  const { faults: present } = await faults();
  await endFaults();
  for (const each of present) if (!same(each, fault)) await addFault(each);
}

/** One change at a time, for each starts from how things stand. */
async function attempt(act, done, place) {
  const controls = () => [...place.querySelectorAll("input, select, button")];
  const index = controls().indexOf(document.activeElement);
  problem.hidden = true;
  place.inert = true;
  try {
    await act();
    say(done);
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
  await showSwitches(place);
  place.inert = false;
  controls()[index]?.focus();
}

/** Any fault of the control address, put together by hand, and the list of those that are on. */
function custom(place, active) {
  const options = (values) => values.map((value) => h("option", {}, value));
  const number = (name, attributes) => h("input", { type: "number", name, min: 0, step: "any", ...attributes });
  const kind = h("select", { name: "kind", change: offerDelay }, options(KINDS.sqs));
  const service = h("select", { name: "service", change: offerKinds }, options(Object.keys(KINDS)));
  const delay = h("label", { hidden: true }, "Delay in ms", number("delay_ms", { value: SLOW_MS, step: 1 }));

  function offerKinds() {
    kind.replaceChildren(...options(KINDS[service.value]));
    offerDelay();
  }

  function offerDelay() {
    delay.hidden = kind.value !== "slow";
  }

  function submit(event) {
    event.preventDefault();
    const { share, delay_ms, for_seconds } = event.target;
    const fault = { service: service.value, kind: kind.value, share: Number(share.value) / 100 };
    if (kind.value === "slow") fault.delay_ms = Number(delay_ms.value);
    if (for_seconds.value) fault.for_seconds = Number(for_seconds.value);
    attempt(() => addFault(fault), "Fault added.", place);
  }

  return h(
    "details",
    { class: "custom", open: unfolded, toggle: ({ target }) => (unfolded = target.open) },
    h("summary", {}, `Any other fault${active.length ? ` (${active.length} on)` : ""}`),
    h(
      "form",
      { submit, "aria-label": "Add a fault" },
      h("label", {}, "Service", service),
      h("label", {}, "Kind", kind),
      h("label", {}, "Share in %", number("share", { value: 100, max: 100 })),
      delay,
      h("label", {}, "For seconds", number("for_seconds")),
      h("button", { type: "submit", class: "quiet" }, "Add"),
    ),
    active.length > 0 && h("ul", {}, active.map((fault) => h("li", {}, h("code", {}, JSON.stringify(fault))))),
  );
}
