package rfc4918

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
)

// TestLockRefresh sends a LOCK without a body, with headers that clients add to it. The timeout
// starts again, and nothing else of the lock changes.
func TestLockRefresh(t *testing.T) {
	for _, tt := range []struct{ rule, request, timeout string }{
		{"9.10.2 nothing but If", "LOCK /c/ | If: (<{c}>)", "Second-60"},
		{"9.10.2 Depth is ignored: 0", "LOCK /c/ | If: (<{c}>) | Depth: 0", "Second-60"},
		{"9.10.2 Depth is ignored: 1", "LOCK /c/ | If: (<{c}>) | Depth: 1", "Second-60"},
		{"9.10.2 Depth is ignored: no depth", "LOCK /c/ | If: (<{c}>) | Depth: deep", "Second-60"},
		{"macOS", "LOCK /c/ | If: (<{c}>) | Depth: 0 | Content-Type: text/xml | Timeout: Second-600", "Second-600"},
		{"Office", "LOCK /c/ | If: (<{c}>) | Content-Type: text/xml; charset=\"utf-8\" | Timeout: Second-3600 | Content-Length: 0", "Second-3600"},
		{"7.7 from anywhere in its scope", "LOCK /c/d/m | If: (<{c}>)", "Second-60"},
		{"10.4 with a tag", "LOCK /c/d/m | If: </c/> (<{c}>)", "Second-60"},
		{"10.4 with conditions", "LOCK /c/d/m | If: (<{c}> [{m}]) (<DAV:no-lock>)", "Second-60"},
		{"10.7 Infinite", "LOCK /c/ | If: (<{c}>) | Timeout: Infinite", "Second-86400"},
		{"10.7 never Second-0", "LOCK /c/ | If: (<{c}>) | Timeout: Second-0", "Second-1"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			p := harness.StartScript(t, nil)
			p.Server.Put("/c/d/m")
			p.Do("HEAD /c/d/m | as m")
			p.Do(`LOCK /c/ | Timeout: Second-60 | as c | body: <lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype><owner>Jane</owner></lockinfo>`)
			p.Do("LOCK /c/d/m | shared | Timeout: Second-60 | as other")
			p.Server.Advance(50 * time.Second)
			r := p.Do(tt.request)
			if r.StatusCode != 200 || r.Header.Get("Lock-Token") != "" {
				t.Fatalf("%s = %v with Lock-Token %q, want 200 without", tt.request, r, r.Header.Get("Lock-Token"))
			}
			var got harness.ActiveLock
			for _, l := range harness.ActiveLocks(t, r.Body) {
				if l.Token == p.Fill("{c}") {
					got = l
				}
			}
			owner := ""
			if got.Owner != nil {
				owner = got.Owner.Inner
			}
			got.Owner = nil
			if want := (harness.ActiveLock{Scope: "shared", Depth: "infinity", Timeout: tt.timeout, Token: p.Fill("{c}"), Root: "/c/"}); got != want || owner != "Jane" {
				t.Errorf("the lock is %+v of %q, want %+v of Jane", got, owner, want)
			}
			// Only the named lock is refreshed.
			p.Server.Advance(11 * time.Second)
			var left []string
			for _, l := range p.LockDiscovery("/c/d/m", "") {
				left = append(left, l.Token)
			}
			if tt.timeout == "Second-1" {
				if len(left) != 0 {
					t.Errorf("locks after a minute = %q", left)
				}
			} else if len(left) != 1 || left[0] != p.Fill("{c}") {
				t.Errorf("locks after a minute = %q, want only the refreshed one", left)
			}
		})
	}
	runScripts(t, nil, []script{{"9.10.2 what cannot be refreshed", "/c/m /f", []harness.Step{
		{"LOCK /c/ | exclusive | Depth: 0 | Timeout: Second-60 | as c", "200"},
		{"LOCK /c/", "400"},
		{"LOCK /none", "400"},
		{"LOCK /c/ | If: (<{c}>", "400"},
		{"LOCK /c/ | If: {c}", "400"},
		{"LOCK /f | If: (<{c}>)", "412 lock-token-matches-request-uri"},
		{"LOCK /c/none | If: </c/> (<{c}>)", "412 lock-token-matches-request-uri"}, // "to the URL of a resource within the scope"
		{"LOCK /c/m | If: (<{c}>)", "412 lock-token-matches-request-uri"},
		{"LOCK /c/ | If: (<urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2>)", "412 lock-token-matches-request-uri"},
		{"LOCK /c/ | If: (Not <DAV:no-lock>)", "412 lock-token-matches-request-uri"},
		{"LOCK /c/ | If: (<{c}>) | Content-Type: text/xml", "200"},
	}}})
}

