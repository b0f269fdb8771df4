// Drives the batches of @microsoft/microsoft-graph-client: node graph-batch.mjs URL, of a tree below /v1.0. DAV207_NODE_MODULES is the
// directory that the package is in. What goes wrong is thrown.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.DAV207_NODE_MODULES, "require.js"));
const { Client, BatchRequestContent, BatchResponseContent } = require("@microsoft/microsoft-graph-client");

// Browsers have it, and where there is Blob the package asks for it.
globalThis.FileReader = class {
	addEventListener(_, listener) {
		this.listener = listener;
	}
	async readAsDataURL(blob) {
		this.result = `data:${blob.type};base64,${Buffer.from(await blob.arrayBuffer()).toString("base64")}`;
		this.listener();
	}
};

const root = new URL(process.argv[2]);
const client = Client.init({ baseUrl: root.origin, defaultVersion: "v1.0", authProvider: (done) => done(null, "token") });

// The package sends the path of the URL, which is below the prefix.
const step = (id, method, path, init = {}, dependsOn) => ({ id, dependsOn, request: new Request(root.origin + path, { method, ...init }) });
const type = (name) => ({ headers: { "Content-Type": name } });

async function run(...steps) {
	const content = await new BatchRequestContent(steps).getContent();
	const json = await client.api("/$batch").post(content);
	assert.deepEqual(json.responses.map((r) => r.id), steps.map((s) => s.id), "the order of the answers");
	return new BatchResponseContent(json);
}
const statuses = (answer) => Object.fromEntries([...answer.getResponses()].map(([id, r]) => [id, r.status]));

const bytes = Buffer.from([0, 1, 0xff, 0xfe]);
let answer = await run(
	step("json", "PUT", "/a.json", { body: JSON.stringify({ a: [1, "é"] }), ...type("application/json") }),
	step("bytes", "PUT", "/b.bin", { body: bytes, ...type("application/octet-stream") }),
	step("conflict", "PUT", "/none/c.bin", { body: bytes, ...type("application/octet-stream") }),
	step("read", "GET", "/a.json"),
	step("binary", "GET", "/b.bin"),
	step("missing", "GET", "/none"),
	step("delete", "DELETE", "/b.bin"),
);
assert.deepEqual(statuses(answer), { json: 201, bytes: 201, conflict: 409, read: 200, binary: 200, missing: 404, delete: 204 });
assert.match(answer.getResponseById("json").headers.get("ETag"), /^"/);
assert.deepEqual(await answer.getResponseById("read").json(), { a: [1, "é"] });
assert.deepEqual(Buffer.from(await answer.getResponseById("binary").text(), "base64"), bytes);
assert.match(await answer.getResponseById("conflict").text(), /parent is not an existing collection/);

// Each after the one before it, the second of which fails.
answer = await run(
	step("1", "PUT", "/d.json", { body: "{}", ...type("application/json") }),
	step("2", "DELETE", "/none", {}, ["1"]),
	step("3", "DELETE", "/d.json", {}, ["2"]),
);
assert.deepEqual(statuses(answer), { 1: 201, 2: 404, 3: 424 });
assert.match((await answer.getResponseById("3").json()).detail, /"2" has failed/);

// What is malformed is an error of the client's.
await assert.rejects(client.api("/$batch").post({ requests: [{ id: "1", method: "GET", url: "/", dependsOn: ["nobody"] }] }), (err) => err.statusCode === 400);
