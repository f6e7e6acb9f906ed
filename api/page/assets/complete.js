/** Complete: a picture with its questions, or the way to one; for its teacher also what can be done with it. */
import { list, pictureAddress, read, Refusal, retry } from "./api.js";
import { Backoff } from "./connection.js";
import { dollars, h, say } from "./dom.js";
import { downloads } from "./download.js";
import { questionEditor } from "./editor.js";
import { failure, rewording } from "./failure.js";
import { foldable } from "./fold.js";
import { expect, picture, renditions } from "./picture.js";
import { editableQuestions, nameOf, readQuestions, sameAnswer } from "./questions.js";
import { may, me } from "./session.js";
import { sharing } from "./share.js";
import { kept } from "./storage.js";
import { tellChanged } from "./tabs.js";
import { watch } from "./watch.js";

const MOST_OFFERED = 24;
const TEACHER_KEY = "atelier.teacher";
const STAGE = "(max-width: 52rem) 94vw, min(42rem, 55vw)";
const OFFER = "(max-width: 39rem) 92vw, 22rem";
const UNTITLED = "Answer the questions";

const backoff = new Backoff();
const main = document.getElementById("main");
const title = document.getElementById("title");
const view = document.getElementById("view");
const id = decodedId(location.pathname.split("/")[2] ?? "");

