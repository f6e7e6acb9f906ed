/** Long texts, folded to a few lines. */
import { h } from "./dom.js";

const LONG = 160;
const MANY_LINES = 4;

/** Puts `text` into `element`; answers with the button that unfolds it, or null where it is short. */
export function foldable(element, text) {
  element.textContent = text;
  const long = [...text].length > LONG || text.split("\n").length > MANY_LINES;
  element.classList.toggle("folded", long);
  if (!long) return null;
  const button = h("button", { type: "button", class: "unfold", "aria-expanded": "false", click: turn }, "Show all of it");
  function turn() {
    const folded = element.classList.toggle("folded");
    button.setAttribute("aria-expanded", String(!folded));
    button.textContent = folded ? "Show all of it" : "Show less";
  }
  return button;
}
