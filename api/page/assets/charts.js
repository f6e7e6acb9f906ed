/** Small live line charts over uPlot, which is loaded when the first of them comes into view. */
import { h } from "./dom.js";

const HEIGHT = 150;
const WINDOW_SECONDS = 15 * 60;
const WHOLE_STEPS = Array.from({ length: 7 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

/** A canvas does not understand custom properties: an element that wears the color tells what it is. */
const probe = h("span", { hidden: true });
document.body.append(probe);
function color(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

let library = null;

/** Loads uPlot once. The figures beside the charts do without it. */
function plotting() {
  library ??= Promise.all([
    loaded(h("link", { rel: "stylesheet", href: "/assets/vendor/uplot/uPlot.min.css" })),
    loaded(h("script", { src: "/assets/vendor/uplot/uPlot.iife.min.js" })),
  ]).catch(() => (library = null));
  return library;
}

function loaded(element) {
  return new Promise((done, failed) => {
    element.addEventListener("load", done);
    element.addEventListener("error", () => (element.remove(), failed()));
    document.head.append(element);
  });
}

/**
 * A chart of the last 15 minutes. Each of `lines` is {label, color}, the color a custom property
 * of the stylesheet; `say` makes a figure readable, `tick` one on the axis; `counts` has no fractions
 * there. `update` takes seconds and a column a line.
 */
export function chart({ title, lines, say = (value) => value.toLocaleString(), tick = say, log = false, counts = false }) {
  const canvas = h("div", { class: "plot", role: "img" });
  const legend = h("ul", { class: "legend" });
  const element = h("figure", { class: "chart panel" }, h("figcaption", {}, h("h2", {}, title), legend), canvas);
  const values = lines.map((line) => {
    const value = h("b", {}, "–");
    legend.append(h("li", { "data-color": line.color.slice(2) }, `${line.label} `, value));
    return value;
  });
  let plot = null;
  let inView = false;
  let data = [[], ...lines.map(() => [])];

  async function draw() {
    if (!(await plotting()) || !canvas.isConnected) return;
    plot?.destroy();
    const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    plot = new uPlot(
      {
        width: Math.max(canvas.clientWidth, 120),
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, drag: { setScale: false } },
        padding: [8, 18, 0, 0],
        scales: {
          x: { range: (_, __, last) => [(last ?? Date.now() / 1000) - WINDOW_SECONDS, last ?? Date.now() / 1000] },
          y: log
            ? { distr: 3, range: (_, least, most) => [10 ** Math.floor(Math.log10(least || 0.01)), 10 ** Math.ceil(Math.log10(most || 1))] }
            : { range: (_, __, most) => [0, Math.max(most * 1.1 || 0, 1e-9) || 1] },
        },
        axes: [
          { ...axis, size: 26, space: 90, values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toLocaleTimeString(undefined, { timeStyle: "short" })) },
          {
            ...axis,
            size: 56,
            space: 30,
            ...(counts && { incrs: WHOLE_STEPS }),
            ...(log && { filter: (_, ticks) => ticks.map((value) => (Number.isInteger(Math.log10(value)) ? value : null)), grid: { show: false } }),
            values: (_, ticks) => ticks.map((value) => (value == null ? "" : tick(value))),
          },
        ],
        series: [{}, ...lines.map((line) => ({ stroke: color(line.color), width: 2, points: { size: 4 }, spanGaps: log }))],
        hooks: { setCursor: [({ cursor }) => tell(cursor.idx)] },
      },
      data,
      canvas,
    );
  }

  /** Puts the figures at an index, by default the last, beside the names of the lines. */
  function tell(index) {
    const at = index ?? data[0].length - 1;
    values.forEach((value, line) => {
      const figure = data[line + 1][at] ?? (index == null ? data[line + 1].findLast((each) => each != null) : null);
      value.textContent = figure == null ? "–" : say(figure);
    });
  }

  function update(at, columns) {
    data = [at, ...columns];
    if (plot) plot.setData(data);
    else if (inView) draw();
    tell();
    const words = lines.map(({ label }, line) => `${label} now ${values[line].textContent}, at most ${say(Math.max(0, ...columns[line]))}`);
    canvas.setAttribute("aria-label", `${title}, the last 15 minutes: ${words.join("; ")}.`);
  }

  new IntersectionObserver((entries, observer) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    observer.disconnect();
    inView = true;
    if (data[0].length) draw();
  }).observe(canvas);
  new ResizeObserver(() => plot?.setSize({ width: Math.max(canvas.clientWidth, 120), height: HEIGHT })).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot && draw());
  return { element, update };
}
