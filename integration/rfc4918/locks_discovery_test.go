package rfc4918

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/davxml/xmltest"
)

// TestLockOwner sends all kinds of XML in DAV:owner. LOCK, lockdiscovery and a refresh must return
// it unchanged (§14.17, §4.3), because clients recognise their locks by it.
func TestLockOwner(t *testing.T) {
	for _, tt := range []struct{ rule, owner, want string }{
		{"14.17 text", `<D:owner>Jane Doe</D:owner>`, ""},
		{"14.17 href", `<D:owner><D:href>mailto:jane@example.com</D:href></D:owner>`, ""},
		{"14.17 white space", "<D:owner>\n  <D:href> http://example.com/ </D:href>\n\ttext  \n</D:owner>", ""},
		{"14.17 mixed content", `<D:owner>Jane <D:href>mailto:j@example.com</D:href> at <b xmlns="urn:b">home</b>!</D:owner>`, ""},
		{"14.17 a backslash, as Windows writes it", `<D:owner><D:href>DESKTOP-7\jane</D:href></D:owner>`, ""},
		{"4.3 another namespace with its prefix", `<D:owner><x:y xmlns:x="urn:x" x:a="1" b="2"><x:z/></x:y></D:owner>`, ""},
		{"4.3 a prefix declared above", `<D:owner><O:who>Jane</O:who></D:owner>`, `<D:owner xmlns:D="DAV:"><O:who xmlns:O="urn:outside">Jane</O:who></D:owner>`},
		{"4.3 a default namespace", `<D:owner><who xmlns="urn:who"><name>Jane</name></who></D:owner>`, ""},
		{"4.3 no namespace", `<D:owner><who xmlns="">Jane</who></D:owner>`, ""},
		{"4.3 the prefix D for something else", `<D:owner><D:x xmlns:D="urn:not-dav">Jane</D:x></D:owner>`, ""},
		{"4.3 a prefix bound twice", `<D:owner><p:a xmlns:p="urn:1"><p:b xmlns:p="urn:2"/></p:a></D:owner>`, ""},
		{"4.3 attributes of the owner itself", `<D:owner x:kind="person" xmlns:x="urn:x">Jane</D:owner>`, ""},
		{"4.3 xml:lang", `<D:owner xml:lang="de">Jane</D:owner>`, ""},
		{"4.3 xml:lang inside", `<D:owner><D:href xml:lang="fr">Jane</D:href></D:owner>`, ""},
		{"14.17 escaped characters", `<D:owner>&lt;Jane&gt; &amp; &quot;Joe&quot; &#65;</D:owner>`, ""},
		{"14.17 CDATA", `<D:owner><![CDATA[<Jane> & Joe]]></D:owner>`, `<D:owner xmlns:D="DAV:">&lt;Jane&gt; &amp; Joe</D:owner>`},
		{"14.17 beyond ASCII", `<D:owner>Jäne 😀 名前</D:owner>`, ""},
		{"14.17 an element that locks have, too", `<D:owner><D:timeout>Second-1</D:timeout><D:locktoken><D:href>urn:x</D:href></D:locktoken></D:owner>`, ""},
		{"14.17 empty", `<D:owner/>`, ""},
		{"14.17 none", ``, ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			p := harness.StartScript(t, nil)
			p.Server.Put("/f")
			body := `<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:" xmlns:O="urn:outside"><D:lockscope><D:exclusive/></D:lockscope>` +
				`<D:locktype><D:write/></D:locktype>` + tt.owner + `</D:lockinfo>`
			granted := p.Server.Send("LOCK", "/f", body, harness.Credentials["jane"])
			if granted.StatusCode != 200 {
				t.Fatalf("LOCK = %v", granted)
			}
			p.Known = []string{"{f}", strings.Trim(granted.Header.Get("Lock-Token"), "<>")}
			want := tt.want
			if want == "" && tt.owner != "" {
				want = strings.Replace(tt.owner, "<D:owner", `<D:owner xmlns:D="DAV:"`, 1)
			}
			for what, got := range map[string][]byte{
				"LOCK":     granted.Body,
				"PROPFIND": p.Do(`PROPFIND /f | Depth: 0 | joe | body: <propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`).Body,
				"refresh":  p.Do("LOCK /f | jane | If: (<{f}>)").Body,
			} {
				if g, w := ownerOf(t, got), canonicalOwner(t, want); g != w {
					t.Errorf("the owner in the answer to %s =\n%swant\n%s", what, g, w)
				}
			}
		})
	}
	t.Run("9.10.6 one that is too large", func(t *testing.T) {
		p := harness.StartScript(t, nil)
		r := p.Do(`LOCK /new | body: <lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype><owner>` + strings.Repeat("x", 9<<10) + `</owner></lockinfo>`)
		if r.StatusCode != 413 || p.Server.Names() != "/" {
			t.Errorf("LOCK = %v and tree = %s, want 413 and an empty tree", r, p.Server.Names())
		}
	})
}

// ownerOf returns the owner in an answer with one lock: the text before the timeout (§14.1).
func ownerOf(t *testing.T, body []byte) string {
	t.Helper()
	s := string(body)
	_, s, ok := strings.Cut(s, "</D:depth>")
	end := strings.LastIndex(s, "<D:timeout>")
	if !ok || end < 0 {
		t.Fatalf("no lock in\n%s", body)
	}
	s = s[:end]
	if i := strings.LastIndex(s, "</D:owner>"); i >= 0 {
		s = s[:i+len("</D:owner>")]
	}
	return canonicalOwner(t, strings.Replace(s, "<D:owner", `<D:owner xmlns:D="DAV:"`, 1))
}

