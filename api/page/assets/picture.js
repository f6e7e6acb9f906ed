/** The place of a picture: the picture, its making, or the words that stand for it. */
import { pictureAddress, whyNoPicture } from "./api.js";
import { Backoff } from "./connection.js";
import { duration, h, say } from "./dom.js";

const SIDE = 1024;
/** Width by height may differ by so much in what a browser rounds; a placeholder's (420 by 400, the CDN's too) differs by more. */
const ROUNDING = 0.02;
/** Why no picture comes, however often one asks. */
const LOST = ["missing", "expired"];

/** Width and height of an assignment's picture in pixels, before it is loaded. */
function size(assignment) {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(assignment.image_metadata?.dimensions ?? "") ?? [0, SIDE, SIDE];
  return { width: Number(width), height: Number(height) };
}

/** The renditions and the picture itself, for a browser to choose from. */
export function renditions({ assignment_id, variants = [], ...assignment }) {
  const { width } = size(assignment);
  const smaller = variants.filter((each) => each.url && each.width < width);
  if (!smaller.length) return null;
  const all = [...smaller, { url: pictureAddress(assignment_id), width }];
  return all.map((each) => `${each.url} ${each.width}w`).join(", ");
}

/**
 * An element that shows how an assignment's picture stands. `eager` loads it though it is out of
 * sight; `sizes` says how wide it is shown; `retry` makes a lost one again, and `lost` hears of it.
 */
export function picture(assignment, { eager = false, sizes = "min(92vw, 22rem)", retry, lost = () => {} } = {}) {
  const { width, height } = size(assignment);
  const frame = h("div", { class: "picture" });
  frame.append(...inside());
  return frame;

  function inside() {
    if (assignment.unsent) return [h("p", { class: "caption" }, "Not sent yet", h("span", { class: "wait" }, "It is sent as soon as the service answers."))];
    switch (assignment.s3_upload_status) {
      case "success":
        preview();
        return [image(new Backoff(), 0)];
      case "pending":
        return [h("div", { class: "painting" }), h("p", { class: "caption" }, "Being painted", wait(assignment))];
      case "failed":
        return [h("p", { class: "caption" }, "No picture: it could not be made.")];
      default:
        return [h("p", { class: "caption" }, "No picture was asked for.")];
    }
  }

  /** Paints what the picture looks like from afar, until it is there. */
  async function preview() {
    if (!assignment.thumbhash) return;
    const { thumbhash } = await import("./thumbhash.js");
    const address = thumbhash(assignment.thumbhash);
    if (address && !frame.classList.contains("loaded")) frame.style.backgroundImage = `url("${address}")`;
  }

  /** Bucket and CDN may be away while people look: the picture is asked for again until it comes, or is known to be lost. */
  function image(backoff, tries) {
    const element = h("img", {
      width,
      height,
      alt: assignment.prompt ?? "",
      loading: eager ? "eager" : "lazy",
      decoding: "async",
      load: () => (isPicture() ? shown() : away()),
      error: () => away(h("p", { class: "caption" }, "The picture cannot be shown right now. Trying again…")),
      // A browser would answer the same address from memory.
      ...(!tries && choice()),
      src: pictureAddress(assignment.assignment_id) + (tries ? `?try=${tries}` : ""),
    });

    function choice() {
      const srcset = renditions(assignment);
      return srcset && { sizes: eager ? sizes : `auto, ${sizes}`, srcset };
    }

    /** A placeholder is a picture too, of another shape: the browser scales what it chose by `sizes`, so sizes tell nothing. */
    function isPicture() {
      return Math.abs((element.naturalWidth * height) / (element.naturalHeight * width) - 1) < ROUNDING;
    }

    function shown() {
      frame.classList.remove("away");
      frame.classList.add("loaded");
      frame.style.backgroundImage = "";
    }

    async function away(words) {
      if (words) {
        frame.classList.add("away");
        element.classList.add("unseen");
        frame.querySelector(".caption")?.remove();
        frame.append(words);
      }
      const reason = await whyNoPicture(assignment.assignment_id).catch(() => null);
      if (LOST.includes(reason)) {
        frame.replaceChildren(gone());
        lost();
      } else setTimeout(() => frame.isConnected && again(), backoff.next());
    }

    /** Loads aside, so that what stands there stays until something comes. */
    function again() {
      const fresh = image(backoff, tries + 1);
      fresh.loading = "eager";
      fresh.addEventListener("load", () => frame.replaceChildren(fresh), { once: true });
    }
    return element;
  }

  function gone() {
    const problem = h("p", { class: "error", role: "alert", hidden: true });
    async function make({ target }) {
      target.disabled = true;
      problem.hidden = true;
      try {
        await retry();
        say("The picture is being made again.");
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        target.disabled = false;
      }
    }
    return h(
      "div",
      { class: "caption lost" },
      h("p", {}, "This picture is lost. It expired, or was removed from the store."),
      retry && h("button", { type: "button", class: "primary", click: make }, "Make it again"),
      problem,
    );
  }
}

/** Counts the expected wait down, the making of the picture included. */
function wait(assignment) {
  const element = h("span", { class: "wait", role: "timer" });
  element.dataset.due = Date.now() + (assignment.expected_wait_seconds ?? TYPICAL_SECONDS) * 1000;
  tell(element);
  return element;
}

/** What the models of the default list take, where the service has measured nothing yet. */
const TYPICAL_SECONDS = 8;

/** The service's new estimate for a picture that is still pending. It may promise less, not more: past what was promised first it takes longer than usual. */
export function expect(frame, seconds) {
  const element = frame.querySelector(".wait[data-due]");
  if (!element || seconds == null) return;
  element.dataset.due = Math.min(element.dataset.due, Date.now() + seconds * 1000);
  tell(element);
}

function tell(element) {
  const left = Math.ceil((element.dataset.due - Date.now()) / 1000);
  element.textContent = left > 0 ? `about ${duration(left)} to go` : "longer than usual";
}

setInterval(() => document.hidden || document.querySelectorAll("[data-due]").forEach(tell), 1000);
