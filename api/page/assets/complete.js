/** Complete: a picture with its questions, or the way to one. */
import { list, pictureAddress, read, Refusal } from "./api.js";
import { Backoff } from "./connection.js";
import { h, say } from "./dom.js";
import { expect, learn, picture } from "./picture.js";
import { readQuestions, sameAnswer } from "./questions.js";
import { me } from "./session.js";
import { sharing } from "./share.js";
import { watch } from "./watch.js";

const MOST_OFFERED = 24;

const backoff = new Backoff();
const main = document.getElementById("main");
const title = document.getElementById("title");
const view = document.getElementById("view");
const id = decodeURIComponent(location.pathname.split("/")[2] ?? "");

/** Shows one assignment and follows it until its picture is there. */
async function show() {
  let assignment = await read(id);
  title.textContent = assignment.title || assignment.prompt || "Answer the questions";
  document.title = `${title.textContent.slice(0, 60)} · Atelier`;
  const place = h("div", { class: "stage" }, picture(assignment, { eager: true }));
  view.replaceChildren(place, quiz(readQuestions(assignment.question_answers)), sharing(id));
  watch({
    pending: () => (assignment?.s3_upload_status === "pending" ? [id] : []),
    changed(next) {
      if (next.s3_upload_status === assignment.s3_upload_status && next.round === assignment.round) return expect(place, next.expected_wait_seconds);
      assignment = next;
      place.replaceChildren(picture(next, { eager: true }));
      if (next.s3_upload_status !== "success") return;
      learn(next);
      say("The picture is ready.");
    },
    gone() {
      assignment = null;
      missing();
    },
  });
}

function quiz(questions) {
  if (!questions.length) return h("p", { class: "nothing" }, "There are no questions with this picture.");
  const result = h("p", { class: "result", role: "status" });
  const items = questions.map(({ question, answers }, index) => {
    const input = h("input", { id: `answer-${index}`, autocomplete: "off", spellcheck: "false", "aria-describedby": `verdict-${index}`, input: forget });
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
    return { check, input, element: h("li", {}, h("label", { for: input.id }, question), input, verdict) };
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

/** Without an id in the address: the newest pictures to choose from. */
async function choose() {
  const { assignments } = await list({ status: "success", limit: MOST_OFFERED });
  if (!assignments.length) return view.replaceChildren(h("p", { class: "nothing" }, "There are no pictures yet."));
  const offer = ({ assignment_id, prompt }) =>
    h(
      "li",
      {},
      h(
        "a",
        { class: "offer", href: `/complete/${encodeURIComponent(assignment_id)}` },
        h("img", { src: pictureAddress(assignment_id), alt: "", width: 1024, height: 1024, loading: "lazy", decoding: "async" }),
        h("span", { class: "prompt" }, prompt),
      ),
    );
  view.replaceChildren(h("p", { class: "lead" }, "Choose a picture."), h("ul", { class: "cards" }, assignments.map(offer)));
}

function missing() {
  title.textContent = "This assignment does not exist";
  view.replaceChildren(h("p", { class: "nothing" }, "It may have been deleted. ", h("a", { href: "/complete" }, "See the others.")));
}

async function start() {
  try {
    await (id ? show() : choose());
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) missing();
    else {
      view.replaceChildren(h("p", { class: "nothing" }, error.message));
      setTimeout(start, backoff.next());
    }
  } finally {
    main.setAttribute("aria-busy", "false");
  }
}

me.then(start);
