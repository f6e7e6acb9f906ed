/** A teacher's side of sharing: the link for students, and what they answered. */
import { codeAddress, endShare, eraseResults, results, share } from "./api.js";
import { copy, h, instant, say } from "./dom.js";

/** The section under an assignment in which it is shared. */
export function sharing(id) {
  const place = h("div", { class: "sharing" });
  const problem = h("p", { class: "error", role: "alert", hidden: true });
  let chosen;

  /** Does something of the teacher's, then shows what is so after it. */
  async function act(work, words) {
    problem.hidden = true;
    try {
      await work();
      await load();
      say(words);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }

  async function load() {
    const state = await results(id, chosen);
    const live = state.links.find((link) => link.token && !(link.expires_at * 1000 < Date.now()));
    place.replaceChildren(live ? opened(live) : closed(), ...(state.links.length ? [list(state)] : []));
  }

  function closed() {
    const make = () =>
      act(async () => {
        await share(id);
        chosen = undefined;
      }, "The link is made.");
    return h(
      "div",
      {},
      h("p", { class: "hint" }, "Whoever has the link sees the picture and the questions, without an account. Answers and prompt stay with you."),
      h("p", { class: "send" }, h("button", { type: "button", class: "primary", click: make }, "Make a link")),
    );
  }

  function opened({ link, token, expires_at }) {
    const field = h("input", { readonly: true, "aria-label": "Link for students", value: `${location.origin}/s/${token}`, click: () => field.select() });
    const copying = async (event) => {
      const done = await copy(field.value);
      event.target.textContent = done ? "Copied" : "Press Ctrl + C";
      say(done ? "Link copied" : "");
    };
    const code = () => h("img", { src: codeAddress(id, link), width: 320, height: 320, alt: `QR code of ${field.value}` });
    const large = h(
      "dialog",
      { class: "code", "aria-label": "QR code for the class" },
      h("p", { class: "address" }, field.value),
      h("form", { method: "dialog" }, h("button", { type: "submit", class: "primary" }, "Close")),
    );
    const enlarge = () => {
      if (!large.querySelector("img")) large.prepend(code());
      large.showModal();
    };
    return h(
      "div",
      { class: "link" },
      field,
      large,
      h(
        "p",
        { class: "send" },
        h("button", { type: "button", class: "primary", click: copying }, "Copy link"),
        h("button", { type: "button", class: "quiet", click: enlarge }, "QR code for the class"),
        h("button", { type: "button", class: "quiet danger", click: () => act(() => endShare(id), "The link is ended.") }, "End link"),
        expires_at && h("span", { class: "hint" }, "Ends ", instant(expires_at)),
      ),
    );
  }

  function list(state) {
    const refresh = h("button", { type: "button", class: "quiet", click: () => act(async () => {}, "The answers are read again.") }, "Refresh");
    return h(
      "section",
      { class: "answers", "aria-label": "Answers of students" },
      h("div", { class: "heading" }, h("h3", {}, "Answers of students"), refresh),
      state.links.length > 1 && chooser(state),
      state.results.length ? table(state) : h("p", { class: "nothing" }, "Nobody has answered at this link yet."),
    );
  }

  function chooser({ links, link }) {
    const option = (each) => {
      const ended = each.revoked_at ? ", ended" : "";
      return h("option", { value: each.link, selected: each.link === link }, `Link ${each.link}${ended} (${each.results})`);
    };
    const change = (event) => {
      chosen = Number(event.target.value);
      act(async () => {}, "");
    };
    return h("select", { "aria-label": "Link", change }, links.map(option));
  }

  function table({ results: rows, link }) {
    const row = ({ result_id, name, answers, right, right_count, at }) =>
      h(
        "tr",
        {},
        h("th", { scope: "row", dir: "auto" }, name),
        h("td", {}, `${right_count} of ${right.length}`),
        h("td", { class: "given" }, h("ol", {}, answers.map((answer, index) => given(answer, right[index])))),
        h("td", {}, instant(at)),
        h(
          "td",
          {},
          h("button", { type: "button", class: "quiet danger", click: () => act(() => eraseResults(id, { result_id }), "Erased.") }, "Erase", h("span", { class: "unseen" }, ` the answers of ${name}`)),
        ),
      );
    return h(
      "div",
      {},
      h(
        "div",
        { class: "wide", tabindex: "0", role: "region", "aria-label": "Table of answers" },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, ["Name", "Right", "Answers", "When"].map((each) => h("th", { scope: "col" }, each)), h("td", {}))),
          h("tbody", {}, rows.map(row)),
        ),
      ),
      h("p", { class: "send" }, h("button", { type: "button", class: "quiet danger", click: () => act(() => eraseResults(id, { link }), "Erased.") }, "Erase all answers of this link")),
    );
  }

  load().catch((error) => {
    problem.textContent = error.message;
    problem.hidden = false;
  });
  return h("section", { class: "panel share", "aria-labelledby": "share-title" }, h("h2", { id: "share-title" }, "Share with students"), place, problem);
}

function given(answer, right) {
  const words = answer || "(no answer)";
  return h("li", {}, h("span", { class: "verdict", dir: "auto", "data-right": right === null ? undefined : String(right) }, words, right !== null && h("span", { class: "unseen" }, right ? ", right" : ", wrong")));
}
