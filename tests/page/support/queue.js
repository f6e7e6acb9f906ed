/** Puts a message into the queue of a running `atelier`, past its API. */
import { createHash, createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";

/** Sends `body` as a message, signed with AWS Signature Version 4 as the queue asks. */
export async function sendMessage(data, body) {
  const lines = (await readFile(path.join(data, "environment"), "utf8")).trim().split("\n");
  const environment = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  const { SQS_QUEUE_URL: queue, AWS_REGION: region, AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret } = environment;
  const { host, origin } = new URL(queue);
  const payload = JSON.stringify({ QueueUrl: queue, MessageBody: body });
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const headers = { "content-type": "application/x-amz-json-1.0", host, "x-amz-date": now, "x-amz-target": "AmazonSQS.SendMessage" };
  const names = Object.keys(headers).join(";");
  const request = ["POST", "/", "", ...Object.entries(headers).map(([name, value]) => `${name}:${value}`), "", names, sha256(payload)].join("\n");
  const scope = `${now.slice(0, 8)}/${region}/sqs/aws4_request`;
  const signing = scope.split("/").reduce((sum, part) => hmac(sum, part), `AWS4${secret}`);
  const signature = hmac(signing, ["AWS4-HMAC-SHA256", now, scope, sha256(request)].join("\n")).toString("hex");
  const authorization = `AWS4-HMAC-SHA256 Credential=${key}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  const response = await fetch(origin, { method: "POST", headers: { ...headers, authorization }, body: payload });
  if (!response.ok) throw new Error(`SendMessage: ${response.status} ${await response.text()}`);
}

const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
