package clients

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
)

// runSteps starts a server with a tree and runs the steps.
func runSteps(t *testing.T, tree string, steps ...harness.Step) *harness.ScriptRun {
	t.Helper()
	p := harness.StartScript(t, nil)
	p.Server.Put(strings.Fields(tree)...)
	for _, st := range steps {
		p.Step(st)
	}
	return p
}

// Requirement 2. neon reads the token from the header, macOS from the body.
func testLockUnmapped(t *testing.T) {
	p := runSteps(t, "/c/")
	r := p.Do("LOCK /c/new | exclusive | Timeout: Second-600")
	header, locks := strings.Trim(r.Header.Get("Lock-Token"), "<>"), harness.ActiveLocks(t, r.Body)
	if r.StatusCode != 201 || len(locks) != 1 || locks[0].Token != header || !strings.HasPrefix(header, "urn:uuid:") || locks[0].Timeout != "Second-600" {
		t.Errorf("LOCK = %v, Lock-Token %q, body %+v", r, header, locks)
	}
	if got := p.Server.Names(); got != "/ /c/ /c/new" || p.Server.Content("/c/new") != "" {
		t.Errorf("tree = %s, want an empty file", got)
	}
}

// Requirement 3.
func testTimeouts(t *testing.T) {
	for asked, want := range map[string]string{"Infinite": "Second-86400", "": "Second-3600", "Second-0": "Second-1", "Second-999999": "Second-86400",
		"Infinite, Second-4100000000": "Second-86400", "Second-180": "Second-180"} {
		p := runSteps(t, "/f")
		request := "LOCK /f | exclusive"
		if asked != "" {
			request += " | Timeout: " + asked
		}
		r := p.Do(request + " | as f")
		if got := harness.ActiveLocks(t, r.Body); len(got) != 1 || got[0].Timeout != want {
			t.Errorf("Timeout %q grants %+v, want %s", asked, got, want)
		}
	}
	p := runSteps(t, "/f", harness.Step{"LOCK /f | exclusive | Timeout: Second-600 | as f", "200"})
	p.Server.Advance(1500 * time.Millisecond)
	if got := p.LockDiscovery("/f", ""); len(got) != 1 || got[0].Timeout != "Second-599" {
		t.Errorf("598.5 s before the end there is %+v, want Second-599", got)
	}
	p.Server.Advance(300 * time.Second)
	if got := harness.ActiveLocks(t, p.Do("LOCK /f | If: (<{f}>) | Timeout: Second-600").Body); len(got) != 1 || got[0].Timeout != "Second-600" {
		t.Errorf("the refresh grants %+v, want the whole time", got)
	}
}

// Requirement 4.
func testRefresh(t *testing.T) {
	for client, headers := range map[string]string{
		"neon":  "If: (<{f}>)",
		"macOS": "Accept: */* | Depth: 0 | Timeout: Second-600 | Content-Type: text/xml | If: (<{f}>)",
	} {
		p := runSteps(t, "/f", harness.Step{"LOCK /f | exclusive | Depth: 0 | as f", "200"})
		r := p.Do("LOCK /f | " + headers)
		if got := harness.ActiveLocks(t, r.Body); r.StatusCode != 200 || len(got) != 1 || got[0].Token != p.Fill("{f}") {
			t.Errorf("%s: the refresh = %v, %+v", client, r, got)
		}
		p.Step(harness.Step{"UNLOCK /f | Lock-Token: <{f}>", "204"})
		p.Step(harness.Step{"LOCK /f | " + headers, "412 lock-token-matches-request-uri"})
	}
	// Neither a new lock (§9.10.1: "MUST have an XML request body") nor a refresh (§9.10.2: "MUST
	// specify which lock"). Office 2013 and clients that wait for a 401 send such a LOCK first. If
	// it were granted, the client would not know the token, and its next LOCK would conflict.
	for _, name := range []string{"/f", "/new", "/c/"} {
		p := runSteps(t, "/f /c/", harness.Step{"LOCK " + name + " | Timeout: Second-3600 | Content-Type: text/xml", "400"})
		if got := p.Server.Names(); got != "/ /c/ /f" {
			t.Errorf("a LOCK of %s without body and If leaves %s", name, got)
		}
		p.Step(harness.Step{"LOCK " + name + " | exclusive", map[bool]string{true: "201", false: "200"}[name == "/new"]})
	}
}

