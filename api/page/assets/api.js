/** The calls of the HTTP interface that the page uses. */
import { lost, reached } from "./connection.js";
import { goToSignIn } from "./sign-in.js";

const ANSWER_WITHIN_MS = 15000;
const PICTURE_WITHIN_MS = 60000;
const BATCH_WITHIN_MS = 120000;
const MOST_PATIENCE_MS = 120000;

/** The service understood and said no: an RFC 9457 problem. */
export class Refusal extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail || problem.title || `The service answered ${status}.`);
    this.status = status;
    this.errors = Array.isArray(problem.errors) ? problem.errors : [];
    this.correlationId = problem.correlation_id;
    this.retryAfterMs = retryAfter ? retryAfter * 1000 : undefined;
  }

  /** The same call may well succeed soon; a budget that is used up takes until tomorrow. */
  get passing() {
    if (this.status === 429) return !(this.retryAfterMs > MOST_PATIENCE_MS);
    return this.status >= 500;
  }
}

/** No answer came: offline, away, or too slow. The call may have been done all the same. */
export class Unreachable extends Error {}

/** True for a failure that is worth the same call again. */
export function passes(error) {
  return error instanceof Unreachable || (error instanceof Refusal && error.passing);
}

async function call(method, path, { body, signal, keepalive, within = ANSWER_WITHIN_MS } = {}) {
  const deadline = AbortSignal.timeout(within);
  let response, answer;
  try {
    response = await fetch(path, {
      method,
      keepalive,
      cache: "no-cache",
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      headers: { accept: "application/json", ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
    answer = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    lost();
    throw new Unreachable("The service does not answer.");
  }
  if (response.status >= 500) lost();
  else reached();
  if (response.status === 401) goToSignIn();
  if (!response.ok) throw new Refusal(response.status, parsed(answer) ?? {}, Number(response.headers.get("retry-after")));
  return parsed(answer);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const at = (id) => `/assignments/${encodeURIComponent(id)}`;

/** Creates an assignment; the same again makes no second one. */
export const create = (content) => call("POST", "/assignments", { body: content });

/** Reads one assignment. */
export const read = (id) => call("GET", at(id));

/**
 * Reads up to 50 assignments by id; unknown and deleted ones are left out. With `wait`, the answer
 * is held for so many seconds unless one of them is not pending.
 */
export const readMany = (ids, wait, signal) =>
  call("GET", `/assignments?ids=${ids.map(encodeURIComponent).join()}${wait ? `&wait=${wait}` : ""}`, {
    signal,
    within: ANSWER_WITHIN_MS + wait * 1000,
  });

/** A page of the list, newest first: {assignments, next}. */
export const list = (query) => {
  const given = Object.entries(query).filter(([, value]) => value);
  return call("GET", `/assignments?${new URLSearchParams(given)}`);
};

/** Another round for a failed assignment, with new words if given. */
export const retry = (id, prompt) => call("POST", `${at(id)}/retry`, { body: prompt && { prompt } });

/** Another text of questions and answers. */
export const changeQuestions = (id, questionAnswers) => call("PATCH", at(id), { body: { question_answers: questionAnswers } });

/**
 * Retries or deletes several. Without `confirmCount` nothing is done: the answer says how many it
 * would be, and what they cost.
 */
export const batch = (operation, ids, confirmCount) =>
  call("POST", "/assignments:batch", { body: { operation, ids, ...(confirmCount !== undefined && { confirm_count: confirmCount }) }, within: BATCH_WITHIN_MS });

/** Keeps the picture for ever, or no longer. */
export const keep = (id, permanent) => call("PATCH", at(id), { body: { permanent } });

/** Deletes an assignment; `leaving` lets the call outlive the page. */
export const erase = (id, leaving) => call("DELETE", at(id), { keepalive: leaving });

/** Who is signed in; makes the session last. */
export const whoami = () => call("GET", "/auth/me");

/** Signs out; answers with where to go then: {location}. */
export const signOut = () => call("POST", "/auth/sign-out");

/** What is left of the day's budget, of the teacher's too where one is named. */
export const budget = (teacher) => call("GET", `/budget${teacher ? `?${new URLSearchParams({ teacher_id: teacher })}` : ""}`);

/** The link for students: a new one, or the one that lives. */
export const share = (id) => call("POST", `${at(id)}/share`);

/** Ends the link for students. */
export const endShare = (id) => call("DELETE", `${at(id)}/share`);

/** The links of an assignment, and the results of one of them; of the newest without `link`. */
export const results = (id, link) => call("GET", `${at(id)}/results${link ? `?link=${link}` : ""}`);

/** Erases the results of `which`: {link, name, result_id}, each narrows it down. */
export const eraseResults = (id, which) => call("DELETE", `${at(id)}/results?${new URLSearchParams(which)}`);

/** Nothing but a sign of life. */
export const ping = () => call("GET", "/health/live");

/** Where the picture is, or a placeholder. */
export const pictureAddress = (id) => `${at(id)}/image`;

/** The QR code of an assignment's link for students, as an SVG. */
export const codeAddress = (id, link) => `${at(id)}/share/qr.svg?link=${link}`;

/** The picture itself from our own address, not the CDN's: the page may look into it. */
const streamAddress = (id) => `${pictureAddress(id)}?stream=true`;
const PLACEHOLDER = "x-atelier-placeholder";

/** The bytes of the picture, as they are stored. */
export async function pictureBytes(id) {
  const lasting = { cache: "no-cache", headers: { accept: "image/webp, image/png, image/jpeg" }, signal: AbortSignal.timeout(PICTURE_WITHIN_MS) };
  const response = await fetch(streamAddress(id), lasting).catch(() => null);
  if (response?.status === 401) goToSignIn();
  if (!response?.ok || response.headers.has(PLACEHOLDER)) throw new Error("The picture cannot be read right now. Please try again in a moment.");
  return response.blob();
}

/** Why there is a placeholder in the picture's place; null if there is none. */
export async function whyNoPicture(id) {
  const response = await fetch(streamAddress(id), { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  return response.headers.get(PLACEHOLDER);
}

/** The fleet's figures of the last 15 minutes. */
export const fleet = () => call("GET", "/fleet.json");

/** The messages that no worker could read. */
export const deadLetters = () => call("GET", "/fleet/dead-letters");

/** Sends a dead letter again. */
export const redrive = (id) => call("POST", `/fleet/dead-letters/${encodeURIComponent(id)}/redrive`);

/** Counts the dead letters of a cause; sends them again if `confirm_count` is their number. */
export const redriveAll = (wish) => call("POST", "/fleet/dead-letters:redrive", { body: wish, within: 40000 });

/** Workers take no new jobs; {until, reason}. */
export const pauseFleet = (wish) => call("POST", "/fleet/pause", { body: wish });

/** Workers take jobs again. */
export const resumeFleet = () => call("POST", "/fleet/resume");

/** Forgets a dead letter. */
export const drop = (id) => call("DELETE", `/fleet/dead-letters/${encodeURIComponent(id)}`);

/** A page of the audit log, newest first: {entries, next}. */
export const auditLog = (after) => call("GET", `/audit-log${after ? `?after=${encodeURIComponent(after)}` : ""}`);

/** The faults that the embedded cloud plays now. */
export const faults = () => call("GET", "/fleet/faults");

/** Adds a fault. */
export const addFault = (fault) => call("PUT", "/fleet/faults", { body: fault });

/** Ends all faults. */
export const endFaults = () => call("DELETE", "/fleet/faults");

/** How slow and moody the embedded model is. */
export const temper = () => call("GET", "/fleet/temper");

/** Changes what is given of the embedded model's temper. */
export const setTemper = (value) => call("PUT", "/fleet/temper", { body: value });
