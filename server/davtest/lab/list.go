package lab

// List are the exercises in the order of the page. No property in them depends on the time.
var List = []Exercise{
	{
		About:  "PROPFIND of one file: properties that are there, that may not be read, that do not exist (RFC 4918 §9.1.3)",
		Method: "PROPFIND", Path: "propfind/file.html", Headers: []string{"Depth: 0"},
		Body: `<propfind xmlns="DAV:" xmlns:R="http://ns.example.com/boxschema/"><prop><R:bigbox/><R:author/><R:DingALing/><R:Random/>` +
			`<R:colour/></prop></propfind>`,
		Not: "that the file has all five properties because the status is 207: each propstat has its own.",
	},
	{
		About:  "PROPFIND of a collection: a member that may not be read is listed, with its 403 (§9.1)",
		Method: "PROPFIND", Path: "listing/", Headers: []string{"Depth: 1"},
		Body: `<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/></prop></propfind>`,
		Not:  "that the listing failed, nor that secret.txt is not there.",
	},
	{
		About:  "PROPPATCH of a property that is protected: it is 403, the other 424, and nothing is stored (§9.2.1)",
		Method: "PROPPATCH", Path: "proppatch/file.html",
		Body: `<propertyupdate xmlns="DAV:" xmlns:R="http://ns.example.com/boxschema/"><set><prop><R:author>Me</R:author>` +
			`<getetag>"mine"</getetag></prop></set></propertyupdate>`,
		Not: "that author was stored, or that it was refused for a reason of its own: 424 means that another one failed.",
	},
	{
		About:  "COPY of a collection: there is no room for one member, the others are copied (§9.8.3)",
		Method: "COPY", Path: "copy/from/", Headers: []string{"Destination: /copy/to/"},
		Not: "that everything was copied (a 207 is no success), nor that nothing was: what the 207 does not name is there.",
	},
	{
		About:  "MOVE of a collection: one member cannot be moved and stays, the others are moved (§9.9.2)",
		Method: "MOVE", Path: "move/from/", Headers: []string{"Destination: /move/to/"},
		Not: "that the source is gone: it is kept with the member that stayed.",
	},
	{
		About:  "DELETE of a collection: one nested member cannot be removed, and keeps its ancestors (§9.6.1)",
		Method: "DELETE", Path: "delete/",
		Not: "that only one resource is left: the collections above it are, though the answer does not name them.",
	},
	{
		About:  "DELETE of a collection: somebody else has locked one member (§9.6.2)",
		Method: "DELETE", Path: "locked/delete/",
		Not: "that a retry helps: it needs the lock token, or the end of the lock.",
	},
	{
		About:  "LOCK of a collection: somebody else has locked one member, so nothing is locked (§9.10.9)",
		Method: "LOCK", Path: "locked/lock/",
		Body: `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`,
		Not:  "that the collection is locked: a LOCK is done as a whole or not at all, and 207 is the failure.",
	},
	{
		About:  "DELETE of a file that somebody else has locked: nothing is partial here, so no 207 (§16)",
		Method: "DELETE", Path: "locked/file.txt",
		Not: "that partial failure is the only failure: a request for one resource has a plain status.",
	},
	{
		About:  "A redirect: the listing is elsewhere (RFC 9110 §15.4)",
		Method: "PROPFIND", Path: "transport/moved/", Headers: []string{"Depth: 1"},
		Not: "that the collection is empty because there is no multistatus. A redirect is about the whole request; a status inside of a 207 is about one resource.",
	},
	{
		About:  "A 207 from a cache: it lists what is not there any more (RFC 9111 §4.2)",
		Method: "PROPFIND", Path: "transport/cached/", Headers: []string{"Depth: 1"},
		Not: "that old.txt exists: Age and Cache-Control say that the answer is an hour old. A 207 is not cacheable unless it says so.",
	},
	{
		About:  "A proxy that buffers: the answer comes at once, after two seconds of silence",
		Method: "PROPFIND", Path: "transport/buffered/", Headers: []string{"Depth: 1"},
		Body: `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`,
		Not:  "that the server is down while nothing comes, nor that what came first was done first.",
	},
}
