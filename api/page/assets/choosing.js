/** Several assignments at once: chosen, then deleted or retried, after their number and cost were seen. */
import { batch } from "./api.js";
import { dollars, h, say } from "./dom.js";

const WORDS = {
  delete: { verb: "Delete", done: "deleted", cost: (usd) => `What they cost, ${usd}, is not given back. This cannot be undone.`, free: "This cannot be undone.", kind: "primary danger" },
  retry: { verb: "Retry", done: "on their way again", cost: (usd) => `That costs about ${usd}.`, free: "", kind: "primary" },
};

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
    const ids = [...chosen];
    const { verb, cost, free, kind } = WORDS[operation];
    try {
      const { count, cost_usd } = await batch(operation, ids);
      const rest = ids.length - count;
      const words = [
        count > 0 && (cost_usd ? cost(dollars(cost_usd)) : free),
        rest > 0 && (operation === "retry" ? `Only those that failed, or whose picture is lost, can be retried: ${counted(rest)} of the chosen cannot.` : `${counted(rest)} of the chosen cannot be deleted.`),
      ];
      const go = count > 0 && h("button", { type: "button", class: kind, click: () => carryOut(operation, ids, count) }, `${verb} ${count}`);
      tellInDialog(`${verb} ${counted(count)}?`, words, go, count > 0 ? "Cancel" : "Close");
    } catch (error) {
      tellInDialog(`${verb}: that did not work`, [error.message], null, "Close");
    }
  }

  async function carryOut(operation, ids, count) {
    dialog.querySelectorAll("button").forEach((button) => (button.disabled = true));
    try {
      const answer = await batch(operation, ids, count);
      const failed = new Map((answer.failed ?? []).map((each) => [each.assignment_id, each.problem]));
      const words = `${counted(answer.done)} ${WORDS[operation].done}.`;
      done(operation, ids.filter((id) => !failed.has(id)));
      if (!failed.size) {
        dialog.close();
        say(words);
        return stop();
      }
      const problems = [...new Set([...failed.values()].map((problem) => problem?.detail ?? problem?.title ?? String(problem)))];
      tellInDialog(words, [`${counted(failed.size)} not: ${problems.join(" ")}`], null, "Close");
    } catch (error) {
      // Others changed something meanwhile: the number is told anew.
      if (error.status === 409) return ask(operation);
      tellInDialog("That did not work", [error.message], null, "Close");
    }
  }

  function tellInDialog(title, words, go, close) {
    const leave = h("button", { type: "button", class: "quiet", click: () => dialog.close() }, close);
    dialog.replaceChildren(h("h2", { id: "confirm-title" }, title), ...words.filter(Boolean).map((each) => h("p", {}, each)), h("p", { class: "send" }, go, leave));
    if (!dialog.open) dialog.showModal();
    leave.focus();
  }

  return { offer, forget };
}
