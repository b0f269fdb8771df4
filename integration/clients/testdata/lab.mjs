// What npm's package webdav does with each kind of partial failure: node lab.mjs DAV207 KINDS runs "DAV207 lab" and prints a line of JSON for
// each of KINDS, a list of {name, faults, call}: null where the call succeeds, else the message of its error. DAV207_NODE_MODULES is the
// directory that the package is in.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const entry = join(process.env.DAV207_NODE_MODULES, "webdav", "dist", "node", "index.js");
const { createClient } = await import(pathToFileURL(entry));
const [program, kinds] = process.argv.slice(2);

const dir = mkdtempSync(join(tmpdir(), "lab-"));
const ready = join(dir, "ready");
const lab = spawn(program, ["lab", "--ready-file", ready, "--with-parent"], { stdio: ["pipe", "ignore", "inherit"] });
while (!existsSync(ready)) await sleep(10);
const { url, control } = JSON.parse(readFileSync(ready, "utf8"));
const ask = async (method, path, body) => {
	const answer = await fetch(control + path, { method, body });
	if (!answer.ok) throw new Error(await answer.text());
};

const client = createClient(url);
const calls = {
	delete: () => client.deleteFile("/c"),
	copy: () => client.copyFile("/c", "/new"),
	move: () => client.moveFile("/c", "/new"),
	list: async () => (await client.getDirectoryContents("/c")).length,
	stat: () => client.stat("/c/1"),
	put: () => client.putFileContents("/c/1", "new"),
	get: () => client.getFileContents("/c/1"),
};
for (const { name, faults, call } of JSON.parse(kinds)) {
	await ask("POST", "reset");
	await ask("PUT", "tree", "-- /c/1 --\none\n-- /c/2 --\ntwo\n-- /c/3 --\nthree\n");
	await ask("POST", "faults", JSON.stringify({ faults }));
	let error = null;
	try {
		await calls[call]();
	} catch (e) {
		error = e.message;
	}
	console.log(JSON.stringify({ name, error }));
}

lab.stdin.end();
await new Promise((done) => lab.on("exit", done));
rmSync(dir, { recursive: true });