// Requirement 5.
func testIfPerResource(t *testing.T) {
	for _, tt := range []struct {
		what, tree string
		steps      []harness.Step
	}{
		{"Office: LOCK, PUT, MOVE of the temporary file over an unlocked document", "/doc", []harness.Step{
			{"LOCK /tmp | exclusive | as t", "201"},
			{"PUT /tmp | If: (<{t}>)", "204"},
			{"MOVE /tmp | Destination: /doc | Overwrite: T | If: (<{t}>)", "204"},
			{"PUT /doc", "204"},
		}},
		{"the same to a new name", "/c/", []harness.Step{
			{"LOCK /tmp | exclusive | as t", "201"},
			{"MOVE /tmp | Destination: /c/doc | If: (<{t}>)", "201"},
			{"PUT /c/doc", "204"},
		}},
		{"COPY of a locked file to an unlocked name", "/f", []harness.Step{
			{"LOCK /f | exclusive | as f", "200"},
			{"COPY /f | Destination: /g", "201"},
			{"COPY /f | Destination: /h | If: (<{f}>)", "201"},
		}},
		{"an untagged list is about the Request-URI", "/f /g", []harness.Step{
			{"LOCK /f | exclusive | as f", "200"},
			{"MOVE /g | Destination: /f | If: (<{f}>)", "412"},
			{"MOVE /g | Destination: /f | If: </f> (<{f}>)", "204"},
		}},
		{"a locked destination needs its own token", "/f /g", []harness.Step{
			{"LOCK /f | exclusive | as f", "200"},
			{"LOCK /g | exclusive | as g", "200"},
			{"MOVE /f | Destination: /g | If: (<{f}>)", "423 lock-token-submitted(/g)"},
			{"MOVE /f | Destination: /g | If: (<{f}>) (<{g}>)", "204"},
		}},
		{"the collection of the destination, locked with depth 0", "/f /c/", []harness.Step{
			{"LOCK /c/ | exclusive | Depth: 0 | as c", "200"},
			{"LOCK /f | exclusive | as f", "200"},
			{"MOVE /f | Destination: /c/f | If: (<{f}>)", "423 lock-token-submitted(/c/)"},
			{"MOVE /f | Destination: /c/f | If: </f> (<{f}>) </c/> (<{c}>)", "201"},
		}},
		{"members: each has its own answer", "/c/1 /c/2 /c/3", []harness.Step{
			{"LOCK /c/1 | exclusive | as a", "200"},
			{"LOCK /c/2 | exclusive | as b", "200"},
			{"DELETE /c/ | If: </c/1> (<{a}>)", "207 /c/2=423 lock-token-submitted(/c/2)"},
		}},
		{"macOS: untagged lists name the locks of members, one line each", "/c/1 /c/2", []harness.Step{
			{"LOCK /c/1 | exclusive | as a", "200"},
			{"LOCK /c/2 | exclusive | as b", "200"},
			{"MOVE /c/ | Destination: /d/ | If: (<{a}>) | If: (<{b}>)", "201"},
		}},
		{"and so for DELETE", "/c/1", []harness.Step{
			{"LOCK /c/1 | exclusive | as a", "200"},
			{"DELETE /c/ | If: (<{a}>)", "204"},
		}},
		{"cadaver: full URLs as tags", "/c/f", []harness.Step{
			{"LOCK /c/ | exclusive | as c", "200"},
			{"PUT /c/f | If: <http://{host}/c/> (<{c}>)", "204"},
			{"PUT /c/g | If: <http://{host}/c/> (<{c}>)", "201"},
		}},
		{"Cyberduck: paths as tags", "/c/f", []harness.Step{
			{"LOCK /c/f | exclusive | as f", "200"},
			{"PUT /c/f | If: </c/f> (<{f}>)", "204"},
		}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			p := harness.StartScript(t, nil)
			p.Known = []string{"{host}", p.Server.Listener.Addr().String()}
			p.Server.Put(strings.Fields(tt.tree)...)
			for _, st := range tt.steps {
				p.Step(st)
			}
		})
	}
}

