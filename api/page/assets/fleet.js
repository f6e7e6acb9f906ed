/** Fleet: what the operator sees, read every 5 s from the JSON twin of this page. */
import { fleet } from "./api.js";
import { showAudit } from "./audit.js";
import { chart } from "./charts.js";
import { Backoff, connection } from "./connection.js";
import { duration, h } from "./dom.js";
import { showFindings, showUnreadable } from "./findings.js";
import { add, dollars, roundDollars, seconds, whole } from "./fleet-words.js";
import { showLetters } from "./letters.js";
import { showPause } from "./pause.js";
import { may, me, tellNotAllowed } from "./session.js";
import { showSwitches } from "./switches.js";
import { showFairness, showMoney } from "./teachers.js";
import { showWorkers } from "./workers.js";

const EVERY_MS = 5000;
const HIDDEN_MS = 60000;

const byId = (id) => document.getElementById(id);
const sum = (counts) => add(Object.values(counts), (count) => count);

const FIGURES = {
  Waiting: ({ queue }) => whole(queue.visible + queue.delayed),
  "Oldest job": ({ queue }) => (queue.oldest_seconds == null ? "–" : duration(queue.oldest_seconds)),
  "In flight": ({ queue }) => whole(queue.in_flight),
  "Done a minute": ({ done_per_minute }) => whole(done_per_minute),
  "Done in all": ({ totals }) => whole(totals.done),
  Failed: ({ totals }) => whole(sum(totals.failed)),
  Throttles: ({ samples }) => whole(add(samples, (each) => each.throttles)),
  Workers: ({ workers, paused }) => whole(workers.length) + inPause(workers, paused),
  "Dead letters": ({ queue }) => whole(queue.dead_letters),
  "Calls to models": ({ totals }) => whole(totals.calls),
  "Cost so far": ({ totals }) => dollars(totals.spent_usd),
  "Budget left today": ({ budget }) => (budget.fleet ? dollars(budget.fleet.left_usd) : "no limit"),
};

function inPause(workers, paused) {
  const count = workers.filter((each) => each.paused).length;
  if (count) return `, ${whole(count)} in an outage`;
  return paused ? ", paused" : "";
}

const figures = Object.entries(FIGURES).map(([name, read]) => {
  const value = h("dd", {}, "–");
  byId("figures").append(h("div", {}, h("dt", {}, name), value));
  return (state) => (value.textContent = read(state));
});

/** Charts: what each shows, and its columns from the samples. */
const CHARTS = [
  {
    chart: chart({ title: "Queue", say: whole, counts: true, lines: [{ label: "Waiting", color: "--ochre" }, { label: "In flight", color: "--blue" }] }),
    columns: (samples) => [samples.map((each) => each.visible), samples.map((each) => each.in_flight)],
  },
  {
    chart: chart({ title: "Done a minute", say: whole, counts: true, lines: [{ label: "Pictures", color: "--green" }] }),
    columns: (samples) => [minutely(samples, (each) => each.done)],
  },
  {
    chart: chart({ title: "Throttles a minute", say: whole, counts: true, lines: [{ label: "Throttles", color: "--ochre" }] }),
    columns: (samples) => [minutely(samples, (each) => each.throttles)],
  },
  {
    chart: chart({
      title: "Time in each stage",
      say: seconds,
      log: true,
      lines: [
        { label: "Queue", color: "--ochre" },
        { label: "Generate", color: "--blue" },
        { label: "Optimize", color: "--green" },
        { label: "Upload", color: "--red" },
      ],
    }),
    columns: (samples) => ["queue_wait_seconds", "generate_seconds", "optimize_seconds", "upload_seconds"].map((stage) => samples.map((each) => each[stage] || null)),
  },
  {
    chart: chart({ title: "Money", say: dollars, tick: roundDollars, lines: [{ label: "Calls", color: "--blue" }, { label: "Pictures", color: "--green" }] }),
    columns: (samples, totals) => [running(samples, (each) => each.spent_usd, totals.spent_usd), running(samples, (each) => each.cost_usd, totals.cost_usd)],
  },
];
byId("charts").append(...CHARTS.map((each) => each.chart.element));

