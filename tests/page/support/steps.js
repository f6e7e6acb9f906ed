/** Steps that lead to a state of a view. Each is called with the page. */

export const text = (words) => (page) => page.getByText(words).first().waitFor();
export const heading = (name) => (page) => page.getByRole("heading", { name }).waitFor();
export const button = (name) => (page) => page.getByRole("button", { name }).first().waitFor();
export const click = (name) => (page) => page.getByRole("button", { name }).click();
export const field = (label) => (page) => page.getByLabel(label).waitFor();

/** Types as a person does, who clicks first: what moves by that is no fault. */
export const type = (label, words) => async (page) => {
  await page.getByLabel(label).click();
  await page.getByLabel(label).fill(words);
};

const QUESTIONS = [
  { question: "Which planet is the largest?", answer: "Jupiter" },
  { question: "How many planets are there?", answer: "8" },
  { question: "What holds them in their orbits?", answer: "Gravity" },
  { question: "What would you like to know about them?" },
];
export const [LARGEST, COUNT] = QUESTIONS.map(({ question }) => question);

/** An assignment with questions. */
export const SHEET = {
  prompt: "The solar system seen from far outside, ink and gold leaf",
  teacher_id: "Ms. Okafor",
  title: "The solar system",
  question_answers: JSON.stringify(QUESTIONS),
};

/** One answer right, one wrong, two left out. */
export const answer = [type(LARGEST, "jupiter"), type(COUNT, "nine"), click("Check answers"), (page) => page.getByRole("status").filter({ hasText: "1 of 4 right" }).waitFor()];
