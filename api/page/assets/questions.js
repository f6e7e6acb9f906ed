/** Questions and answers: read from an assignment, edited as rows, compared. */
import { h } from "./dom.js";

/** The [{question, answers}] of an assignment's JSON text, with every right answer; what cannot be understood is left out. */
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
    .map(({ question, answer, more = [] }) => ({ question, answers: [answer, ...more].flatMap(listed).filter((each) => each.trim()) }));
}

/** Every right answer in one entry: a list's, or what stands between the bars of a text, and that text as a whole. */
function listed(answer) {
  const scalar = (value) => (["string", "number", "boolean"].includes(typeof value) ? [String(value)] : []);
  if (Array.isArray(answer)) return answer.flatMap(scalar);
  if (typeof answer !== "string" || !answer.includes("|")) return scalar(answer);
  const parts = answer.split(/(?<!\\)\|/).map((part) => part.replaceAll("\\|", "|"));
  return [...parts, answer];
}

function pair(entry) {
  if (typeof entry === "string") return { question: entry };
  if (Array.isArray(entry)) return { question: entry[0], answer: entry[1] };
  return entry && { question: entry.question ?? entry.q, answer: entry.answer ?? entry.a, more: [entry.answers, entry.alternatives] };
}

/** True if two answers differ in nothing but case, accents, spaces and punctuation around words. The service, which checks students' answers, knows more (`answer.rs`). */
export function sameAnswer(one, other) {
  const bare = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f\s]/g, "").toLowerCase().replaceAll("ß", "ss");
  const plain = (text) => bare(text).replace(/^[^\p{L}\p{N}]+(?=\p{L})|(?<=[\p{L}\p{N}])[.,;:!?'’"”]+$/gu, "");
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
