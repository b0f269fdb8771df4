async (base, authorization) => {
	let lines = "";
	// exchange sends a request and returns its response, null if the browser does not show it.
	async function exchange(label, method, path, headers = {}, body = null, exposed = []) {
		let line = label, res = null;
		try {
			res = await fetch(base + path, { method, headers, body });
			line += " " + res.status;
			for (const [name, exact] of exposed) {
				const value = res.headers.get(name);
				line += ` ${name}=${exact ? value : value !== null}`;
			}
		} catch (error) {
			line += " " + error.name;
		}
		lines += line + "\n";
		return res;
	}
	const logIn = { Authorization: authorization };
	const send = (method, path, headers, body, ...exposed) => exchange(method, method, path, { ...logIn, ...headers }, body, exposed);
	// note adds to the last line.
	const note = (res, text) => { if (res) lines = lines.slice(0, -1) + " " + text + "\n"; };
	const textOf = async res => res ? await res.text() : "";

	await exchange("PUT without a password", "PUT", "/f", {}, "x", [["WWW-Authenticate"]]);
	await send("OPTIONS", "/", {}, null, ["DAV", true], ["Allow"]);
	await send("PUT", "/f", { "If-None-Match": "*", "Content-Type": "text/plain" }, "hello", ["ETag"]);
	let res = await send("GET", "/f", { Range: "bytes=1-2" }, null, ["Content-Range", true], ["Accept-Ranges", true]);
	note(res, "body=" + await textOf(res));
	res = await send("LOCK", "/f", { Depth: "0", Timeout: "Second-100", "Content-Type": "application/xml" },
		`<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`, ["Lock-Token"]);
	const token = res ? res.headers.get("Lock-Token") : "<urn:none>";
	res = await exchange("PUT without the token", "PUT", "/f", logIn, "x");
	note(res, "body=" + (await textOf(res)).includes("lock-token-submitted"));
	await send("PUT", "/f", { If: `(${token})`, "X-OC-Mtime": "1000000000" }, "hello!", ["X-OC-Mtime", true]);
	res = await send("PROPFIND", "/", { Depth: "1", Prefer: "return=minimal" }, null);
	note(res, "body=" + (await textOf(res)).includes("<D:href>/f</D:href>"));
	await send("PROPPATCH", "/f", { If: `(${token})`, "Content-Type": "application/xml" },
		`<propertyupdate xmlns="DAV:"><set><prop><x xmlns="x:">v</x></prop></set></propertyupdate>`);
	await send("MOVE", "/f", { Destination: base + "/g", Overwrite: "F", If: `(${token})` });
	await send("UNLOCK", "/g", { "Lock-Token": token }); // MOVE does not take locks along
	await send("GET", "/none", {}, null, ["Date"]);
	await send("PUT", "/g", { "If-Match": `"other"` }, "x");
	await send("MKCOL", "/c/");
	await send("COPY", "/g", { Destination: base + "/c/g", Depth: "0" });
	await send("HEAD", "/c/g", {}, null, ["Content-Length", true]);
	await send("DELETE", "/c/");
	await send("POST", "/g", {}, "x", ["Allow"]);
	return lines;
}
