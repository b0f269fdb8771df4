// Drives the package webdav of npm: node npm-webdav.mjs URL KIND, where KIND is disk or memory. DAV207_NODE_MODULES is the directory that
// the package is in. What goes wrong is thrown, with the step that it went wrong in.
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const entry = join(process.env.DAV207_NODE_MODULES, "webdav", "dist", "node", "index.js");
const { createClient } = await import(pathToFileURL(entry));
const [url, kind] = process.argv.slice(2);
const client = createClient(url);

async function step(name, run) {
	try {
		await run();
	} catch (err) {
		console.error(`step: ${name}`);
		throw err;
	}
}

const names = (list) => list.map((m) => m.filename + (m.type === "directory" ? "/" : "")).sort();
const refused = (status) => (err) => err.status === status;
const read = async (stream) => {
	const parts = [];
	for await (const part of stream) {
		parts.push(part);
	}
	return Buffer.concat(parts).toString();
};

const odd = ["plain.txt", "é 日本", "100% a+b", "#?&;=", "a%20b", "<x>'\"", "(1) [2] {3}"];

await step("what the server is", async () => {
	const { compliance } = await client.getDAVCompliance("/");
	assert.deepEqual(compliance.slice(0, 3), ["1", "2", "3"]);
});
await step("new collections", async () => {
	await client.createDirectory("/c");
	await client.createDirectory("/deep/er/est", { recursive: true });
	await client.createDirectory("/deep/er/est", { recursive: true });
	await assert.rejects(client.createDirectory("/c"), refused(405));
	await assert.rejects(client.createDirectory("/none/c"), refused(409));
});
await step("new files", async () => {
	for (const name of odd) {
		assert.equal(await client.putFileContents("/c/" + name, "in " + name), true);
		assert.equal(await client.getFileContents("/c/" + name, { format: "text" }), "in " + name);
	}
	assert.equal(await client.putFileContents("/c/plain.txt", "other", { overwrite: false }), false);
	const large = Buffer.alloc(3 << 20, "0123456789");
	await client.putFileContents("/c/large", large);
	assert.ok(large.equals(await client.getFileContents("/c/large")));
});
await step("looking", async () => {
	const file = await client.stat("/c/plain.txt");
	assert.deepEqual([file.type, file.size, file.basename], ["file", 12, "plain.txt"]);
	assert.match(file.etag, /^[0-9a-f]+-/);
	assert.equal((await client.stat("/c")).type, "directory");
	assert.equal(await client.exists("/c/none"), false);
	await assert.rejects(client.stat("/c/none"), refused(404));
	assert.deepEqual(names(await client.getDirectoryContents("/c")), [...odd, "large"].map((n) => "/c/" + n).sort());
	assert.deepEqual(names(await client.getDirectoryContents("/deep", { deep: true })), ["/deep/er/", "/deep/er/est/"]);
	const { data } = await client.getDirectoryContents("/c", { details: true, glob: "/**/*.txt" });
	assert.deepEqual(data.map((m) => m.props.getcontentlength), [12]);
});
await step("a part of a file, and a stream", async () => {
	assert.equal(await read(client.createReadStream("/c/large", { range: { start: 1048571, end: 1048580 } })), "1234567890");
	assert.equal(await read(client.createReadStream("/c/plain.txt", { range: { start: 3 } })), "plain.txt");
	await new Promise((resolve, reject) => {
		const out = client.createWriteStream("/c/streamed", {}, (response) => (response.ok ? resolve() : reject(response)));
		out.on("error", reject);
		out.end("a stream");
	});
	assert.equal(await client.getFileContents("/c/streamed", { format: "text" }), "a stream");
	await assert.rejects(client.partialUpdateFileContents("/c/plain.txt", 0, 1, "x"), /Not supported/);
});
await step("copy, move, delete", async () => {
	await client.copyFile("/c", "/copied");
	assert.equal((await client.getDirectoryContents("/copied")).length, odd.length + 2);
	await assert.rejects(client.moveFile("/copied", "/at home/é"), refused(409));
	await client.createDirectory("/at home");
	await client.moveFile("/copied", "/at home/é");
	await client.moveFile("/at home/é/plain.txt", "/at home/é/renamed");
	await assert.rejects(client.copyFile("/c/large", "/at home/é/renamed", { overwrite: false }), refused(412));
	await client.copyFile("/c/large", "/at home/é/renamed");
	assert.equal((await client.stat("/at home/é/renamed")).size, 3 << 20);
	await client.deleteFile("/at home/é/renamed");
	await client.deleteFile("/at home");
	assert.equal(await client.exists("/at home"), false);
	await assert.rejects(client.deleteFile("/at home"), refused(404));
});
await step("locks", async () => {
	const { token } = await client.lock("/c/plain.txt");
	await assert.rejects(client.putFileContents("/c/plain.txt", "x"), refused(423));
	await assert.rejects(client.lock("/c/plain.txt"), refused(423));
	await client.putFileContents("/c/plain.txt", "locked", { headers: { If: `(<${token}>)` } });
	await assert.rejects(client.unlock("/c/large", token), refused(409));
	await client.unlock("/c/plain.txt", token); // as a bare URL
	await client.putFileContents("/c/plain.txt", "free");
	await assert.rejects(client.unlock("/c/plain.txt", token), refused(409));
});
await step("free space", async () => {
	assert.equal(await client.getQuota(), null); // it asks for allprop, where RFC 4331 §2 has none
});
if (kind === "disk") {
	await step("members that cannot be described, and links to nothing", async () => {
		for (const options of [{}, { deep: true }, { details: true }]) {
			const got = await client.getDirectoryContents("/odd", options);
			assert.deepEqual(names(options.details ? got.data : got), ["/odd/d/", "/odd/f", "/odd/pipe"]);
		}
		const pipe = (await client.getDirectoryContents("/odd")).find((m) => m.basename === "pipe");
		assert.ok(!pipe.size && !pipe.lastmod && !pipe.etag);
		await assert.rejects(client.stat("/odd/pipe"), refused(403));
		await assert.rejects(client.getFileContents("/odd/pipe"), refused(403));
		await assert.rejects(client.stat("/odd/broken"), refused(404));
		await client.deleteFile("/odd");
		assert.equal(await client.exists("/odd"), false);
	});
}
