import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { startAtelier, until } from "./support/atelier.js";
import { assertSound, cardOf, openPage, pictureLoaded, startBrowser } from "./support/browser.js";
import { sendMessage } from "./support/queue.js";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PICTURES = process.env.ATELIER_PICTURES ?? path.join(tmpdir(), "atelier-pictures");

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
  for (const name of ["Queue", "Done a minute", "Throttles a minute", "Failures a minute", "Time in each stage", "Money"]) {
    const chart = page.getByRole("img", { name: new RegExp(`^${name}, the last 15 minutes: `) });
    await chart.waitFor();
    const { lines, labels } = await chart.evaluate((plot) => ({
      lines: [...plot.querySelectorAll("path[data-color]")].map((path) => path.getAttribute("d")),
      labels: [...plot.querySelectorAll("text")].map((text) => text.textContent),
    }));
    assert.ok(lines.some((line) => /^M\d+\.\d \d/.test(line)) && !lines.some((line) => line.includes("NaN")), `${name}: ${lines}`);
    assert.ok(labels.length > 2 && new Set(labels).size === labels.length, `${name}: ${labels}`);
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

const wrong = () => page.getByRole("region", { name: "What is wrong now" });
const letters = () => page.getByRole("region", { name: "Dead letters" });
const waiting = async () => (await atelier.call("GET", "/fleet/dead-letters")).messages;

test("a dead letter tells its cause, can be looked into, sent again, and dropped unless that is undone", async () => {
  await sendMessage(atelier.data, '{"assignment": "<b>not a job</b>"}');
  // A message may be dead-lettered twice: it is written before it is taken away.
  const letter = letters().getByRole("listitem").filter({ has: page.getByRole("button", { name: "Send again" }) }).first();
  await letter.waitFor({ timeout: 30000 });
  await letters().getByRole("heading", { name: /^No job of ours: / }).waitFor();
  await letter.locator("summary").click();
  await letter.getByText('"<b>not a job</b>"').waitFor();
  await letter.getByText("The message is no job: ").waitFor();
  const id = await letter.locator("code").textContent();
  await letter.getByRole("button", { name: "Send again" }).click();
  await page.getByText(id).waitFor({ state: "detached" });
  await letter.waitFor({ timeout: 30000 });
  await letter.getByRole("button", { name: "Drop" }).click();
  await letters().getByRole("button", { name: "Undo" }).click();
  assert.equal(await letters().getByRole("button", { name: "Undo" }).count(), 0);
  assert.ok((await waiting()).length > 0, "it stays");
  await letter.getByRole("button", { name: "Drop" }).click();
  await page.reload();
  await letter.waitFor();
  assert.ok((await waiting()).length > 0, "a page that is closed drops nothing");
  const none = letters().getByText("None.");
  await until(async () => {
    if (await none.count()) return true;
    await letter.getByRole("button", { name: "Drop" }).click({ timeout: 1000 });
    return false;
  }, 40000);
  assert.deepEqual(await waiting(), []);
});

test("all dead letters of a cause are sent again once their number is confirmed", async () => {
  for (const n of [1, 2]) await sendMessage(atelier.data, `{"assignment_id": "nobody-${n}", "round": 1}`);
  await until(async () => (await waiting()).length >= 2, 30000);
  await page.reload();
  await letters().getByRole("heading", { name: /^No such assignment: / }).waitFor();
  const all = letters().getByRole("button", { name: "Send all again (no such assignment)" });
  await all.click();
  await letters().getByRole("button", { name: "Cancel" }).click();
  const before = (await waiting()).map(({ message_id }) => message_id);
  await all.click();
  await letters().getByRole("button", { name: /^Yes, send \d+ messages again$/ }).click();
  // Workers make dead letters of them again, under other names.
  await until(async () => !(await waiting()).some(({ message_id }) => before.includes(message_id)), 30000);
  await until(async () => (await waiting()).length >= 2, 30000);
  const log = await atelier.call("GET", "/audit-log?action=dead_letter.redriven");
  assert.equal(log.entries[0].what, "unknown_assignment");
});

test("an operator pauses the fleet with a reason and resumes it, and what waits is made then", async () => {
  const pause = page.getByRole("region", { name: "Pause" });
  await pause.getByLabel("For how long").selectOption("1 hour");
  await pause.getByLabel("Why").fill("The bucket moves.");
  await pause.getByRole("button", { name: "Pause the fleet" }).click();
  await pause.getByText("Paused by nobody since").waitFor();
  await pause.getByText("The bucket moves.").waitFor();
  await wrong().getByText("An operator has paused the fleet: workers take no new jobs.").waitFor();
  await until(async () => (await atelier.call("GET", "/fleet.json")).workers.every(({ fleet_paused }) => fleet_paused));
  const { assignment_id } = await atelier.make({ prompt: "A patient lighthouse", teacher_id: "Ms. Okafor" }, { final: false });
  await page.getByRole("region", { name: "Fairness" }).getByRole("row", { name: /Ms\. Okafor/ }).waitFor();
  const held = await atelier.call("GET", `/assignments/${assignment_id}?wait=3`);
  assert.equal(held.s3_upload_status, "pending");
  await pause.getByRole("button", { name: "Resume the fleet" }).click();
  await pause.getByRole("button", { name: "Pause the fleet" }).waitFor();
  assert.equal((await atelier.settled(assignment_id)).s3_upload_status, "success");
  await page.getByRole("region", { name: "Money" }).getByRole("row", { name: /Ms\. Okafor/ }).waitFor();
});

test("a time that is over is refused in words, and the fleet is not paused", async () => {
  const pause = page.getByRole("region", { name: "Pause" });
  await pause.getByLabel("For how long").selectOption("Until a time");
  await pause.getByLabel("Until", { exact: true }).fill("2020-01-01T00:00");
  await pause.getByRole("button", { name: "Pause the fleet" }).click();
  await pause.getByRole("alert").getByText("`until` must be later than now").waitFor();
  assert.equal((await atelier.call("GET", "/fleet.json")).paused, null);
});

test("an outage is told with its service, its cause and what to do", async () => {
  await atelier.fault({ service: "s3", kind: "denied" });
  await atelier.make({ prompt: "A bridge that is denied" }, { final: false });
  await wrong().getByText(/1 of 1 workers is paused by an outage of the bucket: /).waitFor({ timeout: 30000 });
  await wrong().getByText("Fix the bucket, the permission or the key").waitFor();
  await wrong().getByText("outage_of_bucket").waitFor();
  const workers = page.getByRole("region", { name: "Workers by host" });
  await workers.locator("summary").click();
  await workers.getByText(/^Paused by an outage of the bucket since/).waitFor();
  await workers.getByText(/calls at a time, breaker closed/).first().waitFor();
  await atelier.mend();
  await wrong().getByText("outage_of_bucket").waitFor({ state: "detached", timeout: 60000 });
});

test("the page says that the fleet cannot be read, and goes on by itself", async () => {
  await until(async () => Number(await figure("Done in all")) > 0);
  const problem = { status: 503, title: "Service Unavailable", detail: "The assignments cannot be reached right now." };
  await page.route("**/fleet.json", (route) => route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify(problem) }));
  await wrong().getByText("The fleet cannot be read: The assignments cannot be reached right now. What follows is of").waitFor();
  await page.unroute("**/fleet.json");
  await wrong().getByText("The fleet cannot be read").waitFor({ state: "detached", timeout: 30000 });
});