// TestLockTimeout sends Timeout headers (§10.7). The answer has the granted timeout, which is never
// 0, and the lock ends after it.
func TestLockTimeout(t *testing.T) {
	for _, tt := range []struct {
		asked   []string
		granted int // seconds
	}{
		{nil, 3600},
		{[]string{"Second-60"}, 60},
		{[]string{"second-60"}, 60},
		{[]string{"SECOND-60"}, 60},
		{[]string{"Second-180"}, 180},
		{[]string{"Infinite"}, 86400},
		{[]string{"infinite"}, 86400},
		{[]string{"Infinite, Second-4100000000"}, 86400},
		{[]string{"Second-60, Infinite"}, 60},
		{[]string{"Extend, Second-60"}, 60},
		{[]string{"Extend", "Second-60"}, 60},
		{[]string{"Second-0"}, 1},
		{[]string{"Second-1"}, 1},
		{[]string{"Second-86401"}, 86400},
		{[]string{"Second-4100000000"}, 86400},
		{[]string{"Second-4294967296"}, 86400},
		{[]string{"Second-99999999999999999999999999999"}, 86400},
		{[]string{"Second-"}, 3600},
		{[]string{"Second--1"}, 3600},
		{[]string{"Second-1.5"}, 3600},
		{[]string{"60"}, 3600},
		{[]string{""}, 3600},
	} {
		t.Run(fmt.Sprintf("%q", tt.asked), func(t *testing.T) {
			t.Parallel()
			p := harness.StartScript(t, nil)
			p.Server.Put("/f")
			request := "LOCK /f | exclusive"
			for _, line := range tt.asked {
				request += " | Timeout: " + line
			}
			r := p.Do(request)
			got := harness.ActiveLocks(t, r.Body)
			if want := fmt.Sprintf("Second-%d", tt.granted); r.StatusCode != 200 || len(got) != 1 || got[0].Timeout != want {
				t.Fatalf("%s = %v, %+v, want 200 and %s", request, r, got, want)
			}
			granted := time.Duration(tt.granted) * time.Second
			if tt.granted > 1 {
				p.Server.Advance(granted - time.Second) // a slow machine needs the remaining second
				p.Step(harness.Step{"PUT /f", "423 lock-token-submitted(/f)"})
			}
			p.Server.Advance(2 * time.Second)
			p.Step(harness.Step{"PUT /f", "204"})
		})
	}
}

// Tokens are URNs of random UUIDs. macOS needs them to be short.
func TestLockTokens(t *testing.T) {
	form := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	p := harness.StartScript(t, nil)
	seen := map[string]bool{}
	beginnings := map[string]bool{}
	for i := range 200 {
		r := p.Do(fmt.Sprintf("LOCK /%d | exclusive", i))
		header := r.Header.Get("Lock-Token")
		token := strings.TrimSuffix(strings.TrimPrefix(header, "<"), ">")
		if header != "<"+token+">" || !form.MatchString(token) || len(token) != 45 || seen[token] {
			t.Fatalf("Lock-Token = %q, want <urn:uuid:...> with a random UUID, another each time (§6.5)", header)
		}
		seen[token] = true
		beginnings[token[:17]] = true
		if got := harness.ActiveLocks(t, r.Body); len(got) != 1 || got[0].Token != token {
			t.Fatalf("the body has %+v, the header %s", got, token)
		}
	}
	if len(beginnings) < 190 {
		t.Errorf("200 tokens have only %d different beginnings, so they can be guessed", len(beginnings))
	}
}
