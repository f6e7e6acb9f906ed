/** How a teacher's views look, in every state. */
import { after, before } from "node:test";
import { startAtelier } from "./support/atelier.js";
import { cardOf, startBrowser } from "./support/browser.js";
import { makeClass } from "./support/class.js";
import { contents, look } from "./support/looks.js";
import { LARGEST, answer, button, click, field, text, type } from "./support/steps.js";

let atelier, browser, made;

before(async () => {
  browser = await startBrowser();
  atelier = await startAtelier();
  ({ made } = await makeClass(atelier));
});
after(() => Promise.all([atelier?.end(), browser?.close(), contents()]));

const at = (address) => (page) => page.goto(atelier.url + address);
const complete = (name) => (page) => page.goto(`${atelier.url}/complete/${made[name].assignment_id}`);
const picture = (page) => page.getByRole("img").first().waitFor();
const atTop = (page) => page.evaluate(() => scrollTo(0, 0));

/** Has the browser remember assignments as made in it. */
const remember = (...names) => (page) =>
  page.addInitScript((recent) => localStorage.setItem("atelier.recent", JSON.stringify(recent)), names.map((name) => made[name].assignment_id));

const STATES = {
  "create-empty": [at("/"), text("Your pictures appear here")],
  "create-filled": [
    remember("pending", "success", "failed", "none", "lost", "long"),
    at("/"),
    type("Prompt", "A lighthouse keeper’s kitchen in 1890, a storm outside the window"),
    click("Add a question"),
    type("Question 1", "What burns in the lamp?"),
    type("Answer 1", "Oil"),
    (page) => page.locator("article").nth(5).waitFor(),
  ],
  "create-error": [at("/"), type("Prompt", "x".repeat(1025)), click("Create"), text("the limit is 1024")],
  "create-not-sent": [
    (page) => page.route("**/assignments", (route) => route.abort()),
    at("/"),
    type("Prompt", "A seed under snow"),
    click("Create"),
    (page) => cardOf(page, "A seed under snow").waitFor(),
    (page) => page.locator(".connection.shown").waitFor(),
  ],
  show: [at("/show"), text("That is all"), picture, atTop],
  "show-failed": [at("/show?status=failed"), text("A medieval town")],
  "show-nothing": [at("/show?teacher_id=nobody"), text("Nothing matches this filter")],
  "complete-choose": [at("/complete"), (page) => page.getByRole("link", { name: /solar system/i }).first().waitFor()],
  "complete-answered": [complete("success"), ...answer, text("Ada Lovelace"), picture],
  "complete-pending": [complete("pending"), text("Being painted")],
  "complete-failed": [complete("failed"), text(/could not be made|declined/)],
  "complete-questions-only": [complete("none"), field(LARGEST)],
  "complete-picture-only": [complete("alone"), picture, button("Copy link")],
  "complete-lost": [complete("lost"), field(LARGEST), text("This picture is lost")],
  "complete-unknown": [at("/complete/no-such-assignment"), (page) => page.locator("main:not([aria-busy=true])").waitFor()],
  "not-found": [at("/no-such-page"), (page) => page.getByRole("heading").first().waitFor()],
};

look(STATES, () => browser);
