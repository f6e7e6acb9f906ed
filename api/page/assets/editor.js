/** The questions and answers of an assignment, to be seen and changed after it was made. */
import { changeQuestions } from "./api.js";
import { h, say } from "./dom.js";
import { editableQuestions, questionList, questionRows, writtenQuestions } from "./questions.js";

/** A section for those of `assignment`; `edited` gets the assignment after each change. */
export function questionEditor(assignment, edited) {
  const place = h("div", {});
  const section = h("section", { class: "panel editor", id: "edit", "aria-labelledby": "edit-title" }, h("h2", { id: "edit-title" }, "Questions and answers"), place);

  function show() {
    const { question_answers: text } = assignment;
    const some = editableQuestions(text).length > 0;
    const change = h("button", { type: "button", class: "quiet", click: edit }, some ? "Edit" : "Add questions");
    place.replaceChildren(some ? questionList(text) : h("p", { class: "nothing" }, "There are none."), h("p", { class: "send" }, change));
    return change;
  }

  function edit() {
    const list = h("ol", {});
    const adder = h("button", { type: "button", class: "quiet" }, "Add a question");
    const problem = h("p", { class: "error", role: "alert", hidden: true });
    const rows = questionRows(list, adder, () => (problem.hidden = true));
    const save = h("button", { type: "submit", class: "primary" }, "Save");
    const cancel = h("button", { type: "button", class: "quiet", click: () => show().focus() }, "Cancel");

    async function submit(event) {
      event.preventDefault();
      save.disabled = true;
      try {
        assignment = await changeQuestions(assignment.assignment_id, writtenQuestions(rows.read()));
        show().focus();
        edited(assignment);
        say("Saved.");
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        save.disabled = false;
      }
    }

    rows.fill(editableQuestions(assignment.question_answers));
    place.replaceChildren(
      h(
        "form",
        { class: "questions", submit, "aria-labelledby": "edit-title" },
        h("p", { class: "hint" }, "Several right answers? Put | between them. Several lines that you paste become several rows."),
        list,
        adder,
        problem,
        h("p", { class: "send" }, save, cancel),
      ),
    );
    (list.querySelector("input") ?? adder).focus();
  }

  show();
  return section;
}
