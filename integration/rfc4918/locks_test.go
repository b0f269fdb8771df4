package rfc4918

import (
	"strings"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
)

// TestLockCompatibility is the table of §9.10.5, extended by depth (§6.1, §7.4, §9.10.3). A lock
// also conflicts with another LOCK of the same client, which has to refresh it instead.
func TestLockCompatibility(t *testing.T) {
	for _, tt := range []struct{ rule, first, second, want string }{
		{"9.10.5 exclusive, exclusive", "LOCK /c/m | exclusive", "LOCK /c/m | exclusive", "423 no-conflicting-lock(/c/m)"},
		{"9.10.5 exclusive, shared", "LOCK /c/m | exclusive", "LOCK /c/m | shared", "423 no-conflicting-lock(/c/m)"},
		{"9.10.5 shared, exclusive", "LOCK /c/m | shared", "LOCK /c/m | exclusive", "423 no-conflicting-lock(/c/m)"},
		{"9.10.5 shared, shared", "LOCK /c/m | shared", "LOCK /c/m | shared", "200"},
		{"9.10.5 the token of the first does not help", "LOCK /c/m | exclusive | as a", "LOCK /c/m | exclusive | If: (<{a}>)", "423 no-conflicting-lock(/c/m)"},
		{"6.1 of one user", "LOCK /c/m | exclusive | jane", "LOCK /c/m | exclusive | jane", "423 no-conflicting-lock(/c/m)"},
		{"6.1 infinity covers members", "LOCK /c/ | exclusive", "LOCK /c/m | exclusive", "423 no-conflicting-lock(/c/)"},
		{"6.1 infinity covers members of members", "LOCK /c/ | exclusive", "LOCK /c/d/n | shared", "423 no-conflicting-lock(/c/)"},
		{"6.1 the root covers all", "LOCK / | exclusive", "LOCK /c/d/n | exclusive", "423 no-conflicting-lock(/)"},
		{"9.10.3 no Depth is infinity", "LOCK /c | exclusive", "LOCK /c/m | exclusive | Depth: 0", "423 no-conflicting-lock(/c/)"},
		{"7.4 depth 0 leaves members alone", "LOCK /c/ | exclusive | Depth: 0", "LOCK /c/m | exclusive", "200"},
		{"7.4 depth 0 over a locked member", "LOCK /c/m | exclusive", "LOCK /c/ | exclusive | Depth: 0", "200"},
		{"9.10.9 infinity over a locked member", "LOCK /c/m | exclusive", "LOCK /c/ | exclusive", "207 /c/=424 /c/m=423 no-conflicting-lock(/c/m)"},
		{"9.10.9 infinity over a locked member of a member", "LOCK /c/d/n | exclusive", "LOCK /c/ | exclusive", "207 /c/=424 /c/d/n=423 no-conflicting-lock(/c/d/n)"},
		{"9.10.9 over a collection locked with depth 0", "LOCK /c/d/ | exclusive | Depth: 0", "LOCK /c/ | exclusive", "207 /c/=424 /c/d/=423 no-conflicting-lock(/c/d/)"},
		{"9.10.9 exclusive over a shared member", "LOCK /c/m | shared", "LOCK /c/ | exclusive", "207 /c/=424 /c/m=423 no-conflicting-lock(/c/m)"},
		{"9.10.9 shared over an exclusive member", "LOCK /c/m | exclusive", "LOCK /c/ | shared", "207 /c/=424 /c/m=423 no-conflicting-lock(/c/m)"},
		{"6.2 shared over a shared member", "LOCK /c/m | shared", "LOCK /c/ | shared", "200"},
		{"6.2 shared below shared", "LOCK /c/ | shared", "LOCK /c/m | shared", "200"},
		{"6.2 exclusive below shared", "LOCK /c/ | shared", "LOCK /c/m | exclusive", "423 no-conflicting-lock(/c/)"},
		{"6.1 a name that begins alike is another", "LOCK /c/m | exclusive", "LOCK /c/mm | exclusive", "200"},
		{"6.1 a collection that begins alike is another", "LOCK /c/ | exclusive", "LOCK /cc/ | exclusive", "200"},
		{"6.1 with and without a slash is one resource", "LOCK /c | exclusive | Depth: 0", "LOCK /c/ | exclusive | Depth: 0", "423 no-conflicting-lock(/c/)"},
		{"9.10.3 Depth: 1 is refused", "LOCK /c/m | exclusive", "LOCK /cc/ | exclusive | Depth: 1", "400"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			p := harness.StartScript(t, nil)
			p.Server.Put("/c/m", "/c/mm", "/c/d/n", "/cc/")
			if got := p.Do(tt.first).String(); got != "200" {
				t.Fatalf("%s = %s", tt.first, got)
			}
			got := p.Do(tt.second)
			if g := harness.SortResponses(got.String()); g != tt.want {
				t.Errorf("%s, then %s\n got %s\nwant %s", tt.first, tt.second, g, tt.want)
			}
			// All or nothing (§9.10.3).
			if token := got.Header.Get("Lock-Token"); (token != "") != (got.StatusCode == 200) {
				t.Errorf("Lock-Token = %q with status %d", token, got.StatusCode)
			}
		})
	}
}