test("the calls and their description are a click away", async () => {
  for (const name of ["As JSON", "All calls", "OpenAPI document"]) {
    const address = await page.getByRole("link", { name, exact: true }).getAttribute("href");
    assert.equal((await fetch(atelier.url + address)).status, 200, address);
  }
});

/** A fleet with everything that may be shown, long names among it. */
async function crowded() {
  const quiet = await atelier.call("GET", "/fleet.json");
  const { now } = quiet;
  const long = "stability.stable-image-ultra-with-a-very-long-name-in-a-region-far-away-v1:1";
  const worker = (n) => ({
    worker: `worker-${n}-0123456789abcdef`,
    host: n % 3 ? `atelier-worker-7f9c6d5b8-${n}` : `ip-10-123-45-${n}.us-west-2.compute.internal.example.school.example.org`,
    started_at: now - 3600,
    at: now,
    slots: 512,
    limit: 128,
    slots_in_use: 500,
    paused: n % 7 === 0,
    outages: n % 7 ? [] : [{ service: "bucket", since: now - 300, cause: `AccessDenied:${"arn:aws:s3:::a-bucket/".repeat(8)}` }],
    fleet_paused: true,
    models: [
      { model: long, limit: 64, in_flight: 64, breaker: n % 5 ? "closed" : "refused", spent_usd: 12345.67 },
      { model: "amazon.nova-canvas-v1:0", limit: 1, in_flight: 0, breaker: "open", spent_usd: 0.04 },
    ],
    throttles: 1e6,
    model_calls: 1234567,
    spent_usd: 98765.43,
    jobs_finished: 1234567,
    resident_bytes: 2 ** 31,
  });
  const share = (n) => ({ teacher_id: n ? `Frau Professorin ${"Müller-Lüdenscheidt-".repeat(4)}${n}` : null, waiting: 100 * (10 - n), in_flight: n, longest_wait_seconds: 600 * n });
  return {
    ...quiet,
    findings: [
      { code: "outage_of_bucket", words: `29 of 200 workers are paused by an outage of the bucket: AccessDenied:${"arn:aws:s3:::a-bucket/".repeat(8)}`, to_do: "Fix the bucket.", since: now - 300 },
      { code: "dead_letters", words: "12 dead letters wait for an operator.", to_do: "Look into each below.", since: null },
    ],
    paused: { by: `person:${"0123456789abcdef".repeat(4)}`, name: "an.operator.with.a.long.name@school-administration.example.org", since: now - 60, until: now + 86400, reason: "W".repeat(200) },
    queue: { visible: 1234567, in_flight: 123456, delayed: 12345, oldest_seconds: 123456, dead_letters: 12345 },
    workers: Array.from({ length: 200 }, (_, n) => worker(n)),
    fairness: { pending: 1000, complete: false, teachers: 321, largest: Array.from({ length: 10 }, (_, n) => share(n)), longest_wait: share(9) },
    spending: { since: now - 3600, most: Array.from({ length: 10 }, (_, n) => ({ ...share(n), pictures: 1234567, model_calls: 2345678, cost_usd: 123456.78, charged_usd: n ? 123456.78 : null })) },
    totals: { ...quiet.totals, done: 12345678, failed: { declined: 123456, unforeseen: 7 }, calls: 12345678, spent_usd: 1234567.89, cost_usd: 1134567.89 },
    done_per_minute: 123456,
    budget: { ...quiet.budget, words: "Today's budget: 1 more picture.", pictures_left: 1, fleet: { limit_usd: 123456.78, charged_usd: 123456.7, left_usd: 0.08, pictures_left: 1, used_up: false } },
  };
}

