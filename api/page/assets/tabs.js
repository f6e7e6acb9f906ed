/** Tells the other tabs of this browser what changed, so that they need not ask. */
const channel = opened();

/** Where the browser keeps nothing for the page, it may have no channel either: then each tab asks for itself. */
function opened() {
  try {
    return new BroadcastChannel("atelier");
  } catch {
    return null;
  }
}

/** This assignment is new, or other than before. */
export const tellChanged = (assignment) => channel?.postMessage({ changed: assignment });

/** This assignment was deleted. */
export const tellGone = (id) => channel?.postMessage({ gone: id });

/** Hears of changes made in other tabs. */
export function hear({ changed, gone }) {
  channel?.addEventListener("message", ({ data }) => (data.changed ? changed(data.changed) : gone(data.gone)));
}
