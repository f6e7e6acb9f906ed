/** How an operator's view looks, and those of signing in and out, in every state. */
import { after, before } from "node:test";
import { startAtelier, until } from "./support/atelier.js";
import { startBrowser } from "./support/browser.js";
import { contents, look } from "./support/looks.js";
import { button, click, heading, text } from "./support/steps.js";
import { sendMessage } from "./support/queue.js";

let atelier, school, browser;

before(async () => {
  browser = await startBrowser();
  [atelier, school] = await Promise.all([startAtelier({ latency: 0 }), startAtelier({ latency: 0, flags: ["--sign-in"] })]);
  for (const teacher_id of ["Ms. Okafor", "Mr. Lindqvist"]) await atelier.make({ prompt: `A fox for ${teacher_id}`, teacher_id });
  await atelier.make({ prompt: "Senseless violence", teacher_id: "Mr. Lindqvist" });
});
after(() => Promise.all([atelier?.end(), school?.end(), browser?.close(), contents()]));

const fleet = [
  (page) => page.goto(`${atelier.url}/fleet`),
  (page) => page.getByRole("switch", { name: "Take S3 away" }).waitFor(),
  (page) => page.getByRole("img", { name: /^Queue, the last 15 minutes/ }).waitFor(),
];
const signIn = [(page) => page.goto(school.url), text("asks for no password")];

const STATES = {
  "sign-in-choose": signIn,
  "sign-in-refused": [...signIn, click("Sam Student"), heading("This account has no access")],
  "sign-in-done": [...signIn, click("Tess Teacher"), button("Sign out")],
  "sign-out": [(page) => page.goto(`${school.url}/auth/signed-out`), heading("You are signed out")],
  fleet,
  // Without the model workers pause, and a message that none can read is a dead letter.
  "fleet-paused": [
    () => atelier.fault({ service: "bedrock", kind: "denied" }),
    () => atelier.make({ prompt: "A picture during an outage" }, { final: false }),
    () => sendMessage(atelier.data, '{"assignment": "<b>not a job</b>"}'),
    () => until(async () => (await atelier.call("GET", "/fleet/dead-letters")).messages.length > 0, 60_000),
    ...fleet,
    button("Send again"),
  ],
};

look(STATES, () => browser);
