/** Several assignments at once: chosen, then deleted or retried, after their number and cost were seen. */
import { batch } from "./api.js";
import { dollars, h, say } from "./dom.js";

const WORDS = {
  delete: { verb: "Delete", done: "deleted", cost: (usd) => `What they cost, ${usd}, is not given back. This cannot be undone.`, free: "This cannot be undone.", kind: "primary danger" },
  retry: { verb: "Retry", done: "on their way again", cost: (usd) => `That costs about ${usd}.`, free: "", kind: "primary" },
};

/** The most that the service takes at once. */
const PORTION = 500;
const portions = (ids) => Array.from({ length: Math.ceil(ids.length / PORTION) }, (_, n) => ids.slice(n * PORTION, (n + 1) * PORTION));
const sum = (all, value) => all.reduce((total, each) => total + value(each), 0);
const counted = (count) => (count === 1 ? "1 assignment" : `${count} assignments`);

/**
 * Lets one choose among the cards that `offer` was given. `done(operation, ids)` hears of what was
 * carried out.
 */
export function choosing({ main, toggle, dialog, done }) {
  /** The chosen ids. */
  const chosen = new Set();
  /** The boxes on show, by id. */
  const boxes = new Map();
  const status = h("span", { role: "status" });
  const all = h("button", { type: "button", class: "quiet", click: chooseAll }, "All on show");
  const actions = ["retry", "delete"].map((operation) => h("button", { type: "button", class: operation === "delete" ? "quiet danger" : "quiet", click: () => ask(operation) }, WORDS[operation].verb));
  const end = h("button", { type: "button", class: "quiet", click: stop }, "Done");
  const bar = h("div", { class: "chosen", role: "group", "aria-label": "Chosen assignments", hidden: true }, status, all, actions, end);
  main.append(bar);

  toggle.addEventListener("click", () => (main.classList.contains("choosing") ? stop() : begin()));

  function begin() {
    main.classList.add("choosing");
    toggle.setAttribute("aria-pressed", "true");
    bar.hidden = false;
    tell();
  }

  function stop() {
    main.classList.remove("choosing");
    toggle.setAttribute("aria-pressed", "false");
    bar.hidden = true;
    chosen.clear();
    boxes.forEach((box) => (box.checked = false));
    toggle.focus();
  }

  function tell() {
    status.textContent = `${chosen.size} chosen`;
    actions.forEach((button) => (button.disabled = !chosen.size));
  }

  function chooseAll() {
    boxes.forEach((box, id) => {
      box.checked = true;
      chosen.add(id);
    });
    tell();
  }

  /** The box of an assignment, for its card. */
  function offer(id, name) {
    const change = () => {
      if (box.checked) chosen.add(id);
      else chosen.delete(id);
      tell();
    };
    const box = h("input", { type: "checkbox", "aria-label": `Choose: ${name}`, change });
    boxes.set(id, box);
    return h("label", { class: "choose" }, box);
  }

  function forget(id) {
    boxes.delete(id);
    if (chosen.delete(id)) tell();
  }

  /** Says what it would be, and carries it out if that is what is wanted. */
  async function ask(operation) {
    const { verb, cost, free, kind } = WORDS[operation];
    try {
      const parts = [];
      for (const ids of portions([...chosen])) parts.push({ ids, ...(await batch(operation, ids)) });
      const count = sum(parts, (part) => part.count);
      const usd = sum(parts, (part) => part.cost_usd ?? 0);
      const words = [count > 0 && (usd ? cost(dollars(usd)) : free), problemsOf(parts)];
      const go = count > 0 && h("button", { type: "button", class: kind, click: () => carryOut(operation, parts) }, `${verb} ${count}`);
      tellInDialog(`${verb} ${counted(count)}?`, words, go, count > 0 ? "Cancel" : "Close");
    } catch (error) {
      tellInDialog(`${verb}: that did not work`, [error.message], null, "Close");
    }
  }

  async function carryOut(operation, parts) {
    dialog.querySelectorAll("button").forEach((button) => (button.disabled = true));
    const answers = [];
    try {
      for (const { ids, count } of parts.filter((part) => part.count > 0)) {
        const answer = await batch(operation, ids, count);
        answers.push(answer);
        const not = new Set(failedOf(answer).map((each) => each.assignment_id));
        done(operation, ids.filter((id) => !not.has(id)));
      }
    } catch (error) {
      // Others changed something meanwhile: the number is told anew.
      if (error.status === 409) return ask(operation);
      return tellInDialog("That did not work", [error.message], null, "Close");
    }
    const words = `${counted(sum(answers, (answer) => answer.done))} ${WORDS[operation].done}.`;
    const problems = problemsOf(answers);
    if (problems) return tellInDialog(words, [problems], null, "Close");
    dialog.close();
    stop();
    say(words);
  }

  const failedOf = ({ failed = [] }) => failed;

  /** Which of the chosen it is not done to, and why. */
  function problemsOf(answers) {
    const failed = answers.flatMap(failedOf);
    if (!failed.length) return "";
    const details = new Set(failed.map(({ problem }) => problem?.detail ?? "It failed."));
    return `${counted(failed.length)} not: ${[...details].join(" ")}`;
  }

  function tellInDialog(title, words, go, close) {
    const leave = h("button", { type: "button", class: "quiet", click: () => dialog.close() }, close);
    dialog.replaceChildren(h("h2", { id: "confirm-title" }, title), ...words.filter(Boolean).map((each) => h("p", {}, each)), h("p", { class: "send" }, go, leave));
    if (!dialog.open) dialog.showModal();
    leave.focus();
  }

  return { offer, forget };
}