/** The chart of failures has a line for each code, and is made anew when another one turns up. */
const CODE_COLORS = ["--red", "--ochre", "--blue", "--green"];
const failed = { codes: null, chart: null };

function chartFailures(at, { samples, totals }) {
  const codes = Object.keys(totals.failed ?? {}).sort().slice(0, CODE_COLORS.length);
  if (failed.codes?.join() !== codes.join()) {
    const lines = codes.length ? codes.map((label, index) => ({ label, color: CODE_COLORS[index] })) : [{ label: "None", color: "--red" }];
    const next = chart({ title: "Failures a minute", say: whole, counts: true, lines });
    if (failed.chart) failed.chart.element.replaceWith(next.element);
    else byId("charts").append(next.element);
    failed.codes = codes;
    failed.chart = next;
  }
  failed.chart.update(at, codes.length ? codes.map((code) => minutely(samples, (each) => each.failed?.[code])) : [samples.map(() => 0)]);
}

/** Counts of the minute that ends with each sample. */
function minutely(samples, count) {
  let first = 0;
  let total = 0;
  return samples.map((sample) => {
    total += count(sample) ?? 0;
    for (; samples[first].at <= sample.at - 60; first++) total -= count(samples[first]) ?? 0;
    return total;
  });
}

/** An amount up to each sample, backwards from what it is now. */
function running(samples, amount, now) {
  let total = now;
  return samples
    .map((each) => amount(each) ?? 0)
    .reverse()
    .map((cost) => {
      const then = total;
      total = Math.max(0, total - cost);
      return then;
    })
    .reverse();
}

chartFailures([], { samples: [], totals: {} });

function failures({ totals, samples }) {
  const codes = Object.entries(totals.failed ?? {}).sort(([, one], [, other]) => other - one);
  if (!codes.length) return h("p", { class: "nothing" }, "None.");
  const lately = (code) => add(samples, ({ failed }) => failed[code] ?? 0);
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, ["Code", "Last 15 minutes", "In all"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, codes.map(([code, count]) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, code)), h("td", {}, whole(lately(code))), h("td", {}, whole(count))))),
  );
}

/** The day's budget of the fleet, in a line. */
function budgetLine({ budget: { words, fleet } }) {
  return fleet ? `${words} ${dollars(fleet.charged_usd)} of ${dollars(fleet.limit_usd)} are charged today.` : "";
}

let switchesShown = false;
let readAt = null;

async function refresh() {
  const state = await fleet();
  readAt = state.now;
  showFindings(state);
  showPause(state, refresh);
  figures.forEach((show) => show(state));
  const at = state.samples.map((sample) => sample.at);
  for (const { chart, columns } of CHARTS) chart.update(at, columns(state.samples, state.totals));
  chartFailures(at, state);
  byId("budget").textContent = budgetLine(state);
  byId("budget").hidden = !state.budget.fleet;
  showWorkers(state);
  showMoney(state);
  showFairness(state);
  byId("failures").replaceChildren(failures(state));
  await showLetters();
  await showAudit();
  byId("switches").hidden = !state.control;
  if (state.control && !switchesShown) {
    await showSwitches(byId("controls"));
    switchesShown = true;
  }
}

async function run() {
  const backoff = new Backoff();
  let wake = () => {};
  const poke = () => document.hidden || wake();
  document.addEventListener("visibilitychange", poke);
  connection.addEventListener("back", poke);
  for (;;) {
    let wait = document.hidden ? HIDDEN_MS : EVERY_MS;
    try {
      await refresh();
      backoff.reset();
    } catch (error) {
      console.warn(error.message);
      showUnreadable(error, readAt);
      wait = Math.max(wait, backoff.next());
    }
    byId("main").setAttribute("aria-busy", "false");
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, wait);
    });
  }
}

me.then((known) => (may(known, "operator") ? run() : tellNotAllowed("operator")));
