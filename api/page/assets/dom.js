/**
 * Builds an element. Functions become listeners, `true` an empty attribute, and null, false and
 * undefined are left out. Children that are strings become text, whatever they contain.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

const live = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
document.body.append(live);

/** Says something to a screen reader, once what it reads now is over. */
export function say(text) {
  live.textContent = text;
}

/** A duration in words that need no second look: "12 s", "3 min", "2 h". */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** US dollars; four digits where two would show nothing of a picture's price. */
export function dollars(usd) {
  const digits = usd < 1 && (usd * 100) % 1 > 1e-6 ? 4 : 2;
  return usd.toLocaleString("en-US", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: digits });
}

/** A `<time>` of an instant given in seconds since 1970. */
export function instant(seconds) {
  const date = new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  const words = today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  return h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, date.toLocaleString(undefined, words));
}

/** Puts a text on the clipboard, also where the page is not a secure context; false if it may not. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = h("textarea", { class: "unseen", readonly: true }, text);
    const before = document.activeElement;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus();
    return done;
  }
}
