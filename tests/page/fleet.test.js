import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { startAtelier, until } from "./support/atelier.js";
import { assertSound, cardOf, openPage, pictureLoaded, startBrowser } from "./support/browser.js";
import { sendMessage } from "./support/queue.js";

let atelier, browser, page;

before(async () => {
  browser = await startBrowser();
  atelier = await startAtelier();
});
after(() => Promise.all([atelier?.end(), browser?.close()]));
beforeEach(async () => {
  page = await openPage(browser);
  await page.goto(`${atelier.url}/fleet`);
});
afterEach(async () => {
  assertSound(page);
  await page.context().close();
});

const figure = async (name) => page.locator("dl > div", { has: page.getByText(name, { exact: true }) }).locator("dd").textContent();
const toggle = (name) => page.getByRole("switch", { name });

test("the figures follow the fleet, and the JSON twin says the same", async () => {
  for (let n = 0; n < 3; n++) await atelier.make({ prompt: `Figure ${n}` });
  await atelier.make({ prompt: "Senseless violence" });
  await until(async () => Number(await figure("Done in all")) >= 3 && Number(await figure("Failed")) >= 1);
  const twin = await atelier.call("GET", "/fleet.json");
  assert.ok(twin.totals.done >= 3);
  assert.equal(twin.totals.failed.declined, 1);
  await page.getByRole("row", { name: /declined/ }).waitFor();
  assert.match(await figure("Cost so far"), /^\$\d/);
  const negotiated = await fetch(`${atelier.url}/fleet`, { headers: { accept: "application/json" } });
  assert.equal(typeof (await negotiated.json()).queue.visible, "number");
});

test("the charts are drawn, and say in words what they show", async () => {
  for (const name of ["Queue", "Done a minute", "Throttles a minute", "Failures a minute", "Time in each stage", "Cost"]) {
    const chart = page.getByRole("img", { name: new RegExp(`^${name}, the last 15 minutes: `) });
    await chart.waitFor();
    const drawn = await chart.locator("canvas").evaluate((canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean));
    assert.ok(drawn, name);
  }
});

test("S3 is taken away and given back by a switch, and the job survives it", async () => {
  await toggle("Take S3 away").check();
  await until(async () => (await atelier.call("GET", "/fleet/faults")).faults.length === 1);
  const { assignment_id } = await atelier.make({ prompt: "A survivor" }, { final: false });
  const creating = await openPage(browser);
  await creating.goto(`${atelier.url}/show`);
  await cardOf(creating, "A survivor").getByText("Pending").waitFor();
  await page.waitForTimeout(2000);
  assert.equal((await atelier.call("GET", `/assignments/${assignment_id}`)).s3_upload_status, "pending");
  await toggle("Take S3 away").uncheck();
  await until(async () => (await atelier.call("GET", "/fleet/faults")).faults.length === 0);
  await cardOf(creating, "A survivor").getByText("Ready").waitFor({ timeout: 60000 });
  await pictureLoaded(cardOf(creating, "A survivor"), "A survivor");
  assertSound(creating);
  await creating.context().close();
});

test("switches show how things stand after a reload, and one button ends all faults", async () => {
  await toggle("Throttle the model").check();
  await toggle("Deliver twice").check();
  await until(async () => (await atelier.call("GET", "/fleet/faults")).faults.length === 2);
  await page.reload();
  await until(() => toggle("Throttle the model").isChecked());
  assert.ok(await toggle("Deliver twice").isChecked());
  await toggle("Deliver twice").uncheck();
  await until(async () => (await atelier.call("GET", "/fleet/faults")).faults.map(({ kind }) => kind).join() === "throttle");
  await page.getByRole("button", { name: "End all faults" }).click();
  await until(async () => !(await toggle("Throttle the model").isChecked()));
  assert.deepEqual((await atelier.call("GET", "/fleet/faults")).faults, []);
});

test("the model is made slow and quick again", async () => {
  const { latency_ms } = await atelier.call("GET", "/fleet/temper");
  await toggle("Make the model slow").check();
  await until(async () => (await atelier.call("GET", "/fleet/temper")).latency_ms >= 10000);
  await until(() => toggle("Make the model slow").isEnabled());
  await toggle("Make the model slow").uncheck();
  await until(async () => (await atelier.call("GET", "/fleet/temper")).latency_ms <= latency_ms);
});

test("any other fault can be put together, and a bad one is refused in words", async () => {
  await page.getByText("Any other fault").click();
  await page.getByLabel("Service").selectOption("cdn");
  await page.getByLabel("Kind").selectOption("slow");
  await page.getByLabel("Delay in ms").fill("200");
  await page.getByLabel("For seconds").fill("30");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await until(async () => (await atelier.call("GET", "/fleet/faults")).faults.some(({ service, delay_ms }) => service === "cdn" && delay_ms === 200));
  await page.getByLabel("For seconds").fill("0");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("alert").filter({ hasText: "for_seconds" }).waitFor();
  await atelier.mend();
});

test("a dead letter can be looked into, sent again, and dropped", async () => {
  await sendMessage(atelier.data, '{"assignment": "<b>not a job</b>"}');
  // A message may be dead-lettered twice: it is written before it is taken away.
  const letter = page.getByRole("listitem").filter({ has: page.getByRole("button", { name: "Send again" }) }).first();
  await letter.waitFor({ timeout: 30000 });
  await letter.locator("summary").click();
  await letter.getByText('"<b>not a job</b>"').waitFor();
  const id = await letter.locator("code").textContent();
  await letter.getByRole("button", { name: "Send again" }).click();
  await page.getByText(id).waitFor({ state: "detached" });
  await letter.waitFor({ timeout: 30000 });
  const none = page.getByRole("region", { name: "Dead letters" }).getByText("None.");
  await until(async () => {
    if (await none.count()) return true;
    await letter.getByRole("button", { name: "Drop" }).click({ timeout: 1000 });
    return false;
  });
  assert.deepEqual((await atelier.call("GET", "/fleet/dead-letters")).messages, []);
});

test("the audit log shows who did what, and more of it on demand", async () => {
  const ids = [];
  for (let n = 0; n < 22; n++) ids.push((await atelier.make({ prompt: `Short-lived ${n}` })).assignment_id);
  for (const id of ids) await atelier.call("DELETE", `/assignments/${id}`);
  const log = page.getByRole("region", { name: "Audit log" });
  const deleted = (id) => log.getByRole("row").filter({ hasText: id });
  await deleted(ids.at(-1)).waitFor();
  assert.match(await deleted(ids.at(-1)).textContent(), /nobody.*assignment\.deleted/);
  assert.equal(await deleted(ids[0]).count(), 0);
  await log.getByRole("button", { name: "Show more" }).click();
  await deleted(ids[0]).waitFor();
});