// Two locked members are in one answer, each with its own lock root, and the collection occurs
// once.
func TestLockSeveralLockedMembers(t *testing.T) {
	p := harness.StartScript(t, nil)
	p.Server.Put("/c/1", "/c/2", "/c/d/3")
	p.Do("LOCK /c/1 | exclusive")
	p.Do("LOCK /c/2 | shared")
	p.Do("LOCK /c/2 | shared")
	p.Do("LOCK /c/d/ | exclusive")
	const want = "207 /c/1=423 no-conflicting-lock(/c/1) /c/2=423 no-conflicting-lock(/c/2) /c/=424 /c/d/=423 no-conflicting-lock(/c/d/)"
	if got := harness.SortResponses(p.Do("LOCK /c/ | exclusive").String()); got != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
	if got := p.LockDiscovery("/c/", ""); len(got) != 0 {
		t.Errorf("the collection is locked although LOCK failed: %+v", got)
	}
}

func TestLockLifetime(t *testing.T) {
	runScripts(t, nil, []script{
		{"7.3 LOCK where nothing is makes an empty file, which stays", "/c/", []harness.Step{
			{"LOCK /c/new | exclusive | as t", "201"},
			{"GET /c/new", "200"},
			{"PROPFIND /c/new | Depth: 0 | body: <propfind xmlns=\"DAV:\"><prop><getcontentlength/><resourcetype/></prop></propfind>", "207 /c/new=200[getcontentlength resourcetype]"},
			{"MKCOL /c/new", "405"},
			{"PUT /c/new | joe", "423 lock-token-submitted(/c/new)"},
			{"PUT /c/new | If: (<{t}>)", "204"},
			{"UNLOCK /c/new | Lock-Token: <{t}>", "204"},
			{"GET /c/new", "200"},
		}},
		{"7.3 and when its time is over", "/c/", []harness.Step{
			{"LOCK /c/new | exclusive | Timeout: Second-10", "201"},
			{"later 11s", ""},
			{"GET /c/new", "200"},
			{"PUT /c/new", "204"},
		}},
		{"9.10.6 LOCK where no parent is", "/c/f", []harness.Step{
			{"LOCK /none/new | exclusive", "409"},
			{"LOCK /c/f/new | exclusive", "409"},
			{"LOCK /c/new/ | exclusive", "405"},
			{"PROPFIND /c/new", "404"},
		}},
		{"7.4 LOCK where nothing is makes a member of a locked collection", "/c/ /d/", []harness.Step{
			{"LOCK /c/ | exclusive | Depth: 0 | as c", "200"},
			{"LOCK /c/new | exclusive", "423 lock-token-submitted(/c/)"},
			{"LOCK /c/new | exclusive | If: </c/> (<{c}>)", "201"},
			{"LOCK /d/ | exclusive | as d", "200"},
			{"LOCK /d/new | exclusive", "423 lock-token-submitted(/d/)"},
			{"LOCK /d/new | exclusive | If: </d/> (<{d}>)", "423 no-conflicting-lock(/d/)"},
			{"GET /d/new", "404"},
		}},
		{"7.4 a member that comes is locked with its collection", "/c/m /f /g/x", []harness.Step{
			{"LOCK /c/ | exclusive | as c", "200"},
			{"PUT /c/new | If: </c/> (<{c}>)", "201"},
			{"PUT /c/new", "423 lock-token-submitted(/c/)"},
			{"MKCOL /c/d | If: </c/> (<{c}>)", "201"},
			{"PUT /c/d/x", "423 lock-token-submitted(/c/)"},
			{"MOVE /f | Destination: /c/f | If: </c/> (<{c}>)", "201"},
			{"PUT /c/f", "423 lock-token-submitted(/c/)"},
			{"COPY /g/ | Destination: /c/g/ | If: </c/> (<{c}>)", "201"},
			{"DELETE /c/g/x", "423 lock-token-submitted(/c/)"},
			{"PUT /g/x", "204"},
		}},
		{"7.4 a member that goes is free, wherever it goes", "/c/m /d/", []harness.Step{
			{"LOCK /c/ | exclusive | as c", "200"},
			{"LOCK /d/ | exclusive | as d", "200"},
			{"MOVE /c/m | Destination: /d/m | If: (<{c}>)", "423 lock-token-submitted(/d/)"},
			{"MOVE /c/m | Destination: /d/m | If: (<{c}>) (<{d}>)", "201"},
			{"PUT /d/m | If: </c/> (<{c}>)", "423 lock-token-submitted(/d/)"},
			{"MOVE /d/m | Destination: /m | If: (<{d}>)", "201"},
			{"PUT /m", "204"},
		}},
		{"7.4 the token of the collection is needed besides the member's", "/c/m", []harness.Step{
			{"LOCK /c/ | exclusive | Depth: 0 | as c", "200"},
			{"LOCK /c/m | exclusive | as m", "200"},
			{"DELETE /c/m | If: (<{m}>)", "423 lock-token-submitted(/c/)"},
			{"DELETE /c/m | If: </c/> (<{c}>)", "423 lock-token-submitted(/c/m)"},
			{"PUT /c/m | If: (<{m}>)", "204"},
			{"DELETE /c/m | If: (<{m}>) (<{c}>)", "204"},
		}},
		{"9.6 locks end with DELETE", "/c/m", []harness.Step{
			{"LOCK /c/m | exclusive | as m", "200"},
			{"DELETE /c/m | If: (<{m}>)", "204"},
			{"PUT /c/m", "201"},
			{"UNLOCK /c/m | Lock-Token: <{m}>", "409 lock-token-matches-request-uri"},
			{"LOCK /c/m | If: (<{m}>)", "412 lock-token-matches-request-uri"},
		}},
		{"9.6 those of members, too", "/c/d/m", []harness.Step{
			{"LOCK /c/d/m | exclusive | as m", "200"},
			{"DELETE /c/ | If: </c/d/m> (<{m}>)", "204"},
			{"MKCOL /c/", "201"},
			{"MKCOL /c/d/", "201"},
			{"PUT /c/d/m", "201"},
		}},
		{"9.6 a DELETE that fails ends no lock", "/c/1 /c/2", []harness.Step{
			{"LOCK /c/1 | exclusive | as a", "200"},
			{"LOCK /c/2 | exclusive | as b", "200"},
			{"DELETE /c/ | If: </c/1> (<{a}>)", "207 /c/2=423 lock-token-submitted(/c/2)"},
			{"PUT /c/1", "201"},
			{"PUT /c/2", "423 lock-token-submitted(/c/2)"},
		}},
		{"7.6 locks do not move", "/f /x", []harness.Step{
			{"LOCK /f | exclusive | as f", "200"},
			{"MOVE /f | Destination: /g", "423 lock-token-submitted(/f)"},
			{"MOVE /f | Destination: /g | If: (<{f}>)", "201"},
			{"PUT /g", "204"},
			{"PUT /f", "201"},
			{"UNLOCK /g | Lock-Token: <{f}>", "409 lock-token-matches-request-uri"},
			{"UNLOCK /f | Lock-Token: <{f}>", "409 lock-token-matches-request-uri"},
		}},
		{"7.6 nor those of members", "/c/m", []harness.Step{
			{"LOCK /c/m | exclusive | as m", "200"},
			{"MOVE /c/ | Destination: /d/ | If: </c/m> (<{m}>)", "201"},
			{"PUT /d/m", "204"},
			{"MKCOL /c/", "201"},
			{"PUT /c/m", "201"},
		}},
		{"7.6 locks are not copied", "/c/m", []harness.Step{
			{"LOCK /c/m | exclusive | as m", "200"},
			{"COPY /c/ | Destination: /d/", "201"},
			{"PUT /d/m", "204"},
			{"PUT /c/m", "423 lock-token-submitted(/c/m)"},
		}},
		{"7.6 what comes to a locked place comes under that lock", "/f /x /g", []harness.Step{
			{"LOCK /g | exclusive | as g", "200"},
			{"MOVE /f | Destination: /g", "423 lock-token-submitted(/g)"},
			{"MOVE /f | Destination: /g | If: </g> (<{g}>)", "204"},
			{"PUT /g", "423 lock-token-submitted(/g)"},
			{"COPY /x | Destination: /g | If: </g> (<{g}>)", "204"},
			{"PUT /g", "423 lock-token-submitted(/g)"},
			{"PUT /g | If: (<{g}>)", "204"},
			{"UNLOCK /g | Lock-Token: <{g}>", "204"},
		}},
		{"9.9.3 the members that were there go with their locks", "/f /c/m /d/m", []harness.Step{
			{"LOCK /c/m | exclusive | as m", "200"},
			{"MOVE /f | Destination: /c/", "207 /c/m=423 lock-token-submitted(/c/m)"},
			{"MOVE /d/ | Destination: /c/ | If: </c/m> (<{m}>)", "204"},
			{"PUT /c/m", "204"},
			{"UNLOCK /c/m | Lock-Token: <{m}>", "409 lock-token-matches-request-uri"},
		}},
		{"7.4 depth 0 guards the membership", "/c/a /c/b /x /y", []harness.Step{
			{"LOCK /c/ | exclusive | Depth: 0 | as c", "200"},
			{"PUT /c/a", "204"},
			{"PROPPATCH /c/a", "207 /c/a=200"},
			{"COPY /c/a | Destination: /z", "201"},
			{"PUT /c/new", "423 lock-token-submitted(/c/)"},
			{"MKCOL /c/new", "423 lock-token-submitted(/c/)"},
			{"DELETE /c/a", "423 lock-token-submitted(/c/)"},
			{"MOVE /c/a | Destination: /out", "423 lock-token-submitted(/c/)"},
			{"MOVE /c/a | Destination: /c/renamed", "423 lock-token-submitted(/c/)"},
			{"MOVE /x | Destination: /c/x", "423 lock-token-submitted(/c/)"},
			{"MOVE /x | Destination: /c/a", "423 lock-token-submitted(/c/)"},
			{"COPY /x | Destination: /c/x", "423 lock-token-submitted(/c/)"},
			{"PROPPATCH /c/", "423 lock-token-submitted(/c/)"},
			{"DELETE /c/", "423 lock-token-submitted(/c/)"},
			{"MOVE /c/ | Destination: /d/", "423 lock-token-submitted(/c/)"},
			{"PUT /c/new | If: </c/> (<{c}>)", "201"},
			{"MKCOL /c/d | If: </c/> (<{c}>)", "201"},
			{"PUT /c/d/deeper", "201"},
			{"MOVE /c/a | Destination: /c/renamed | If: </c/> (<{c}>)", "201"},
			{"MOVE /x | Destination: /c/x | If: </c/> (<{c}>)", "201"},
			{"COPY /y | Destination: /c/y | If: </c/> (<{c}>)", "201"},
			{"DELETE /c/b | If: </c/> (<{c}>)", "204"},
			{"PROPPATCH /c/ | If: (<{c}>)", "207 /c/=200"},
			{"DELETE /c/ | If: (<{c}>)", "204"},
		}},
		{"7.4 DELETE of the parent of a locked collection reports it", "/p/c/a /p/b", []harness.Step{
			{"LOCK /p/c/ | exclusive | Depth: 0", "200"},
			{"DELETE /p/", "207 /p/c/=423 lock-token-submitted(/p/c/)"},
			{"GET /p/b", "404"},
			{"GET /p/c/a", "200"},
		}},
		{"6.2 each holder of a shared lock may write, nobody else", "/f", []harness.Step{
			{"LOCK /f | shared | jane | as a", "200"},
			{"LOCK /f | shared | joe | as b", "200"},
			{"PUT /f", "423 lock-token-submitted(/f)"},
			{"PUT /f | jane", "423 lock-token-submitted(/f)"},
			{"PUT /f | jane | If: (<{b}>)", "423 lock-token-submitted(/f)"},
			{"PUT /f | jane | If: (<{a}>)", "204"},
			{"PUT /f | joe | If: (<{b}>)", "204"},
			{"UNLOCK /f | jane | Lock-Token: <{a}>", "204"},
			{"LOCK /f | exclusive | jane", "423 no-conflicting-lock(/f)"},
			{"UNLOCK /f | joe | Lock-Token: <{b}>", "204"},
			{"LOCK /f | exclusive | jane", "200"},
		}},
		{"6.6 a lock ends when its time is over", "/c/m", []harness.Step{
			{"LOCK /c/ | exclusive | Timeout: Second-60 | as c", "200"},
			{"later 59s", ""},
			{"PUT /c/m", "423 lock-token-submitted(/c/)"},
			{"later 2s", ""},
			{"PUT /c/m | If: (<{c}>)", "412"},
			{"UNLOCK /c/ | Lock-Token: <{c}>", "409 lock-token-matches-request-uri"},
			{"LOCK /c/ | If: (<{c}>)", "412 lock-token-matches-request-uri"},
			{"PUT /c/m", "204"},
			{"LOCK /c/m | exclusive", "200"},
		}},
		{"9.11.1 UNLOCK", "/c/m /d/m", []harness.Step{
			{"LOCK /c/ | exclusive | as c", "200"},
			{"LOCK /d/ | exclusive | Depth: 0 | as d", "200"},
			{"UNLOCK /c/", "400"},
			{`UNLOCK /c/ | Lock-Token: "{c}"`, "400"},
			{"UNLOCK / | Lock-Token: {c}", "409 lock-token-matches-request-uri"}, // as with the angle brackets
			{"UNLOCK /c/ | Lock-Token: <{c}>, <{d}>", "400"},
			{"UNLOCK /c/ | Lock-Token: <{c}> | Lock-Token: <{c}>", "400"},
			{"UNLOCK /c/ | If: (<{c}>)", "400"},
			{"UNLOCK / | Lock-Token: <{c}>", "409 lock-token-matches-request-uri"},
			{"UNLOCK /d/m | Lock-Token: <{c}>", "409 lock-token-matches-request-uri"},
			{"UNLOCK /d/m | Lock-Token: <{d}>", "409 lock-token-matches-request-uri"},
			{"UNLOCK /c/ | Lock-Token: <{d}>", "409 lock-token-matches-request-uri"},
			{"UNLOCK /c/ | Lock-Token: <urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2>", "409 lock-token-matches-request-uri"},
			{"UNLOCK /c/ | Lock-Token: <DAV:no-lock>", "409 lock-token-matches-request-uri"},
			{"UNLOCK /c/ | Lock-Token: <{c}> | If: (<DAV:no-lock>)", "412"},
			{"PUT /c/m", "423 lock-token-submitted(/c/)"},
			{"UNLOCK /c/m | Lock-Token: <{c}>", "204"},
			{"PUT /c/m", "204"},
			{"UNLOCK /c/m | Lock-Token: <{c}>", "409 lock-token-matches-request-uri"},
			{"UNLOCK /d | Lock-Token: <{d}>", "204"},
		}},
		{"9.11.1 a lock is its owner's to remove and to refresh", "/f", []harness.Step{
			{"LOCK /f | exclusive | jane | as f", "200"},
			{"UNLOCK /f | joe | Lock-Token: <{f}>", "403"},
			{"UNLOCK /f | Lock-Token: <{f}>", "403"},
			{"LOCK /f | joe | If: (<{f}>)", "403"},
			{"PUT /f | joe | If: (<{f}>)", "423 lock-token-submitted(/f)"},
			{"DELETE /f | If: (<{f}>)", "423 lock-token-submitted(/f)"},
			{"PUT /f | jane | If: (<{f}>)", "204"},
			{"UNLOCK /f | jane | Lock-Token: <{f}>", "204"},
		}},
	})
}

// script is a rule with a sequence of requests that test it.
type script struct {
	rule  string // the section, of RFC 4918 unless another is named, and the rule
	tree  string // names before the first request, separated by spaces
	steps []harness.Step
}

// runScripts runs each script on a new server.
func runScripts(t *testing.T, opts *server.Options, scripts []script) {
	for _, sc := range scripts {
		t.Run(sc.rule, func(t *testing.T) {
			t.Parallel()
			p := harness.StartScript(t, opts)
			p.Server.Put(strings.Fields(sc.tree)...)
			for _, st := range sc.steps {
				p.Step(st)
			}
		})
	}
}
