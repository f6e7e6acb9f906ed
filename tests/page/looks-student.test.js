/** How a student's view looks, in every state. */
import { after, before } from "node:test";
import { startAtelier } from "./support/atelier.js";
import { startBrowser } from "./support/browser.js";
import { makeClass } from "./support/class.js";
import { contents, look } from "./support/looks.js";
import { LARGEST, answer, click, field, heading, text, type } from "./support/steps.js";

let atelier, browser, links;

before(async () => {
  browser = await startBrowser();
  atelier = await startAtelier();
  ({ links } = await makeClass(atelier));
});
after(() => Promise.all([atelier?.end(), browser?.close(), contents()]));

const open = (name) => (page) => page.goto(atelier.url + links[name]);
const picture = (page) => page.getByRole("img", { name: /^The picture of/ }).evaluate((image) => image.decode());

const STATES = {
  "student-open": [open("success"), picture],
  "student-answered": [open("success"), ...answer, picture],
  "student-restored": [open("success"), type(LARGEST, "Saturn"), (page) => page.reload(), text("is still here")],
  "student-not-sent": [open("success"), (page) => page.route("**/answers", (route) => route.abort()), click("Check answers"), text("No answer came")],
  "student-pending": [open("pending"), text("The picture is being made")],
  "student-failed": [open("failed"), text("There is no picture here")],
  "student-lost": [open("lost"), field(LARGEST)],
  "student-questions-only": [open("none"), heading("Only questions"), field(LARGEST)],
  "student-picture-only": [open("alone"), heading("One leaf"), picture],
  "student-ended": [open("ended"), heading("This link opens nothing")],
};

look(STATES, () => browser);