/** Elements of the page that lie over each other, or hold more than they have room for. */
function crowding() {
  const tiles = [...document.querySelectorAll(".figures > div")];
  const narrow = [...document.querySelectorAll(".figures dt, .figures dd, .figures > div, .panel, .finding, .hosts li")].filter((it) => it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 0);
  const boxes = tiles.map((it) => it.getBoundingClientRect());
  const overlap = (one, other) => one.left < other.right - 1 && other.left < one.right - 1 && one.top < other.bottom - 1 && other.top < one.bottom - 1;
  const over = boxes.flatMap((one, n) => boxes.slice(n + 1).filter((other) => overlap(one, other)));
  return { narrow: narrow.map((it) => `${it.className} ${it.textContent.slice(0, 60)}`), over: over.length, wide: document.documentElement.scrollWidth - innerWidth };
}

for (const [state, of] of Object.entries({ quiet: () => atelier.call("GET", "/fleet.json"), crowded })) {
  for (const colorScheme of ["light", "dark"]) {
    test(`${state}, ${colorScheme}: from 320 to 1920 px nothing overlaps or is cut, and axe finds nothing`, async () => {
      await mkdir(PICTURES, { recursive: true });
      const looking = await openPage(browser, { colorScheme, viewport: { width: 1280, height: 900 } });
      const shown = await of();
      await looking.route("**/fleet.json", (route) => route.fulfill({ json: shown }));
      await looking.goto(`${atelier.url}/fleet`);
      await looking.getByRole("switch", { name: "Take S3 away" }).waitFor();
      for (const summary of await looking.locator("#workers summary").all()) await summary.click();
      await looking.getByText("What to ask it for").click();
      for (const width of [320, 768, 1280, 1920]) {
        await looking.setViewportSize({ width, height: 900 });
        await looking.waitForTimeout(200);
        assert.deepEqual(await looking.evaluate(crowding), { narrow: [], over: 0, wide: 0 }, `${width} px`);
        await looking.screenshot({ path: path.join(PICTURES, `fleet-${state}-${colorScheme}-${width}.jpg`), type: "jpeg", quality: 70, fullPage: true });
      }
      await looking.evaluate(AXE);
      const { violations } = await looking.evaluate(() => window.axe.run());
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`), []);
      assertSound(looking);
      await looking.context().close();
    });
  }
}

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
