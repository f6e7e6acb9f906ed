/** Questions and answers: read from an assignment, edited as rows, compared. */
import { h } from "./dom.js";

/** The [{question, answers}] of an assignment's JSON text, with every right answer; what cannot be understood is left out. */
export function readQuestions(text) {
  return pairsOf(text).map(({ question, answer, more }) => ({ question, answers: [answer, ...more].flatMap(listed).filter((each) => each.trim()) }));
}

/** What an assignment is called: by its prompt, else by its title or its first question. */
export function nameOf({ prompt, title, question_answers }) {
  return prompt || title || readQuestions(question_answers)[0]?.question || "Without a picture";
}

/** The rows of an assignment's JSON text: {question, answer}, with `|` between several right answers, and the `entry` that they were read from. */
export function editableQuestions(text) {
  return pairsOf(text).map(({ question, answer, more, entry }) => {
    const rest = [Array.isArray(answer) ? answer : [], more].flat(2).flatMap(scalar).map((each) => each.replaceAll("|", "\\|"));
    return { question, answer: [...(Array.isArray(answer) ? [] : scalar(answer)), ...rest].join(" | "), entry };
  });
}

/** The JSON text of rows; what the page does not show of an entry stays with it. */
export function writtenQuestions(rows) {
  const before = new Map(rows.filter(({ entry }) => entry).map(({ entry }) => [entry, editableQuestions([entry])[0]]));
  const written = rows.map(({ question, answer, entry }) => {
    const was = before.get(entry);
    if (was && was.question.trim() === question && was.answer.trim() === answer) return entry;
    const { q, a, answers, alternatives, ...others } = isPlain(entry) ? entry : {};
    return { ...others, question, answer };
  });
  return JSON.stringify(written);
}

/** What the JSON text says: {question, answer, more, entry} for each question that can be understood. */
function pairsOf(text) {
  let value = text;
  if (typeof text === "string") {
    try {
      value = JSON.parse(text);
    } catch {
      return [];
    }
  }
  if (!value || typeof value !== "object") return [];
  const entries = Array.isArray(value) ? value : Object.entries(value).map(([question, answer]) => ({ question, answer }));
  return entries.map((entry) => ({ more: [], ...pair(entry), entry })).filter(({ question }) => typeof question === "string" && question.trim());
}

/** Every right answer in one entry: a list's, or what stands between the bars of a text, and that text as a whole. */
function listed(answer) {
  if (Array.isArray(answer)) return answer.flatMap(scalar);
  if (typeof answer !== "string" || !answer.includes("|")) return scalar(answer);
  const parts = answer.split(/(?<!\\)\|/).map((part) => part.replaceAll("\\|", "|"));
  return [...parts, answer];
}

const scalar = (value) => (["string", "number", "boolean"].includes(typeof value) ? [String(value)] : []);
const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function pair(entry) {
  if (typeof entry === "string") return { question: entry };
  if (Array.isArray(entry)) return { question: entry[0], answer: entry[1] };
  if (!isPlain(entry)) return {};
  return { question: entry.question ?? entry.q, answer: entry.answer ?? entry.a, more: [entry.answers, entry.alternatives] };
}

