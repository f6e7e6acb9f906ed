/** Questions and answers: read from an assignment, edited as rows, compared. */
import { h } from "./dom.js";

/** The [{question, answer}] of an assignment's JSON text; what cannot be understood is left out. */
export function readQuestions(text) {
  let value = text;
  if (typeof text === "string") {
    try {
      value = JSON.parse(text);
    } catch {
      return [];
    }
  }
  if (!value || typeof value !== "object") return [];
  const pairs = Array.isArray(value) ? value.map(pair) : Object.entries(value).map(([question, answer]) => ({ question, answer }));
  return pairs
    .filter((each) => typeof each?.question === "string" && each.question.trim())
    .map(({ question, answer }) => ({ question, answer: ["string", "number", "boolean"].includes(typeof answer) ? String(answer) : "" }));
}

function pair(entry) {
  if (typeof entry === "string") return { question: entry };
  if (Array.isArray(entry)) return { question: entry[0], answer: entry[1] };
  return entry && { question: entry.question ?? entry.q, answer: entry.answer ?? entry.a };
}

/** True if two answers differ in nothing but case and spaces. */
export function sameAnswer(one, other) {
  const plain = (text) => text.normalize("NFKC").toLocaleLowerCase().replace(/\s+/g, "");
  return plain(one) === plain(other);
}

/** Rows of a question and its answer, in the list `rows`. */
export function questionRows(rows, onChange) {
  function renumber() {
    [...rows.children].forEach((row, index) => {
      const [question, answer] = row.querySelectorAll("label");
      question.firstChild.data = `Question ${index + 1}`;
      answer.firstChild.data = `Answer ${index + 1}`;
      row.querySelector("button span").textContent = ` question ${index + 1}`;
    });
  }

  function add(question = "", answer = "") {
    const input = (value) => h("input", { value, autocomplete: "off", input: onChange });
    const row = h(
      "li",
      { class: "row" },
      h("label", {}, "Question", input(question)),
      h("label", {}, "Answer", input(answer)),
      h("button", { type: "button", class: "quiet", click: () => remove(row) }, "Remove", h("span", { class: "unseen" })),
    );
    rows.append(row);
    renumber();
    return row;
  }

  function remove(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    renumber();
    onChange();
    (next?.querySelector("input") ?? document.getElementById("add")).focus();
  }

  /** What the rows hold, without empty ones. */
  function read() {
    return [...rows.children]
      .map((row) => {
        const [question, answer] = row.querySelectorAll("input");
        return { question: question.value.trim(), answer: answer.value.trim() };
      })
      .filter(({ question, answer }) => question || answer);
  }

  function fill(pairs) {
    rows.replaceChildren();
    pairs.forEach(({ question, answer }) => add(question, answer));
  }

  return { add, read, fill };
}
