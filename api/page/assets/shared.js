/** A student's view: the page is there already; this has its answers checked, and waits for its picture. */
import { h } from "./dom.js";

const ANSWER_WITHIN_MS = 15000;
const LOOK_AGAIN_MS = 4000;

const byId = (id) => document.getElementById(id);
const address = `/shared/${location.pathname.split("/")[2]}`;
const form = byId("quiz");
const button = byId("check");
const result = byId("result");
const problem = byId("problem");
const items = [...byId("items").children].map((item) => ({ input: item.querySelector("input"), verdict: item.querySelector(".verdict") }));

/** What the service answers; an error has words for the student. */
async function ask(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: body ? "POST" : "GET",
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      headers: { accept: "application/json", ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Error("No answer came. Look after your connection, then try again.");
  }
  if (response.status === 404) throw new Error("This link was ended. Please ask your teacher for a new one.");
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail ?? "Something went wrong. Please try again.");
  return answer;
}

function forget({ input, verdict }) {
  input.removeAttribute("aria-invalid");
  delete verdict.dataset.right;
  verdict.textContent = "";
}

function tell({ input, verdict }, right) {
  if (right === null) return (verdict.textContent = "Talk about this one in class");
  if (!input.value.trim()) return (verdict.textContent = "Not answered yet");
  verdict.dataset.right = right;
  verdict.textContent = right ? "Right" : "Wrong, try again";
  input.setAttribute("aria-invalid", String(!right));
}

async function submit(event) {
  event.preventDefault();
  button.disabled = true;
  problem.hidden = true;
  result.textContent = "";
  items.forEach(forget);
  const name = byId("name").value.trim();
  try {
    const { right, right_count, kept } = await ask(`${address}/answers`, { name, answers: items.map(({ input }) => input.value) });
    items.forEach((item, index) => tell(item, right[index] ?? null));
    const note = kept ? " Your teacher can see it." : name ? " Your teacher’s list is full, so it was not kept." : "";
    result.textContent = `${right_count} of ${items.length} right.${note}`;
    items.find(({ input }) => input.getAttribute("aria-invalid") === "true")?.input.focus();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  } finally {
    button.disabled = false;
  }
}

/** Asks for the picture until it is there, or will not be. */
async function follow() {
  const place = byId("picture");
  if (place.dataset.status !== "pending") return;
  try {
    const { status, image_url, width, height } = await ask(address);
    if (status !== "pending") {
      place.dataset.status = status;
      place.replaceChildren(
        status === "success"
          ? h("img", { src: image_url, width, height, alt: `The picture of: ${byId("title").textContent}` })
          : h("p", { class: "caption" }, "There is no picture here."),
      );
      return;
    }
  } catch {
    // It is asked again.
  }
  setTimeout(follow, LOOK_AGAIN_MS);
}

form.hidden = items.length === 0;
form.addEventListener("submit", submit);
items.forEach((item) => item.input.addEventListener("input", () => forget(item)));
button.disabled = false;
follow();