/** An address may say anything; what is no id is unknown to the service. */
function decodedId(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Shows one assignment and follows it until its picture is there. */
async function show() {
  let assignment = await read(id);
  const place = h("div", { class: "stage" });
  const asked = h("div", { class: "asked-here" });
  const answers = h("section", { class: "answer-sheet", "aria-hidden": "true" });
  const tools = h("div", { class: "tools" });

  function showPicture() {
    const failed = assignment.s3_upload_status === "failed";
    const frame = failed ? failure(assignment) : picture(assignment, { eager: true, sizes: STAGE, retry: again });
    place.replaceChildren(frame, ...(failed ? [rewording(assignment, again)] : []));
    tools.replaceChildren(...toolsOf(assignment));
  }

  function showQuestions() {
    const questions = readQuestions(assignment.question_answers);
    document.documentElement.style.setProperty("--questions", questions.length);
    asked.replaceChildren(quiz(questions));
    answers.replaceChildren(...answerSheet(assignment));
  }

  async function again(words) {
    assignment = await retry(id, words);
    tellChanged(assignment);
    showTitle(assignment);
    showPicture();
    follower.poke();
  }

  function edited(next) {
    assignment = next;
    tellChanged(next);
    showQuestions();
    showTitle(next);
  }

  showTitle(assignment);
  showPicture();
  showQuestions();
  view.replaceChildren(place, asked, tools, questionEditor(assignment, edited), sharing(id), answers);
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
  const follower = watch({
    pending: () => (assignment?.s3_upload_status === "pending" ? [id] : []),
    changed(next) {
      if (next.s3_upload_status === assignment.s3_upload_status && next.round === assignment.round) return expect(place, next.expected_wait_seconds);
      assignment = next;
      showPicture();
      if (next.s3_upload_status === "success") say("The picture is ready.");
      if (next.s3_upload_status === "failed") say("The picture could not be made.");
    },
    gone() {
      assignment = null;
      missing();
    },
  });
}

function showTitle(assignment) {
  const words = assignment.title || assignment.prompt || UNTITLED;
  const unfold = foldable(title, words);
  title.dir = "auto";
  document.querySelector("h1 + .unfold")?.remove();
  if (unfold) title.after(unfold);
  document.title = `${nameOf(assignment).slice(0, 60)} · Atelier`;
}

/** What one can do with it besides answering. */
function toolsOf(assignment) {
  return [
    assignment.s3_upload_status === "success" && downloads(assignment),
    h("button", { type: "button", class: "quiet", click: () => print() }, "Print as a worksheet"),
    h("a", { class: "quiet", href: `/?copy=${encodeURIComponent(id)}` }, "Duplicate"),
    assignment.cost_usd && h("span", { class: "hint" }, `It cost ${dollars(assignment.cost_usd)}.`),
  ].filter(Boolean);
}

/** The teacher's sheet of a worksheet, which is on paper only. */
function answerSheet(assignment) {
  const rows = editableQuestions(assignment.question_answers);
  if (!rows.some(({ answer }) => answer.trim())) return [];
  const item = ({ question, answer }) => h("li", {}, h("span", { dir: "auto" }, question), h("strong", { dir: "auto" }, answer.trim() || "–"));
  return [h("h2", {}, "Answers"), h("p", { dir: "auto" }, title.textContent), h("ol", {}, rows.map(item))];
}

function quiz(questions) {
  if (!questions.length) return h("p", { class: "nothing" }, "There are no questions with this picture.");
  const result = h("p", { class: "result", role: "status" });
  const items = questions.map(({ question, answers }, index) => {
    const input = h("input", { id: `answer-${index}`, dir: "auto", autocomplete: "off", spellcheck: "false", "aria-describedby": `verdict-${index}`, input: forget });
    const verdict = h("p", { class: "verdict", id: `verdict-${index}` });

    function forget() {
      input.removeAttribute("aria-invalid");
      delete verdict.dataset.right;
      verdict.textContent = "";
    }

    /** Says whether the answer is right; without an answer of the teacher's there is nothing to compare. */
    function check() {
      forget();
      if (!input.value.trim() || !answers.length) {
        verdict.textContent = answers.length ? "Not answered yet" : "Talk about this one in class";
        return false;
      }
      const right = answers.some((answer) => sameAnswer(input.value, answer));
      verdict.dataset.right = right;
      verdict.textContent = right ? "Right" : "Wrong, try again";
      input.setAttribute("aria-invalid", String(!right));
      return right;
    }
    return { check, input, element: h("li", {}, h("label", { for: input.id, dir: "auto" }, question), input, verdict) };
  });

  function submit(event) {
    event.preventDefault();
    const verdicts = items.map(({ check }) => check());
    const right = verdicts.filter(Boolean).length;
    result.textContent = `${right} of ${items.length} right.`;
    items.find(({ input }, index) => !verdicts[index] && input.getAttribute("aria-invalid") === "true")?.input.focus();
  }

  return h(
    "form",
    { class: "quiz", submit, "aria-label": "Questions" },
    h("h2", {}, "Questions"),
    h("ol", {}, items.map(({ element }) => element)),
    h("p", { class: "send" }, h("button", { type: "submit", class: "primary" }, "Check answers"), result),
  );
}

/** Without an id in the address: the newest assignments to choose from, one's own first. */
async function choose(known) {
  const mine = may(known, "portal", "operator") ? known.teacher_id || kept.get(TEACHER_KEY, "") : "";
  const lists = await Promise.all([mine && list({ teacher_id: mine, limit: MOST_OFFERED }), list({ limit: MOST_OFFERED })]);
  const all = lists.flatMap((each) => each?.assignments ?? []).filter(({ s3_upload_status: status }) => status === "success" || status === "no_image");
  const offered = [...new Map(all.map((each) => [each.assignment_id, each])).values()].slice(0, MOST_OFFERED);
  if (!offered.length) return view.replaceChildren(h("p", { class: "nothing" }, "There are no pictures yet."));
  view.replaceChildren(h("p", { class: "lead" }, "Choose a picture."), h("ul", { class: "cards" }, offered.map(offer)));
}

function offer(assignment) {
  const { assignment_id, s3_upload_status } = assignment;
  const srcset = renditions(assignment);
  const image = () => h("img", { srcset, sizes: srcset && `auto, ${OFFER}`, src: pictureAddress(assignment_id), alt: "", width: 1024, height: 1024, loading: "lazy", decoding: "async" });
  return h(
    "li",
    {},
    h(
      "a",
      { class: "offer", href: `/complete/${encodeURIComponent(assignment_id)}` },
      s3_upload_status === "success" && image(),
      h("span", { class: "prompt folded", dir: "auto" }, nameOf(assignment)),
    ),
  );
}

function missing() {
  title.textContent = "This assignment does not exist";
  view.replaceChildren(h("p", { class: "nothing" }, "It may have been deleted. ", h("a", { href: "/complete" }, "See the others.")));
}

async function start(known) {
  try {
    await (id ? show() : choose(known));
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) missing();
    else {
      view.replaceChildren(h("p", { class: "nothing" }, error.message));
      setTimeout(start, backoff.next(), known);
    }
  } finally {
    main.setAttribute("aria-busy", "false");
  }
}

me.then(start);
