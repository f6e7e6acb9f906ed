/** What teachers have of the fleet: what they spent, and their shares of what is pending. */
import { duration, h, instant } from "./dom.js";
import { add, dollars, many, whole } from "./fleet-words.js";

const money = document.getElementById("money");
const fairness = document.getElementById("fairness");

/** A table that can be scrolled by keyboard where it is wider than its place. */
function table(label, columns, rows) {
  const head = h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)));
  const body = rows.map(([first, ...others]) => h("tr", {}, h("th", { scope: "row" }, first), others.map((each) => h("td", {}, each))));
  return h("div", { class: "wide", role: "region", "aria-label": label, tabindex: 0 }, h("table", {}, h("thead", {}, head), h("tbody", {}, body)));
}

const teacher = (id, otherwise) => (id == null ? h("span", { class: "hint" }, otherwise) : h("span", { dir: "auto" }, id));

/** What calls to models cost, and whose pictures they were. */
export function showMoney({ totals, workers, spending }) {
  const models = new Map();
  for (const { model, spent_usd } of workers.flatMap((worker) => worker.models)) models.set(model, (models.get(model) ?? 0) + spent_usd);
  const hasBudget = spending.most.some(({ charged_usd }) => charged_usd != null);
  const parts = [h("p", {}, `${many(totals.calls, "call")} to models for ${dollars(totals.spent_usd)} since this process watches; the pictures that finished cost ${dollars(totals.cost_usd)}.`)];
  if (models.size) {
    const rows = [...models].sort(([, one], [, other]) => other - one).map(([model, spent]) => [h("code", {}, model), dollars(spent)]);
    parts.push(h("h3", {}, "By model, since its workers started"), table("Money by model", ["Model", "Spent"], rows));
  }
  if (spending.most.length) {
    const columns = ["Teacher", "Pictures", "Calls", "Pictures cost", ...(hasBudget ? ["Charged today"] : [])];
    const rows = spending.most.map(({ teacher_id, pictures, model_calls, cost_usd, charged_usd }) => [
      teacher(teacher_id, "erased or deleted"),
      whole(pictures),
      whole(model_calls),
      dollars(cost_usd),
      ...(hasBudget ? [charged_usd == null ? "–" : dollars(charged_usd)] : []),
    ]);
    parts.push(h("h3", {}, "By teacher, since ", instant(spending.since)), table("Money by teacher", columns, rows));
  }
  money.replaceChildren(...parts);
}

/** Who has how much of what is pending, and who waits longest. */
export function showFairness({ fairness: { pending, complete, teachers, largest, longest_wait } }) {
  if (!pending) return fairness.replaceChildren(h("p", { class: "nothing" }, "Nothing is pending."));
  const of = (share) => share.waiting + share.in_flight;
  const name = ({ teacher_id }) => teacher(teacher_id, "nobody");
  const counted = complete ? `${many(pending, "assignment")} pending` : `the ${whole(pending)} oldest pending assignments`;
  const words = h("p", {}, `Of ${counted}, ${many(of(largest[0]), "is", "are")} `, name(largest[0]), `’s (${whole((100 * of(largest[0])) / pending)}%), the largest share of ${many(teachers, "teacher")}.`);
  if (longest_wait) words.append(" Longest waits ", name(longest_wait), `: ${duration(longest_wait.longest_wait_seconds)}.`);
  const rows = largest.map((share) => [name(share), `${whole((100 * of(share)) / pending)}%`, whole(share.waiting), whole(share.in_flight), share.waiting ? duration(share.longest_wait_seconds) : "–"]);
  const others = pending - add(largest, of);
  const more = others > 0 && h("p", { class: "hint" }, `And ${many(others, "assignment")} of others.`);
  fairness.replaceChildren(words, table("Shares by teacher", ["Teacher", "Share", "Waiting", "In flight", "Longest wait"], rows), ...(more ? [more] : []));
}
