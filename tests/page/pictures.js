/** Makes the pictures of the documentation: `npm run pictures`. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { startAtelier, until } from "./support/atelier.js";
import { openPage, pictureLoaded, startBrowser } from "./support/browser.js";

const PICTURES = process.env.ATELIER_PICTURES ?? path.resolve(import.meta.dirname, "../../docs/pictures");
/** The fleet has worked for so long, so that its charts have something to show. */
const HISTORY_SECONDS = Number(process.env.HISTORY_SECONDS ?? 240);

const LOOKS = {
  light: { viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: "light" },
};

const CLASS = [
  { prompt: "A cross-section of a volcano with magma chamber, vent and ash cloud, watercolor", teacher_id: "Ms. Okafor" },
  { prompt: "The water cycle between sea, clouds and mountains, drawn with arrows", teacher_id: "Mr. Lindqvist", permanent: true },
  { prompt: "A medieval town with scenes of violence", teacher_id: "Ms. Okafor" },
  { prompt: "Photosynthesis in one oak leaf, botanical illustration", teacher_id: "Ms. Okafor" },
  { prompt: "A busy market square in ancient Rome at noon, wide view", teacher_id: "Mr. Lindqvist" },
  {
    prompt: "The solar system seen from far outside, ink and gold leaf",
    teacher_id: "Ms. Okafor",
    title: "The solar system",
    question_answers: JSON.stringify([
      { question: "Which planet is the largest?", answer: "Jupiter" },
      { question: "How many planets are there?", answer: "8" },
      { question: "What holds them in their orbits?", answer: "Gravity" },
    ]),
  },
];

const browser = await startBrowser();
const atelier = await startAtelier();
const made = [];

/** Keeps the fleet busy, now more and now less, with some throttling and a declined prompt. */
async function work(seconds) {
  const start = Date.now();
  for (let second = 0; second < seconds; second++) {
    const arrivals = Math.round(4 + 4 * Math.sin(second / 20));
    for (let n = 0; n < arrivals; n++) await atelier.make({ prompt: `Sheet ${second}-${n}` }, { final: false });
    if (second % 60 === 30) await atelier.fault({ service: "bedrock", kind: "throttle", share: 0.3, for_seconds: 12 });
    if (second % 25 === 0) await atelier.make({ prompt: `Violence ${second}` }, { final: false });
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, start + (second + 1) * 1000 - Date.now())));
  }
  await until(async () => (await atelier.all("&status=pending")).length === 0, 300000);
  for (const { assignment_id } of await atelier.all()) await atelier.call("DELETE", `/assignments/${assignment_id}`);
}

const VIEWS = {
  async create(page, { slow }) {
    const ids = [slow, ...made.slice().reverse()].map(({ assignment_id }) => assignment_id);
    await page.addInitScript((recent) => localStorage.setItem("atelier.recent", JSON.stringify(recent)), ids);
    await page.goto(atelier.url);
    await page.getByLabel("Prompt").fill("A lighthouse keeper’s kitchen in 1890, a storm outside the window");
    await page.getByRole("button", { name: "Add a question" }).click();
    await page.getByLabel("Question 1").fill("What burns in the lamp?");
    await page.getByLabel("Answer 1").fill("Oil");
    await page.getByText("Being painted").waitFor();
    await page.getByText("Failed").waitFor();
  },
  async show(page) {
    await page.goto(`${atelier.url}/show`);
    await page.getByText("That is all").waitFor();
    const last = made.at(-1).prompt;
    await pictureLoaded(page.getByRole("article", { name: last }), last);
    await page.evaluate(() => scrollTo(0, 0));
  },
  async complete(page) {
    const { assignment_id, prompt } = made.at(-1);
    await page.goto(`${atelier.url}/complete/${assignment_id}`);
    await page.getByLabel("Which planet is the largest?").fill("jupiter");
    await page.getByLabel("How many planets are there?").fill("nine");
    await page.getByRole("button", { name: "Check answers" }).click();
    await pictureLoaded(page.locator("main"), prompt);
  },
  async student(page, { token }) {
    await page.goto(`${atelier.url}/s/${token}`);
    await page.getByLabel("Which planet is the largest?").fill("jupiter");
    await page.getByLabel("How many planets are there?").fill("nine");
    await page.getByRole("button", { name: "Check answers" }).click();
    await page.getByText("1 of 3 right").waitFor();
    await page.getByRole("img", { name: /^The picture of/ }).evaluate((image) => image.decode());
  },
  async fleet(page) {
    await page.goto(`${atelier.url}/fleet`);
    await page.getByRole("switch", { name: "Take S3 away" }).waitFor();
    await page.getByRole("img", { name: /^Queue, the last 15 minutes/ }).waitFor();
  },
};

try {
  await work(HISTORY_SECONDS);
  for (const content of CLASS) made.push(await atelier.make(content));
  const { token } = await atelier.call("POST", `/assignments/${made.at(-1).assignment_id}/share`);
  await atelier.call("PUT", "/fleet/temper", { latency_ms: 300000, throttle: 0, failure: 0 });
  const slow = await atelier.make({ prompt: "A night market in the rain, neon reflections, wide view", teacher_id: "Ms. Okafor" }, { final: false });
  await mkdir(PICTURES, { recursive: true });
  for (const [view, visit] of Object.entries(VIEWS)) {
    for (const [look, options] of Object.entries(LOOKS)) {
      const page = await openPage(browser, options);
      await visit(page, { slow, token });
      const { width, height } = page.viewportSize();
      // The fleet's charts are below the first screen; its tables need no picture.
      const clip = { x: 0, y: 0, width, height: view === "fleet" ? height * 1.4 : height };
      await page.screenshot({ path: path.join(PICTURES, `${view}-${look}.jpg`), type: "jpeg", quality: 82, fullPage: view === "fleet", clip });
      await page.context().close();
    }
  }
} finally {
  await Promise.all([atelier.end(), browser.close()]);
}
