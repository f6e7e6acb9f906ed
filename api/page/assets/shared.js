/**
 * A student's view: the page is there already, and its form can be sent without this. This has the
 * answers checked in place, keeps what is typed over a reload, and waits for the picture.
 */
import { h } from "./dom.js";

const ANSWER_WITHIN_MS = 15000;
const LOOK_AGAIN_MS = 4000;

const byId = (id) => document.getElementById(id);
const token = location.pathname.split("/")[2];
const address = `/shared/${token}`;

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

/**
 * What was typed since answers were last sent, as [[question, answer], …]. It belongs to this tab and
 * ends with it. What was sent is not in it, so that it is not shown to the next student at the same
 * computer. A browser may forbid storage: then nothing is kept.
 */
const draft = {
  key: `atelier.answers.${token}`,
  read() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.key));
      return Array.isArray(kept) ? kept.filter((pair) => Array.isArray(pair) && pair.every((text) => typeof text === "string")) : [];
    } catch {
      return [];
    }
  },
  write(pairs) {
    try {
      if (pairs.length) sessionStorage.setItem(this.key, JSON.stringify(pairs));
      else sessionStorage.removeItem(this.key);
    } catch {
      // The page works without.
    }
  },
};

/** The questions: checks, keeps and clears their answers. */
function quiz(form) {
  const [button, clear, result, problem, name] = ["check", "clear", "result", "problem", "name"].map(byId);
  const items = [...byId("items").children].map((item) => ({ input: item.querySelector("input"), verdict: item.querySelector(".verdict") }));
  const inputs = [...items.map(({ input }) => input), name];
  /** The fields that were typed in since answers were last sent. */
  const typed = new Set();
  const label = (input) => input.labels[0].textContent;
  const keep = () => draft.write(inputs.filter((input) => typed.has(input)).map((input) => [label(input), input.value]));
  let sending = false;
  let sent = form.hasAttribute("data-sent");

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

  function complain(text) {
    problem.textContent = text;
    problem.hidden = !text;
  }

  async function send(event) {
    event.preventDefault();
    if (sending) return;
    sending = true;
    // A disabled button would lose the keyboard's focus.
    button.setAttribute("aria-disabled", "true");
    complain("");
    result.textContent = "";
    items.forEach(forget);
    const given = inputs.map((input) => input.value);
    const [who, answers] = [name.value.trim(), given.slice(0, -1)];
    try {
      const { right, right_count, kept } = await ask(`${address}/answers`, { name: who, answers });
      // What was typed while the answers were on their way was not sent.
      inputs.forEach((input, at) => input.value === given[at] && typed.delete(input));
      keep();
      sent = true;
      clear.hidden = false;
      items.forEach((item, at) => item.input.value === answers[at] && tell(item, right[at] ?? null));
      const note = kept ? " Your teacher can see it." : who ? " Your teacher’s list is full, so it was not kept." : "";
      result.textContent = `${right_count} of ${items.length} right.${note}`;
      items.find(({ input }) => input.getAttribute("aria-invalid") === "true")?.input.focus();
    } catch (error) {
      complain(error.message);
    } finally {
      sending = false;
      button.removeAttribute("aria-disabled");
    }
  }

  function empty() {
    inputs.forEach((input) => (input.value = ""));
    typed.clear();
    keep();
    items.forEach(forget);
    complain("");
    sent = false;
    clear.hidden = true;
  }

  /** Puts back what was typed before a reload; a question that is not there any more takes none. */
  function restore() {
    const kept = draft.read();
    for (const input of inputs) {
      const at = kept.findIndex(([question]) => question === label(input));
      if (at < 0) continue;
      input.value = kept.splice(at, 1)[0][1];
      typed.add(input);
    }
    if (!typed.size) return;
    clear.hidden = false;
    result.textContent = "What was typed here before is still here.";
  }

  form.addEventListener("submit", send);
  byId("again").addEventListener("submit", (event) => {
    event.preventDefault();
    empty();
    result.textContent = "The answers are cleared.";
    inputs[0].focus();
  });
  for (const input of inputs) {
    input.addEventListener("input", () => {
      typed.add(input);
      keep();
    });
  }
  items.forEach((item) => item.input.addEventListener("input", () => forget(item)));
  // A page that comes back by the browser's history still shows what was sent from it.
  addEventListener("pageshow", (event) => event.persisted && sent && empty());
  if (sent) draft.write([]);
  else if (inputs.every((input) => !input.value)) restore();
}

/** The picture in the renditions that there are. Half of a narrow screen's width is asked for, since such a screen has more pixels than its link is good for. */
function image({ image_url, width, height, variants = [] }, alt) {
  const srcset = [...variants, { url: image_url, width }].map((each) => `${each.url} ${each.width}w`).join(", ");
  return h("img", { srcset: variants.length > 0 && srcset, sizes: "(max-width: 40rem) 50vw, min(42rem, 55vw, 82vh)", src: image_url, width, height, alt });
}

/** Asks for the picture until it is there, or will not be. */
async function follow(place) {
  try {
    const view = await ask(address);
    if (view.status === "success") {
      const picture = image(view, place.dataset.alt);
      // What it is not loaded for yet is still being made for whoever looks.
      await picture.decode().catch(() => {});
      place.replaceChildren(picture);
      byId("news").textContent = "The picture is here.";
    } else if (view.status !== "pending") {
      place.replaceChildren(h("p", { class: "caption" }, "There is no picture here."));
      byId("news").textContent = "There is no picture here.";
    }
    if (view.status !== "pending") return (place.dataset.status = view.status);
  } catch {
    // It is asked again.
  }
  setTimeout(() => follow(place), LOOK_AGAIN_MS);
}

const form = byId("quiz");
const place = byId("picture");
if (form) quiz(form);
if (place?.dataset.status === "pending") follow(place);
