/** The place of a picture: the picture, its making, or the words that stand for it. */
import { pictureAddress } from "./api.js";
import { Backoff } from "./connection.js";
import { duration, h } from "./dom.js";

const SIDE = 1024;

/** Width and height of an assignment's picture in pixels, before it is loaded. */
function size(assignment) {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(assignment.image_metadata?.dimensions ?? "") ?? [0, SIDE, SIDE];
  return { width: Number(width), height: Number(height) };
}

/** An element that shows how an assignment's picture stands; `eager` loads it though it is out of sight. */
export function picture(assignment, { eager = false } = {}) {
  const { width, height } = size(assignment);
  const frame = h("div", { class: "picture" });
  frame.append(...inside());
  return frame;

  function inside() {
    switch (assignment.s3_upload_status) {
      case "success":
        return [image(new Backoff(), 0)];
      case "pending":
        return [h("div", { class: "painting" }), h("p", { class: "caption" }, "Being painted", wait(assignment))];
      case "failed":
        return [h("p", { class: "caption" }, "No picture: it could not be made.")];
      default:
        return [h("p", { class: "caption" }, "No picture was asked for.")];
    }
  }

  /** Bucket and CDN may be away while people look: the picture is asked for again until it comes. */
  function image(backoff, tries) {
    const element = h("img", {
      width,
      height,
      alt: assignment.prompt ?? "",
      loading: eager ? "eager" : "lazy",
      decoding: "async",
      load: () => (element.naturalWidth === width && element.naturalHeight === height ? frame.classList.remove("away") : again()),
      error: () => again(h("p", { class: "caption" }, "The picture cannot be shown right now. Trying again…")),
      src: pictureAddress(assignment.assignment_id) + (tries ? `?try=${tries}` : ""),
    });

    function again(words) {
      if (words) {
        frame.classList.add("away");
        element.classList.add("unseen");
        frame.querySelector(".caption")?.remove();
        frame.append(words);
      }
      setTimeout(() => frame.isConnected && retry(), backoff.next());
    }

    /** Loads aside, so that what stands there stays until something comes; a browser would answer the same address from memory. */
    function retry() {
      const fresh = image(backoff, tries + 1);
      fresh.loading = "eager";
      fresh.addEventListener("load", () => frame.replaceChildren(fresh), { once: true });
    }
    return element;
  }
}

/** Counts the expected wait down; it ends with the making of the picture itself. */
function wait(assignment) {
  const element = h("span", { class: "wait", role: "timer" });
  element.dataset.due = Date.now() + ((assignment.expected_wait_seconds ?? 0) + making()) * 1000;
  tell(element);
  return element;
}

/** The service's new estimate for a picture that is still waiting for its turn. */
export function expect(frame, seconds) {
  const element = frame.querySelector(".wait");
  if (!element || !seconds) return;
  element.dataset.due = Date.now() + (seconds + making()) * 1000;
  tell(element);
}

const MAKING_KEY = "atelier.making";
/** What the models of the default list take, until one was seen at work here. */
const TYPICAL_MAKING_SECONDS = 8;

/** Seconds from a picture's turn to the picture. */
const making = () => Number(localStorage.getItem(MAKING_KEY)) || TYPICAL_MAKING_SECONDS;

/** Remembers how long a picture took that was just made. */
export function learn({ stage_seconds: { generate, optimize = 0, upload = 0 } = {} }) {
  if (generate) localStorage.setItem(MAKING_KEY, generate + optimize + upload);
}

function tell(element) {
  const left = (element.dataset.due - Date.now()) / 1000;
  element.textContent = left >= 1 ? `about ${duration(left)} to go` : "any moment now";
}

setInterval(() => document.hidden || document.querySelectorAll("[data-due]").forEach(tell), 1000);
