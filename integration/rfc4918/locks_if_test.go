package rfc4918

import (
	"fmt"
	"strings"
	"testing"

	"dav207/integration/harness"
)

// TestIfHeader sends If headers. /f is locked, /g is not, and /c/ with its member /c/m is locked
// with depth infinity. {f} and {c} are the tokens; {F}, {G} and {M} are the entity tags of /f, /g
// and /c/m.
func TestIfHeader(t *testing.T) {
	const locked = "423 lock-token-submitted(/f)"
	for _, tt := range []struct{ rule, request, want string }{
		// 10.4.3: a list is true if all of its conditions are true, the header if one of its lists
		// is.
		{"10.4.3", "PUT /g | If: ([{G}])", "204"},
		{"10.4.3", `PUT /g | If: (["x"])`, "412"},
		{"10.4.3 Not", `PUT /g | If: (Not ["x"])`, "204"},
		{"10.4.3 Not", "PUT /g | If: (Not [{G}])", "412"},
		{"10.4.3 Not is for one condition", `PUT /g | If: (Not ["x"] [{G}])`, "204"},
		{"10.4.3 Not is for one condition", `PUT /g | If: (Not [{G}] ["x"])`, "412"},
		{"10.4.3 and", `PUT /g | If: ([{G}] ["x"])`, "412"},
		{"10.4.3 or", `PUT /g | If: (["x"]) ([{G}])`, "204"},
		{"10.4.3 or", `PUT /g | If: (["x"]) (["y"])`, "412"},
		{"10.4.8 DAV:no-lock is no lock's token", "PUT /g | If: (<DAV:no-lock>)", "412"},
		{"10.4.8 DAV:no-lock is no lock's token", "PUT /g | If: (Not <DAV:no-lock>)", "204"},
		{"10.4.8 also of what is locked", "PUT /f | If: (<DAV:no-lock>)", "412"},
		{"10.4.8 also of what is locked", "PUT /f | If: (<{f}>) (<DAV:no-lock>)", "204"},
		{"10.4.4 an unknown token", "PUT /g | If: (<urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2>)", "412"},
		{"10.4.4 an unknown token", "PUT /g | If: (Not <urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2>)", "204"},
		{"10.4.4 an unknown scheme", "PUT /g | If: (<opaquelocktoken:1>)", "412"},
		{"10.4.4 an unknown scheme", "PUT /g | If: (<opaquelocktoken:1>) (Not <http://example.org/state>)", "204"},
		{"10.4.4 the token of another resource", "PUT /g | If: (<{f}>)", "412"},
		{"10.4.4 the token of another resource", "PUT /g | If: (Not <{f}>)", "204"},
		{"10.4.4 tokens match exactly", "PUT /f | If: (<{f}0>)", "412"},

		// 10.4.2: repeated lines, white space, case.
		{"RFC 9110 §5.3 several lines", `PUT /g | If: (["x"]) | If: ([{G}])`, "204"},
		{"10.4.2 white space is free", "PUT /g | If:   ( [{G}]\tNot  <DAV:no-lock> )  ", "204"},
		{"10.4.2 no white space", "PUT /g | If: (Not<DAV:no-lock>[{G}])", "204"},
		{"RFC 5234 §2.3 case of Not", "PUT /g | If: (NOT <DAV:no-lock>)", "204"},

		// Tagged lists are about other resources.
		{"10.4.4 tagged: its own", "PUT /g | If: </g> ([{G}])", "204"},
		{"10.4.4 tagged: another's tag", "PUT /g | If: </f> ([{G}])", "412"},
		{"10.4.4 tagged: another's tag", "PUT /g | If: </f> ([{F}])", "204"},
		{"10.4.4 tagged: another's lock", "PUT /g | If: </f> (<{f}>)", "204"},
		{"10.4.4 tagged: not its lock", "PUT /g | If: </g> (<{f}>)", "412"},
		{"10.4.4 tagged: the scope of a lock", "PUT /g | If: </c/m> (<{c}>)", "204"},
		{"10.4.3 one of two", `PUT /g | If: </g> (["x"]) </f> (<{f}>)`, "204"},
		{"10.4.3 none of two", `PUT /g | If: </g> (["x"]) </f> (["x"])`, "412"},
		{"10.4.3 two lists for one tag", `PUT /g | If: </f> (["x"]) (<{f}>)`, "204"},
		{"8.3 an absolute URI", "PUT /g | If: <http://{host}/f> (<{f}>)", "204"},
		{"8.3 an escaped one", "PUT /g | If: <http://{host}/%66> (<{f}>)", "204"},
		{"8.3 a collection without its slash", "PUT /g | If: </c> (<{c}>)", "204"},
		{"10.4.4 a tag on another server", "PUT /g | If: <http://elsewhere.example/f> (<{f}>)", "412"},
		{"10.4.4 a tag on another server, of which nothing is known", `PUT /g | If: <http://elsewhere.example/f> (Not ["x"])`, "412"},
		{"10.4.8 no server has it", "PUT /g | If: <http://elsewhere.example/f> (Not <DAV:no-lock>)", "204"},
		{"8.3 a tag that can name no resource", `PUT /g | If: </g%2Fh> (Not ["x"])`, "400"},
		{"10.4.4 nothing is there", `PUT /g | If: </none> (["x"])`, "412"},
		{"10.4.4 nothing is there", `PUT /g | If: </none> (Not ["x"])`, "204"},
		{"10.4.4 nothing is there", "PUT /g | If: </none> (<{f}>)", "412"},
		{"10.4.4 a collection has no tag", `PUT /g | If: </c/> (Not ["x"])`, "204"},
		{"10.4.11 unmapped", `PUT /new | If: (["x"])`, "412"},
		{"10.4.11 unmapped", `PUT /new | If: (Not ["x"])`, "201"},

		// First 412, then 423 (10.4.1, 7.5): a true header without the token of a lock does not
		// submit it.
		{"7.5 no header", "PUT /f", locked},
		{"7.5 a header that holds, without the token", "PUT /f | If: ([{F}])", locked},
		{"7.5 a header that holds, without the token", "PUT /f | If: (Not <DAV:no-lock>)", locked},
		{"7.5 the token of another lock", "PUT /f | If: </c/> (<{c}>)", locked},
		{"7.5 the token", "PUT /f | If: (<{f}>)", "204"},
		{"7.5 the token with the tag", "PUT /f | If: (<{f}> [{F}])", "204"},
		{"10.4.1 412 comes first", `PUT /f | If: (["x"])`, "412"},
		{"10.4.1 the token with a wrong tag", `PUT /f | If: (<{f}> ["x"])`, "412"},
		{"7.5.2 the form does not matter", "PUT /f | If: (Not <{f}>) (Not <DAV:no-lock>)", "204"},
		{"10.4.3 that the token is not", "PUT /f | If: (Not <{f}>)", "412"},
		{"7.5.2 submitted in a list that does not hold", `PUT /f | If: (<{f}> ["x"]) ([{F}])`, "204"},
		{"7.5.2 submitted for another resource", "PUT /f | If: </g> (<{f}>) (Not <DAV:no-lock>)", "204"},
		{"7.5.2 a member, untagged", "PUT /c/m | If: (<{c}>)", "204"},
		{"7.5.2 a member, tagged with the collection", "PUT /c/m | If: </c/> (<{c}>)", "204"},
		{"7.5.2 a member, tagged with itself", "PUT /c/m | If: </c/m> (<{c}>)", "204"},
		{"7.5.2 a member, without", "PUT /c/m", "423 lock-token-submitted(/c/)"},

		// MOVE and COPY: each resource that changes (clients requirement 5).
		{"7.5 MOVE of what is locked to a free name", "MOVE /f | Destination: /new | If: (<{f}>)", "201"},
		{"7.5 MOVE onto what is locked", "MOVE /g | Destination: /f", locked},
		{"7.5 MOVE onto what is locked, untagged", "MOVE /g | Destination: /f | If: (<{f}>)", "412"},
		{"7.5 MOVE onto what is locked, tagged", "MOVE /g | Destination: /f | If: </f> (<{f}>)", "204"},
		{"7.5 MOVE of one onto the other", "MOVE /f | Destination: /c/m | If: (<{f}>)", "423 lock-token-submitted(/c/)"},
		{"7.5 MOVE of one onto the other, both", "MOVE /f | Destination: /c/m | If: </f> (<{f}>) </c/m> (<{c}>)", "204"},
		{"7.5.1 COPY of what is locked", "COPY /f | Destination: /new", "201"},
		{"7.5.1 COPY onto what is locked", "COPY /g | Destination: /f", locked},
		{"7.5.1 COPY onto what is locked, tagged", "COPY /g | Destination: /f | If: </f> (<{f}> [{F}])", "204"},
		{"10.4.9 COPY, with a condition on the destination", `COPY /g | Destination: /f | If: </f> (<{f}> ["x"])`, "412"},
		{"10.4.9 MOVE, with a condition on the destination", `MOVE /g | Destination: /c/m | If: </c/m> (<{c}> [{M}])`, "204"},
		{"7.5 DELETE of the collection, tagged", "DELETE /c/ | If: </c/> (<{c}>)", "204"},

		// 10.4.2: a malformed header is 400 before all other checks.
		{"10.4.2", "PUT /g | If: ()", "400"},
		{"10.4.2", "PUT /g | If: (", "400"},
		{"10.4.2", "PUT /g | If: (<{f}>", "400"},
		{"10.4.2", "PUT /g | If: <{f}>", "400"},
		{"10.4.2", "PUT /g | If: {f}", "400"},
		{"10.4.2", "PUT /g | If: ({f})", "400"},
		{"10.4.2", "PUT /g | If: ([x])", "400"},
		{"10.4.2", `PUT /g | If: (["x)`, "400"},
		{"10.4.2", `PUT /g | If: (["x")`, "400"},
		{"10.4.2", "PUT /g | If: (Not)", "400"},
		{"10.4.2", "PUT /g | If: (Not Not <DAV:no-lock>)", "400"},
		{"10.4.2", "PUT /g | If: (Nothing <DAV:no-lock>)", "400"},
		{"10.4.2", "PUT /g | If: </g>", "400"},
		{"10.4.2", "PUT /g | If: (<{f}>) </f>", "400"},
		{"10.4.2 tagged and untagged do not mix", "PUT /g | If: ([{G}]) </f> (<{f}>)", "400"},
		{"10.4.2 no commas", "PUT /g | If: ([{G}]), (<{f}>)", "400"},
		{"10.4.2 a token is an absolute URI", "PUT /g | If: (Not <token>)", "400"},
		{"10.4.2 400 comes before 423", "PUT /f | If: (", "400"},
		{"10.4.2 400 comes before 404", "GET /none | If: (", "400"},
		{"10.4.2 too many conditions", "PUT /g | If: (" + strings.Repeat("Not <DAV:no-lock> ", 10_000) + ")", "400"},
	} {
		t.Run(harness.NoSlash(fmt.Sprintf("%s %.80s", tt.rule, tt.request)), func(t *testing.T) {
			t.Parallel()
			p := harness.StartScript(t, nil)
			p.Server.Put("/f", "/g", "/c/m")
			p.Known = []string{"{host}", p.Server.Listener.Addr().String()}
			p.Do("HEAD /f | as F")
			p.Do("HEAD /g | as G")
			p.Do("HEAD /c/m | as M")
			p.Do("LOCK /f | exclusive | Depth: 0 | as f")
			p.Do("LOCK /c/ | exclusive | as c")
			before := harness.TreeOf(p.Server).String()
			p.Step(harness.Step{tt.request, tt.want})
			if after := harness.TreeOf(p.Server).String(); strings.HasPrefix(tt.want, "4") && after != before {
				t.Errorf("the refused request changed the tree\nfrom %s\n  to %s", before, after)
			}
		})
	}
}

