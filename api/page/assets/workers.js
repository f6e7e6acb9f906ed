/** The workers by host, with their model limits and circuit breakers. */
import { h, instant } from "./dom.js";
import { add, dollars, many, whole } from "./fleet-words.js";

const place = document.getElementById("workers");
const MOST_HOSTS = 50;
const MIB = 1024 * 1024;
const SERVICES = { store: "the store", bucket: "the bucket", model: "the models" };
const BREAKERS = { closed: "breaker closed", open: "breaker open: busy, or no answer", refused: "breaker open: it refuses us" };

const list = h("ul", { class: "hosts" });
const rest = h("p", { class: "hint" });
place.append(list, rest);
/** What is shown of each host, so that what is unfolded stays so. */
const hosts = new Map();

/** Shows the workers, hosts with a trouble first. */
export function showWorkers({ workers }) {
  const byHost = grouped(workers);
  const order = [...byHost].sort(([one, of], [other, ofOther]) => troubles(ofOther) - troubles(of) || one.localeCompare(other)).slice(0, MOST_HOSTS);
  for (const name of hosts.keys()) if (!byHost.has(name)) hosts.delete(name);
  const elements = order.map(([name, of]) => {
    if (!hosts.has(name)) hosts.set(name, host(name));
    const shown = hosts.get(name);
    shown.update(of);
    return shown.element;
  });
  if (elements.length !== list.children.length || elements.some((element, index) => list.children[index] !== element)) list.replaceChildren(...elements);
  const more = byHost.size - elements.length;
  rest.textContent = workers.length ? (more > 0 ? `And ${many(more, "more host")}; all are in the JSON.` : "") : "No worker has spoken in the last 30 s.";
  rest.hidden = !rest.textContent;
}

const hostOf = ({ host }) => host || "a host that does not tell its name";
const isOpen = ({ breaker }) => breaker !== "closed";
/** An outage weighs more than any breaker of a model. */
const troubles = (workers) => add(workers, ({ paused, models }) => (paused ? 1000 : Number(models.some(isOpen))));

function grouped(workers) {
  const groups = new Map();
  for (const worker of workers) groups.set(hostOf(worker), [...(groups.get(hostOf(worker)) ?? []), worker]);
  return groups;
}

function host(name) {
  const told = h("span", { class: "hint" });
  const body = h("ul", { class: "workers" });
  const details = h("details", { toggle: show }, h("summary", {}, h("b", { dir: "auto" }, name), " ", told), body);
  let latest = [];

  function show() {
    if (details.open) body.replaceChildren(...latest.map(worker));
  }

  return {
    element: h("li", {}, details),
    update(workers) {
      latest = workers;
      told.textContent = inWords(workers);
      show();
    },
  };
}

/** A host in a line. */
function inWords(workers) {
  const paused = workers.filter((each) => each.paused).length;
  const open = new Set(workers.flatMap(({ models }) => models.filter(isOpen).map(({ model }) => model)));
  const words = [many(workers.length, "worker"), `${whole(add(workers, (each) => each.slots_in_use))} of ${many(add(workers, (each) => each.slots), "slot")} in use`];
  if (paused) words.push(`${paused} paused by an outage`);
  if (workers.some((each) => each.fleet_paused)) words.push("paused by an operator");
  if (open.size) words.push(`breaker open of ${many(open.size, "model")}`);
  return words.join(", ");
}

function worker({ worker: name, started_at, slots, limit, slots_in_use, outages, paused, models, model_calls, spent_usd, jobs_finished, resident_bytes }) {
  const slowed = limit != null && limit < slots ? `, now at most ${limit}` : "";
  return h(
    "li",
    {},
    h("p", {}, h("code", {}, name), " since ", instant(started_at), `: ${slots_in_use} of ${many(slots, "slot")} in use${slowed}; ${many(jobs_finished, "job")} finished, ${many(model_calls, "call")}, ${dollars(spent_usd)}${resident_bytes ? `; ${whole(resident_bytes / MIB)} MiB` : ""}`),
    outages.map(({ service, since, cause }) => h("p", { class: "error" }, `Paused by an outage of ${SERVICES[service] ?? service} since `, instant(since), ": ", cause)),
    paused && !outages.length && h("p", { class: "error" }, "Paused by an outage; it does not tell of which service."),
    h("ul", {}, models.map(({ model, limit, in_flight, breaker }) => h("li", { class: breaker === "closed" ? "hint" : "error" }, `${model}: ${in_flight} of ${limit} calls at a time, ${BREAKERS[breaker] ?? breaker}`))),
  );
}