// canonicalOwner returns the canonical form of an owner. xmltest ignores white space between
// elements, which must be kept here.
func canonicalOwner(t *testing.T, s string) string {
	t.Helper()
	if s == "" {
		return ""
	}
	canonical, err := xmltest.Canonical([]byte(s))
	if err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	text := xmlTag.ReplaceAllString(s, "<>")
	return canonical + strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r != ' ' && r != '\n' && r != '\t' }), "|") + "\n"
}

var xmlTag = regexp.MustCompile(`<[^>]*>`)

// TestLockDiscovery reads lockdiscovery (§15.8) of several resources as several users: lockroot is
// an href with prefix and escapes, only the owner of a lock sees its token (§6.5), and members show
// the lock of their collection.
func TestLockDiscovery(t *testing.T) {
	const prefix = "/my dav/é"
	p := harness.StartScript(t, &server.Options{Prefix: prefix})
	p.Server.Put("/c & d#/100%.txt", "/c & d#/sub/x", "/f", "/free")
	token := func(request string) string {
		t.Helper()
		r := p.Do(request)
		if r.StatusCode != 200 {
			t.Fatalf("%s = %v", request, r)
		}
		return strings.Trim(r.Header.Get("Lock-Token"), "<>")
	}
	deep := harness.ActiveLock{Scope: "exclusive", Depth: "infinity", Timeout: "Second-3600", Root: "/my%20dav/%C3%A9/c%20%26%20d%23/",
		Token: token("LOCK /c & d# | exclusive | jane")}
	janes := harness.ActiveLock{Scope: "shared", Depth: "infinity", Timeout: "Second-86400", Root: "/my%20dav/%C3%A9/f", Token: token("LOCK /f | shared | jane | Timeout: Infinite")}
	joes := harness.ActiveLock{Scope: "shared", Depth: "0", Timeout: "Second-86400", Root: "/my%20dav/%C3%A9/f", Token: token("LOCK /f | shared | joe | Depth: 0 | Timeout: Infinite")}
	hidden := func(l harness.ActiveLock) harness.ActiveLock { l.Token = ""; return l }
	for _, tt := range []struct {
		name, who string
		want      []harness.ActiveLock
	}{
		{"/c & d#/", "jane", []harness.ActiveLock{deep}},
		{"/c & d#/100%.txt", "jane", []harness.ActiveLock{deep}},
		{"/c & d#/sub/x", "jane", []harness.ActiveLock{deep}},
		{"/c & d#/sub/x", "joe", []harness.ActiveLock{hidden(deep)}},
		{"/c & d#/sub/x", "", []harness.ActiveLock{hidden(deep)}},
		{"/f", "jane", []harness.ActiveLock{janes, hidden(joes)}},
		{"/f", "joe", []harness.ActiveLock{hidden(janes), joes}},
		{"/f", "", []harness.ActiveLock{hidden(janes), hidden(joes)}},
		{"/free", "jane", nil},
		{"/", "jane", nil},
	} {
		var got []harness.ActiveLock
		for _, l := range p.LockDiscovery(tt.name, tt.who) {
			l.Timeout = roundTimeout(l.Timeout)
			got = append(got, l)
		}
		if g, w := fmt.Sprint(got), fmt.Sprint(tt.want); g != w {
			t.Errorf("%s asks for the locks on %s\n got %s\nwant %s", tt.who, tt.name, g, w)
		}
	}
	// A listing has the locks of each member, and no tokens of other users.
	r := p.Do(`PROPFIND / | Depth: infinity | joe | body: <propfind xmlns="DAV:"><prop><lockdiscovery/><supportedlock/></prop></propfind>`)
	for _, m := range r.Responses {
		if len(m.Propstat) != 1 || m.Propstat[0].Status != 200 || len(m.Propstat[0].Prop) != 2 {
			t.Fatalf("%s has %+v", m.Href, m.Propstat)
		}
		want := strings.HasPrefix(m.Href, deep.Root) || m.Href == janes.Root
		if got := strings.Contains(string(m.Propstat[0].Prop[0].InnerXML), "activelock"); got != want {
			t.Errorf("%s has a lock: %v, want %v", m.Href, got, want)
		}
		for _, scope := range []string{"exclusive", "shared"} {
			if s := string(m.Propstat[0].Prop[1].InnerXML); strings.Count(s, scope+"/>") != 1 || strings.Count(s, "lockentry>") != 4 {
				t.Errorf("%s supports %s (§15.10)", m.Href, s)
			}
		}
	}
	for _, secret := range []string{deep.Token, janes.Token} {
		if strings.Contains(string(r.Body), secret) {
			t.Errorf("the answer to Joe contains Jane's token")
		}
	}
	// A conflict has the same lockroot.
	if got, want := p.Do("LOCK /c & d#/sub/x | exclusive | joe").String(), "423 no-conflicting-lock("+deep.Root+")"; got != want {
		t.Errorf("LOCK = %s, want %s", got, want)
	}
	if got, want := p.Do("PUT /c & d#/sub/x | joe").String(), "423 lock-token-submitted("+deep.Root+")"; got != want {
		t.Errorf("PUT = %s, want %s", got, want)
	}
}

// roundTimeout rounds a timeout, so that a slow machine does not fail the test.
func roundTimeout(s string) string {
	var n int
	if _, err := fmt.Sscanf(s, "Second-%d", &n); err == nil {
		for _, full := range []int{3600, 86400} {
			if n > full-30 && n <= full {
				return fmt.Sprintf("Second-%d", full)
			}
		}
	}
	return s
}
