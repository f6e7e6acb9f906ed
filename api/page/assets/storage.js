/**
 * What this browser remembers, as JSON: `kept` outlives the browser, `tab` is one tab's. Storage may
 * be forbidden, full, or hold what another version wrote. Then this page's memory serves alone, and
 * nothing throws; what was stored before stays. `set` answers whether the value outlives the page.
 */
class Memory {
  #name;
  #values = new Map();

  constructor(name) {
    this.#name = name;
  }

  /** The value of `key`; `otherwise` where there is none, or none of the type of `otherwise`. */
  get(key, otherwise = null) {
    if (this.#values.has(key)) return this.#values.get(key);
    const value = parsed(this.#read(key));
    return fits(value, otherwise) ? value : otherwise;
  }

  #read(key) {
    try {
      return window[this.#name].getItem(key);
    } catch {
      return null;
    }
  }

  set(key, value) {
    try {
      window[this.#name].setItem(key, JSON.stringify(value));
      this.#values.delete(key);
      return true;
    } catch {
      this.#values.set(key, value);
      return false;
    }
  }

  remove(key) {
    this.#values.delete(key);
    try {
      window[this.#name].removeItem(key);
    } catch {
      // Nothing was kept.
    }
  }
}

/** Earlier versions wrote texts as they are. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const kind = (value) => (Array.isArray(value) ? "array" : typeof value);
const fits = (value, otherwise) => value !== null && (otherwise === null || kind(value) === kind(otherwise));

export const kept = new Memory("localStorage");
export const tab = new Memory("sessionStorage");