// Requirement 12.
func testDavfsCreates(t *testing.T) {
	runSteps(t, "",
		harness.Step{"LOCK /new | exclusive | Depth: 0 | If-None-Match: * | as t", "201"}, // so davfs2 sends no If-None-Match with PUT
		harness.Step{"HEAD /new | as empty", "200"},
		harness.Step{"PUT /new | If: </new> (<{t}>) | If-None-Match: *", "412"},
		harness.Step{"PUT /new | If: </new> (<{t}>) | If-Match: {empty} | as one", "204"},
		harness.Step{"PUT /new | If: </new> (<{t}>) | If-Match: {empty}", "412"},
		harness.Step{"PUT /new | If: </new> (<{t}>) | If-Match: {one}", "204"},
		harness.Step{"UNLOCK /new | Lock-Token: <{t}>", "204"},
	)
	runSteps(t, "",
		harness.Step{"LOCK /new | exclusive | Depth: 0 | If-None-Match: * | as t", "201"},
		harness.Step{"PUT /new | If: </new> (<{t}>)", "204"},
	)
	runSteps(t, "/there",
		harness.Step{"LOCK /there | exclusive | Depth: 0 | If-None-Match: *", "412"},
		harness.Step{"PUT /there | If-None-Match: *", "412"},
		harness.Step{"PUT /there | If-Match: *", "204"},
		harness.Step{"LOCK /there | exclusive | Depth: 0 | If-Match: * | as t", "200"},
		harness.Step{"PUT /there | If: (<{t}>) | as tag", "204"},
		harness.Step{"HEAD /there | If-None-Match: {tag}", "304"},
		harness.Step{"GET /there | If-None-Match: {tag}", "304"},
		harness.Step{"HEAD /there | If-Match: \"x\"", "412"},
		harness.Step{"MOVE /there | Destination: /gone | If: (<{t}>) | If-Match: \"x\"", "412"},
		harness.Step{"DELETE /there | If: (<{t}>) | If-Match: \"x\"", "412"},
		harness.Step{"MOVE /there | Destination: /here | If: (<{t}>) | If-Match: {tag}", "201"},
		harness.Step{"DELETE /here | If-Match: {tag}", "204"},
		harness.Step{"PUT /here | If-Match: {tag}", "412"},
	)
	runSteps(t, "/busy",
		harness.Step{"LOCK /busy | exclusive | jane", "200"},
		harness.Step{"LOCK /busy | exclusive | joe | If-Match: *", "423 no-conflicting-lock(/busy)"},
	)
}

