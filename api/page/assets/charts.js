/** Small live line charts in SVG: a library would weigh as much as all the rest of the page. */
import { h } from "./dom.js";

const WINDOW_SECONDS = 15 * 60;
const HEIGHT = 150;
const LEAST_WIDTH = 120;
const EDGE = { top: 8, right: 18, bottom: 26, left: 56 };
/** How far apart two labels of an axis are at least, in pixels. */
const SPACE = { x: 90, y: 30 };
const TIME_STEPS = [60, 120, 300, 600, 900];

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The first of 1, 2, 5, 10, 20, … times a power of ten that is not below `least`. */
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= least * (1 - 1e-9));
}

function multiples(step, from, to) {
  const first = Math.ceil(from / step - 1e-9);
  return Array.from({ length: Math.max(0, Math.floor(to / step + 1e-9) - first + 1) }, (_, index) => (first + index) * step);
}

/** The values' axis: where a value lies, from 0 to 1, and which values have labels. */
function values(columns, { log, counts }) {
  const all = columns.flat().filter((value) => value != null);
  const labels = Math.floor((HEIGHT - EDGE.top - EDGE.bottom) / SPACE.y);
  if (!log) {
    const most = all.reduce((one, other) => Math.max(one, other), 0) * 1.1 || 1;
    const step = Math.max(roundStep(most / labels), counts ? 1 : 0);
    return { at: (value) => value / most, ticks: multiples(step, 0, most) };
  }
  const powers = all.filter((value) => value > 0).map(Math.log10);
  const least = Math.floor(Math.min(...powers, powers.length ? Infinity : -2));
  const most = Math.max(Math.ceil(Math.max(...powers, powers.length ? -Infinity : 0)), least + 1);
  const step = Math.ceil((most - least) / labels);
  return { at: (value) => (Math.log10(value) - least) / (most - least), ticks: multiples(step, least, most).map((power) => 10 ** power) };
}

/**
 * A chart of the last 15 minutes. Each of `lines` is {label, color}, the color a custom property
 * of the stylesheet; `say` makes a figure readable, `tick` one on the axis; `counts` has no fractions
 * there; `log` has a logarithmic axis, and bridges gaps. `update` takes seconds and a column a line.
 */
export function chart({ title, lines, say = (value) => value.toLocaleString(), tick = say, log = false, counts = false }) {
  const plot = h("div", { class: "plot", role: "img" });
  const legend = h("ul", { class: "legend" });
  const element = h("figure", { class: "chart panel" }, h("figcaption", {}, h("h2", {}, title), legend), plot);
  const figures = lines.map((line) => {
    const figure = h("b", {}, "–");
    legend.append(h("li", { "data-color": line.color.slice(2) }, `${line.label} `, figure));
    return figure;
  });
  let times = [];
  let columns = lines.map(() => []);

  const width = () => Math.max(plot.clientWidth, LEAST_WIDTH);
  const span = () => width() - EDGE.left - EDGE.right;
  const start = () => (times.at(-1) ?? Date.now() / 1000) - WINDOW_SECONDS;
  const x = (time) => EDGE.left + ((time - start()) / WINDOW_SECONDS) * span();

  function draw() {
    const axis = values(columns, { log, counts });
    const bottom = HEIGHT - EDGE.bottom;
    const y = (value) => bottom - axis.at(value) * (bottom - EDGE.top);
    const step = TIME_STEPS.find((each) => (each / WINDOW_SECONDS) * span() >= SPACE.x) ?? TIME_STEPS.at(-1);
    const clock = (time) => new Date(time * 1000).toLocaleTimeString(undefined, { timeStyle: "short" });
    const fits = (time) => x(time) + SPACE.x / 3 <= width();
    const inside = (time) => x(time) >= EDGE.left && x(time) <= EDGE.left + span();
    plot.replaceChildren(
      svg(
        "svg",
        { "aria-hidden": "true", width: width(), height: HEIGHT },
        ...axis.ticks.flatMap((value) => [
          svg("path", { class: "grid", d: `M${EDGE.left} ${y(value)}h${span()}` }),
          svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, tick(value)),
        ]),
        ...multiples(step, start(), start() + WINDOW_SECONDS).filter(fits).map((time) => svg("text", { x: x(time), y: HEIGHT - 6, "text-anchor": "middle" }, clock(time))),
        ...lines.map(({ color }, line) => svg("path", { "data-color": color.slice(2), d: path(columns[line], inside, y) })),
      ),
    );
  }

  /** A line through what is there; a single figure is a dot, since the line's ends are round. */
  function path(column, inside, y) {
    let pen = "M";
    return times.reduce((drawn, time, index) => {
      const value = column[index];
      if (value == null || !inside(time)) {
        if (!log) pen = "M";
        return drawn;
      }
      const point = `${pen}${x(time).toFixed(1)} ${y(value).toFixed(1)}${pen === "M" ? "h0" : ""}`;
      pen = "L";
      return drawn + point;
    }, "");
  }

  /** Puts the figures at an index, by default the last, beside the names of the lines. */
  function tell(index) {
    figures.forEach((figure, line) => {
      const value = index == null ? columns[line].findLast((each) => each != null) : columns[line][index];
      figure.textContent = value == null ? "–" : say(value);
    });
  }

  function update(at, newest) {
    times = at;
    columns = newest;
    draw();
    tell();
    const words = lines.map(({ label }, line) => `${label} now ${figures[line].textContent}, at most ${say(Math.max(0, ...columns[line]))}`);
    plot.setAttribute("aria-label", `${title}, the last 15 minutes: ${words.join("; ")}.`);
  }

  plot.addEventListener("pointermove", ({ clientX }) => {
    const under = clientX - plot.getBoundingClientRect().left;
    const distance = (time) => Math.abs(x(time) - under);
    const nearest = times.reduce((best, time, index) => (best == null || distance(time) < distance(times[best]) ? index : best), null);
    tell(nearest);
  });
  plot.addEventListener("pointerleave", () => tell());
  new ResizeObserver(() => times.length > 0 && draw()).observe(plot);
  return { element, update };
}
