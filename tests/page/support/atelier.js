/** Starts the `atelier` binary for a test file, and asks its API for what the page does not show. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const READY_WITHIN_MS = 30000;

/**
 * A running `atelier`, with a data directory of its own; `latency` is the model's, in seconds.
 * `options` gives the environment of a process that is reached at the address it is called with.
 */
export async function startAtelier({ latency = 1, flags = [], options = () => ({}) } = {}) {
  const binary = process.env.ATELIER_BIN ?? path.resolve(import.meta.dirname, "../../../target/debug/atelier");
  const data = await mkdtemp(path.join(tmpdir(), "atelier-page-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const given = await options(url);
  let child;
  let headers = {};

  async function start() {
    const environment = { LOG: "error", ...process.env, ...given };
    child = spawn(binary, ["--port", String(port), "--data", data, "--model-latency", String(latency), ...flags], { env: environment, stdio: ["ignore", "ignore", "inherit"] });
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`${binary} ended with exit code ${code}`);
    });
    await Promise.race([until(async () => (await fetch(`${url}/health/ready`)).ok, READY_WITHIN_MS), ended]);
  }

  /** Ends the process as a crash does; `start` goes on with the same data. */
  async function stop() {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  async function call(method, route, body) {
    const response = await fetch(url + route, {
      method,
      headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${route}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** All assignments, newest first. */
  async function all(query = "") {
    const found = [];
    let after = "";
    do {
      const page = await call("GET", `/assignments?limit=100${query}${after && `&after=${encodeURIComponent(after)}`}`);
      found.push(...page.assignments);
      after = page.next;
    } while (after);
    return found;
  }

  /** Creates an assignment past the page, and waits until it is final unless told otherwise. */
  async function make(content, { final = true } = {}) {
    const assignment = await call("POST", "/assignments", content);
    return final ? settled(assignment.assignment_id) : assignment;
  }

  /** An assignment once it is pending no more. */
  async function settled(id) {
    for (;;) {
      const assignment = await call("GET", `/assignments/${id}?wait=10`);
      if (assignment.s3_upload_status !== "pending") return assignment;
    }
  }

  await start();
  return {
    url,
    data,
    start,
    stop,
    call,
    /** Sends `token` with each call from here on. */
    authorize: (token) => (headers = { authorization: `Bearer ${token}` }),
    all,
    make,
    settled,
    fault: (fault) => call("PUT", "/fleet/faults", { share: 1, ...fault }),
    mend: () => call("DELETE", "/fleet/faults"),
    async end() {
      await stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** Asks until `holds` answers true; an error counts as false. */
export async function until(holds, within = 15000) {
  const end = Date.now() + within;
  for (;;) {
    if (await holds().catch(() => false)) return;
    if (Date.now() > end) throw new Error(`not so within ${within} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A port of loopback that nobody has. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
