/** Whether the service answers, and the notice that says so when it does not. */
import { h } from "./dom.js";

const notice = h("p", { class: "connection", role: "status" });
document.body.append(notice);

/** An event "back" tells that the service answers again, or that it is worth asking at once. */
export const connection = new EventTarget();

let away = false;

/** The service answered. */
export function reached() {
  if (!away) return;
  away = false;
  show();
  connection.dispatchEvent(new Event("back"));
}

/** The service did not answer, or only to say that it cannot. */
export function lost() {
  away = true;
  show();
}

function show() {
  notice.classList.toggle("shown", away || !navigator.onLine);
  if (!navigator.onLine) notice.textContent = "You are offline. Nothing is lost; the page goes on when you are back.";
  else if (away) notice.textContent = "The service cannot be reached. You work offline until it is back.";
  else notice.textContent = "";
}

addEventListener("offline", show);
addEventListener("online", () => {
  show();
  connection.dispatchEvent(new Event("back"));
});
show();

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;

/** Waits that double from 1 s to 30 s, each cut by up to half so that a class does not come back as one. */
export class Backoff {
  #next = FIRST_WAIT;

  /** Milliseconds to wait before the next try. */
  next() {
    const wait = this.#next * (0.5 + Math.random() / 2);
    this.#next = Math.min(this.#next * 2, LONGEST_WAIT);
    return wait;
  }

  reset() {
    this.#next = FIRST_WAIT;
  }
}
