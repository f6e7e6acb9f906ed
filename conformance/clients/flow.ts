// The whole flow with a generated TypeScript client. Every call is checked against the document by the
// compiler.
import createClient from "openapi-fetch";
import type { paths } from "./generated/schema.js";

declare const process: { env: Record<string, string | undefined> };
const baseUrl = process.env["ATELIER_URL"] ?? "";
const api = createClient<paths>({ baseUrl });

function assert(what: unknown, words: string): asserts what {
  if (!what) throw new Error(words);
}

async function settled(id: string) {
  for (let looks = 0; looks < 10; looks++) {
    const { data } = await api.GET("/assignments/{id}", { params: { path: { id }, query: { wait: 20 } } });
    assert(data, `${id} cannot be read`);
    if (data.s3_upload_status !== "pending") return data;
  }
  throw new Error(`${id} stays pending`);
}

const created = await api.POST("/assignments", {
  body: {
    prompt: "[small] A lighthouse at night",
    teacher_id: "typescript",
    question_answers: [{ question: "What shines?", answer: "the lamp" }],
  },
});
assert(created.data, JSON.stringify(created.error));
assert(created.response.status === 202, `created: ${created.response.status}`);
const id = created.data.assignment_id;
const path = { id };
const made = await settled(id);
assert(made.s3_upload_status === "success", JSON.stringify(made));
assert((made.cost_usd ?? 0) > 0, "a picture costs something");

const image = await api.GET("/assignments/{id}/image", { params: { path }, parseAs: "blob" });
assert(image.data instanceof Blob && image.data.size > 0, "there is a picture");

const patched = await api.PATCH("/assignments/{id}", {
  params: { path },
  body: { permanent: true, question_answers: [["What shines?", "a lamp"]] },
});
assert(patched.data?.permanent, JSON.stringify(patched.error));

// Without a body, on what has its picture: refused, with a problem document.
const there = await api.POST("/assignments/{id}/retry", { params: { path } });
assert(there.error?.status === 409, JSON.stringify(there));

// And on one that failed: the model's filter declines it once.
const order = { service: "bedrock", kind: "filtered", count: 1 };
const ordered = await fetch(`${baseUrl}/fleet/faults`, {
  method: "PUT",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(order),
});
assert(ordered.ok, await ordered.text());
const declined = await api.POST("/assignments", { body: { prompt: "[small] A kite" } });
assert(declined.data, JSON.stringify(declined.error));
const kite = declined.data.assignment_id;
assert((await settled(kite)).failure?.code === "declined", "the filter declines it");
const retried = await api.POST("/assignments/{id}/retry", { params: { path: { id: kite } } });
assert(retried.response.status === 202 && retried.data?.round === 2, JSON.stringify(retried));
assert((await settled(kite)).s3_upload_status === "success", "the next round makes it");

const listed = await api.GET("/assignments", { params: { query: { teacher_id: "typescript", limit: 10 } } });
assert(listed.data?.assignments.length === 1, "it is in the list");
const day = new Date().toISOString().slice(0, 10);
const found = await api.GET("/assignments", { params: { query: { q: "LIGHTHOUSE night", from: day } } });
assert(found.data?.assignments.some((it) => it.assignment_id === id), "it is found by its words");
const none = await api.GET("/assignments", { params: { query: { q: "submarine" } } });
assert(none.data?.assignments.length === 0, "another word finds nothing");
const bad = await api.GET("/assignments", { params: { query: { from: "yesterday" } } });
assert(bad.error?.status === 400, "a bad value is refused");

const shared = await api.POST("/assignments/{id}/share", { params: { path } });
assert(shared.data?.token, JSON.stringify(shared.error));
const token = shared.data.token;
const seen = await api.GET("/shared/{token}", { params: { path: { token } } });
assert(seen.data?.questions.length === 1, "students see the question");
const checked = await api.POST("/shared/{token}/answers", { params: { path: { token } }, body: { answers: ["A lamp"] } });
assert(checked.data, JSON.stringify(checked.error));
const revoked = await api.DELETE("/assignments/{id}/share", { params: { path } });
assert(revoked.response.status === 204, "the link is dead");

const batch = { operation: "delete", filter: { teacher_id: "typescript", q: "lighthouse" } } as const;
const told = await api.POST("/assignments:batch", { body: batch });
assert(told.data && !told.data.confirmed && told.data.count === 1, JSON.stringify(told));
const done = await api.POST("/assignments:batch", { body: { ...batch, confirm_count: told.data.count } });
assert(done.data?.done === 1 && done.data.failed.length === 0, JSON.stringify(done));

const other = await api.POST("/assignments", { body: { prompt: "", teacher_id: "typescript" } });
assert(other.response.status === 201 && other.data, "no picture was asked for");
const gone = await api.DELETE("/assignments/{id}", { params: { path: { id: other.data.assignment_id } } });
assert(gone.response.status === 204, "it is deleted");
const session = await api.GET("/auth/me");
assert(session.data?.sign_in === false, "there is no sign-in here");
console.log("TypeScript: the whole flow");