// "Treat as if the URL identified a resource that exists but does not have the specified state"
// (§10.4.4): an unmapped URL in the scope of a lock does not have its token.
func TestIfUnmappedHasNoState(t *testing.T) {
	runScripts(t, nil, []script{{"10.4.4 a token on an unmapped URL", "/c/m", []harness.Step{
		{"LOCK /c/ | exclusive | as c", "200"},
		{"PUT /c/new | If: (<{c}>)", "412"},
		{"MKCOL /c/new | If: (<{c}>)", "412"},
		{"PUT /c/new | If: (Not <{c}>)", "201"},
	}}})
}

// TestIfEveryMethod sends each method a false and a true If header.
func TestIfEveryMethod(t *testing.T) {
	for request, want := range map[string]string{
		"GET /f":                        "200",
		"HEAD /f":                       "200",
		"GET /c/":                       "200",
		"HEAD /c/":                      "200",
		"PUT /f":                        "204",
		"PUT /new":                      "201",
		"DELETE /f":                     "204",
		"DELETE /c/":                    "204",
		"MKCOL /new":                    "201",
		"COPY /f | Destination: /new":   "201",
		"COPY /c/ | Destination: /new/": "201",
		"MOVE /f | Destination: /new":   "201",
		"MOVE /c/ | Destination: /new/": "201",
		`PROPFIND /f | Depth: 0 | body: <propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`: "207 /f=200[resourcetype]",
		"PROPPATCH /f":                  "207 /f=200",
		"LOCK /f | exclusive":           "200",
		"LOCK /new | exclusive":         "201",
		"UNLOCK /l | Lock-Token: <{l}>": "204",
	} {
		t.Run(harness.NoSlash(request), func(t *testing.T) {
			t.Parallel()
			p := harness.StartScript(t, nil)
			p.Server.Put("/f", "/c/m", "/l")
			p.Do("LOCK /l | exclusive | as l")
			before := harness.TreeOf(p.Server).String()
			p.Step(harness.Step{request + ` | If: (<DAV:no-lock>) (["x"])`, "412"})
			if after := harness.TreeOf(p.Server).String(); after != before {
				t.Errorf("the tree changed from %s to %s", before, after)
			}
			p.Step(harness.Step{request + " | If: (Not <DAV:no-lock>)", want})
		})
	}
}