// Requirement 27.
func testLocksEnd(t *testing.T) {
	for i, steps := range [][]harness.Step{
		{
			{"LOCK /f | exclusive | as f", "200"},
			{"DELETE /f | If: (<{f}>)", "204"},
			{"PUT /f", "201"}, // Windows: LOCK, PUT, DELETE, PUT
			{"LOCK /f | exclusive", "200"},
		},
		{
			{"LOCK /f | exclusive | as f", "200"},
			{"MOVE /f | Destination: /g | If: (<{f}>)", "201"},
			{"PUT /g", "204"},
			{"PUT /f", "201"},
			{"UNLOCK /g | Lock-Token: <{f}>", "409 lock-token-matches-request-uri"},
		},
		{
			{"LOCK /c/m | exclusive | as m", "200"},
			{"MOVE /d/ | Destination: /c/ | If: </c/m> (<{m}>)", "204"}, // the old destination is deleted with its lock
			{"PUT /c/m", "204"},
		},
		// "if there is an existing lock at the destination, the server MUST add the moved resource
		// to the destination lock scope" (§7.6): its URL stays mapped (§6.1 no. 8).
		// Office locks a document, moves the saved file over it, and unlocks it.
		{
			{"LOCK /f | exclusive | as doc", "200"},
			{"PUT /tmp", "201"},
			{"MOVE /tmp | Destination: /f | Overwrite: T", "423 lock-token-submitted(/f)"},
			{"MOVE /tmp | Destination: /f | Overwrite: T | If: </f> (<{doc}>)", "204"},
			{"PUT /f", "423 lock-token-submitted(/f)"},
			{"LOCK /f | If: (<{doc}>)", "200"},
			{"PUT /f | If: (<{doc}>)", "204"},
			{"UNLOCK /f | Lock-Token: <{doc}>", "204"},
			{"PUT /f", "204"},
		},
		{
			{"LOCK /f | exclusive | as doc", "200"},
			{"COPY /c/m | Destination: /f | If: </f> (<{doc}>)", "204"},
			{"PUT /f", "423 lock-token-submitted(/f)"},
			{"UNLOCK /f | Lock-Token: <{doc}>", "204"},
		},
		{
			{"LOCK /c/ | exclusive | as c", "200"},
			{"MOVE /d/ | Destination: /c/ | If: </c/> (<{c}>)", "204"},
			{"PUT /c/m", "423 lock-token-submitted(/c/)"},
			{"UNLOCK /c/ | Lock-Token: <{c}>", "204"},
		},
		{ // both locked: the lock of the source ends, that of the destination stays
			{"LOCK /f | exclusive | as f", "200"},
			{"LOCK /c/m | exclusive | as m", "200"},
			{"MOVE /c/m | Destination: /f | If: (<{m}>) </f> (<{f}>)", "400"}, // no tag may follow lists without one
			{"MOVE /c/m | Destination: /f | If: </c/m> (<{m}>) </f> (<{f}>)", "204"},
			{"UNLOCK /f | Lock-Token: <{m}>", "409 lock-token-matches-request-uri"},
			{"UNLOCK /f | Lock-Token: <{f}>", "204"},
		},
		{
			{"LOCK /c/ | exclusive | as c", "200"},
			{"UNLOCK /d/ | Lock-Token: <{c}>", "409 lock-token-matches-request-uri"},
			{"UNLOCK / | Lock-Token: <{c}>", "409 lock-token-matches-request-uri"},
			{"UNLOCK /f | Lock-Token: <{c}>", "409 lock-token-matches-request-uri"},
			{"UNLOCK /c/m | Lock-Token: <{c}>", "204"},
		},
		{
			{"LOCK /f | exclusive | jane | as f", "200"},
			{"PUT /f | joe | If: (<{f}>)", "423 lock-token-submitted(/f)"},
			{"DELETE /f | joe | If: (<{f}>)", "423 lock-token-submitted(/f)"},
			{"MOVE /f | Destination: /g | joe | If: (<{f}>)", "423 lock-token-submitted(/f)"},
			{"COPY /c/m | Destination: /f | joe | If: </f> (<{f}>)", "423 lock-token-submitted(/f)"},
			{"PROPPATCH /f | joe | If: (<{f}>)", "423 lock-token-submitted(/f)"},
			{"LOCK /f | joe | If: (<{f}>)", "403"},
			{"UNLOCK /f | joe | Lock-Token: <{f}>", "403"},
			{"PUT /f | If: (<{f}>)", "423 lock-token-submitted(/f)"}, // without credentials the user is another one, too
			{"PUT /f | jane | If: (<{f}>)", "204"},
			{"UNLOCK /f | jane | Lock-Token: <{f}>", "204"},
		},
		{
			{"LOCK /c/m | exclusive | jane | as m", "200"},
			{"DELETE /c/ | joe | If: </c/m> (<{m}>)", "207 /c/m=423 lock-token-submitted(/c/m)"},
		},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) { runSteps(t, "/f /c/m /d/m", steps...) })
	}
}