/** True if two answers differ in nothing but case, accents, spaces and punctuation around words. The service, which checks students' answers, knows more (`answer.rs`). */
export function sameAnswer(one, other) {
  const bare = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f\s]/g, "").toLowerCase().replaceAll("ß", "ss");
  const plain = (text) => bare(text).replace(/^[^\p{L}\p{N}]+(?=\p{L})|(?<=[\p{L}\p{N}])[.,;:!?'’"”]+$/gu, "");
  return plain(one) === plain(other);
}

/** The questions of an assignment with their answers, to look at. */
export function questionList(text) {
  const item = ({ question, answer }) => h("li", {}, h("span", { class: "asked", dir: "auto" }, question), answer.trim() && h("span", { class: "right-answer", dir: "auto" }, answer));
  return h("ol", { class: "asked-list" }, editableQuestions(text).map(item));
}

/**
 * Rows of a question and its answer, in the list `rows`; `adder` is the button for one more. Enter
 * goes to the next field, and from the last one into a new row. Several lines that are pasted become
 * as many rows; a tab parts question and answer.
 */
export function questionRows(rows, adder, changed) {
  /** What a row was read from. */
  const entries = new WeakMap();
  const inputs = () => [...rows.querySelectorAll("input")];

  function renumber() {
    [...rows.children].forEach((row, index) => {
      const [question, answer] = row.querySelectorAll("label");
      question.firstChild.data = `Question ${index + 1}`;
      answer.firstChild.data = `Answer ${index + 1}`;
      row.querySelector("button span").textContent = ` question ${index + 1}`;
    });
  }

  /** A new row at the end, or behind the row `after`. */
  function add({ question = "", answer = "", entry } = {}, after = rows.lastElementChild) {
    const input = (value) => h("input", { value, dir: "auto", autocomplete: "off", enterkeyhint: "next", input: changed });
    const row = h(
      "li",
      { class: "row" },
      h("label", {}, "Question", input(question)),
      h("label", {}, "Answer", input(answer)),
      h("button", { type: "button", class: "quiet", click: () => remove(row) }, "Remove", h("span", { class: "unseen" })),
    );
    entries.set(row, entry);
    if (after) after.after(row);
    else rows.append(row);
    renumber();
    return row;
  }

  function remove(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    renumber();
    changed();
    (next?.querySelector("input") ?? adder).focus();
  }

  function addAndFocus() {
    add().querySelector("input").focus();
    changed();
  }

  function goOn(event) {
    if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.metaKey || !event.target.matches("input")) return;
    event.preventDefault();
    const all = inputs();
    const next = all[all.indexOf(event.target) + 1];
    if (next) next.focus();
    else addAndFocus();
  }

  function paste(event) {
    const lines = linesOf(event.clipboardData?.getData("text/plain") ?? "");
    if (lines.length < 2 || !event.target.matches("input")) return;
    event.preventDefault();
    const row = event.target.closest("li");
    const last = event.target === row.querySelector("input") ? spreadQuestions(row, lines) : spreadAnswers(row, lines);
    renumber();
    changed();
    last.focus();
  }

  /** Into rows behind this one; the first line goes where the cursor is. */
  function spreadQuestions(row, lines) {
    const [question, answer] = row.querySelectorAll("input");
    const [first, ...others] = lines.map((line) => line.split("\t").map((cell) => cell.trim()));
    insert(question, first[0]);
    if (first[1]) answer.value ||= first[1];
    const end = others.reduce((after, [question, answer]) => add({ question, answer }, after), row);
    return end.querySelectorAll("input")[lines.at(-1).includes("\t") ? 1 : 0];
  }

  /** Into the answers of the rows that follow, as long as they have none, and into new rows then. */
  function spreadAnswers(row, [first, ...others]) {
    let field = row.querySelectorAll("input")[1];
    insert(field, first.trim());
    for (const line of others) {
      const next = row.nextElementSibling;
      const free = next && !next.querySelectorAll("input")[1].value;
      row = free ? next : add({}, row);
      field = row.querySelectorAll("input")[1];
      field.value = line.trim();
    }
    return field;
  }

  /** Every row as it is typed, without those that are empty. */
  function typed() {
    return [...rows.children]
      .map((row) => {
        const [question, answer] = row.querySelectorAll("input");
        return { question: question.value, answer: answer.value, entry: entries.get(row) };
      })
      .filter(({ question, answer }) => question.trim() || answer.trim());
  }

  /** What the rows hold, without spaces around it. */
  const read = () => typed().map((row) => ({ ...row, question: row.question.trim(), answer: row.answer.trim() }));

  function fill(pairs) {
    rows.replaceChildren();
    pairs.forEach((each) => add(each));
  }

  rows.addEventListener("keydown", goOn);
  rows.addEventListener("paste", paste);
  adder.addEventListener("click", addAndFocus);
  return { typed, read, fill };
}

/** Lines with something in them, without the marks of a list where each has one. */
function linesOf(text) {
  const lines = text.split(/\r\n|\r|\n|\u2028/).filter((line) => line.trim());
  const mark = /^\s*(?:[-*\u2022\u2013]|\(?\d{1,3}[.)])\s+/;
  return lines.every((line) => mark.test(line)) ? lines.map((line) => line.replace(mark, "")) : lines;
}

function insert(input, text) {
  input.setRangeText(text, input.selectionStart, input.selectionEnd, "end");
}
