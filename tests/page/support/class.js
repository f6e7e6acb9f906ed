/** A class with an assignment in every state, each with a link for students. */
import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { SHEET } from "./steps.js";

const LONG = `${"A very long description of a market square in ancient Rome, ".repeat(14)}with Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft`;

/** Makes them: `made` by name, and the path of each one's student's page in `links`. */
export async function makeClass(atelier) {
  const made = {};
  const links = {};

  async function make(name, content, options) {
    made[name] = await atelier.make({ ...SHEET, ...content }, options);
    const { token } = await atelier.call("POST", `/assignments/${made[name].assignment_id}/share`);
    links[name] = `/s/${token}`;
  }

  await make("long", { prompt: LONG, teacher_id: "Ms. Okafor of the Academy of Applied Sciences" });
  await make("lost", { prompt: "A picture that somebody deleted from the bucket" });
  await loseFrom(atelier, made.lost);
  await make("none", { prompt: "", title: "Only questions" });
  await make("failed", { prompt: "A medieval town with scenes of violence", title: "A town" });
  await make("success", {});
  await make("alone", { prompt: "Photosynthesis in one oak leaf, botanical illustration", title: "One leaf", question_answers: undefined });
  await make("ended", { prompt: "Stars that went out" });
  await atelier.call("DELETE", `/assignments/${made.ended.assignment_id}/share`);
  await atelier.call("POST", `/shared/${links.success.slice(3)}/answers`, { name: "Ada Lovelace of the long name", answers: ["Jupiter", "seven", "", "Why?"] });
  await atelier.call("PUT", "/fleet/temper", { latency_ms: 600_000, throttle: 0, failure: 0 });
  await make("pending", { prompt: "A night market in the rain, neon reflections, wide view", title: "At night" }, { final: false });
  return { made, links };
}

/** Deletes every file of an assignment's picture from the bucket. */
async function loseFrom({ data }, { assignment_id }) {
  const files = await readdir(data, { recursive: true, withFileTypes: true });
  const pictures = files.filter((file) => file.isFile() && file.name.includes(assignment_id));
  assert.ok(pictures.length > 0);
  for (const file of pictures) await rm(path.join(file.parentPath, file.name));
}
