package davtest

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
)

// exchangeOf returns an exchange without bodies.
func exchangeOf(method, path string, status int, header ...string) Exchange {
	e := Exchange{Method: method, Target: path, Path: path, Proto: "HTTP/1.1", Scheme: "http", Host: "127.0.0.1:80",
		Began: testTime, Status: status, RequestHeader: http.Header{}, ResponseHeader: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		e.RequestHeader.Add(header[i], header[i+1])
	}
	return e
}

// withXML returns e with an XML body in its answer.
func withXML(e Exchange, body string) Exchange {
	e.ResponseHeader.Set("Content-Type", "application/xml; charset=utf-8")
	e.ResponseBody = []byte(body)
	return e
}

const locked = `<multistatus xmlns="DAV:"><response><href>/c/3</href><status>HTTP/1.1 423 Locked</status>` +
	`<error><lock-token-submitted><href>/c/3</href></lock-token-submitted></error></response></multistatus>`

const forbiddenProp = `<multistatus xmlns="DAV:"><response><href>/f</href><propstat><prop><getetag/></prop>` +
	`<status>HTTP/1.1 403 Forbidden</status></propstat></response></multistatus>`

func TestExchangeString(t *testing.T) {
	broken := func(e Exchange, how string) Exchange { e.Broken = how; return e }
	pending := func(e Exchange) Exchange { e.pending = true; return e }
	for _, tt := range []struct {
		e    Exchange
		want string
	}{
		{withXML(exchangeOf("DELETE", "/c/", 207), locked), "DELETE /c/ → 207 /c/3=423 lock-token-submitted(/c/3)"},
		{withXML(exchangeOf("PUT", "/c/3", 423), `<error xmlns="DAV:"><lock-token-submitted><href>/c/3</href></lock-token-submitted></error>`),
			"PUT /c/3 → 423 lock-token-submitted(/c/3)"},
		{withXML(exchangeOf("PROPFIND", "/f", 207), forbiddenProp), "PROPFIND /f → 207 /f=403[getetag]"},
		{exchangeOf("GET", "/a%20b", 200), "GET /a%20b → 200"},
		{withXML(exchangeOf("DELETE", "/c/", 207), "<mul"), "DELETE /c/ → 207 (malformed)"},
		{withXML(exchangeOf("HEAD", "/c/", 207), ""), "HEAD /c/ → 207"},
		{broken(withXML(exchangeOf("DELETE", "/c/", 207), "<mul"), "reset in the answer"), "DELETE /c/ → 207 (reset in the answer)"},
		{broken(exchangeOf("GET", "/f", 0), "reset before the answer"), "GET /f → no answer (reset before the answer)"},
		{exchangeOf("GET", "/f", 0), "GET /f → no answer"},
		{pending(exchangeOf("GET", "/f", 0)), "GET /f → no answer (so far)"},
	} {
		if got := tt.e.String(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
		if got := tt.e.Response().Err != nil; got != (tt.e.Broken != "" || strings.Contains(tt.want, "malformed")) {
			t.Errorf("%s: the response has an error: %v", tt.want, got)
		}
	}
}

// RFC 4918 §10.4.2
func TestSubmits(t *testing.T) {
	const token = "urn:uuid:1"
	for _, tt := range []struct {
		header string
		want   bool
	}{
		{"(<urn:uuid:1>)", true},
		{"<http://h/a> (<urn:uuid:2> <urn:uuid:1>)", true},
		{"(<urn:uuid:2>) (Not <DAV:no-lock> <urn:uuid:1>)", true},
		{`(["a)<x>Not"] <urn:uuid:1>)`, true},
		{`([W/"1"] <urn:uuid:1>)`, true},
		{"(Not <urn:uuid:1>)", false},
		{"(not<urn:uuid:1>)", false},
		{`(Not ["1"] <urn:uuid:1>)`, true},
		{"<urn:uuid:1> (<urn:uuid:2>)", false},
		{`(["<urn:uuid:1>"])`, false},
		{"(<urn:uuid:11>)", false},
		{"(urn:uuid:1)", false},
		{"<urn:uuid:1>", false},
		{"", false},
		{"(<urn:uuid:1", false},
		{`(["`, false},
	} {
		e := exchangeOf("PUT", "/a", 204, "If", tt.header)
		if got := e.Submits(token); got != tt.want {
			t.Errorf("If: %s submits %s = %v", tt.header, token, got)
		}
		if got := e.Submits("<" + token + ">"); got != tt.want {
			t.Errorf("If: %s submits <%s> = %v", tt.header, token, got)
		}
	}
	if e := exchangeOf("PUT", "/a", 204, "If", "</a>", "If", "(<urn:uuid:1>)"); !e.Submits(token) {
		t.Error("an If header of two lines does not submit the token of the second")
	}
}

func TestSent(t *testing.T) {
	j := Journal{exchangeOf("PUT", "/a", 201), exchangeOf("PUT", "/c/d/e", 201), exchangeOf("DELETE", "/c/", 204),
		exchangeOf("MKCOL", "/", 405), exchangeOf("OPTIONS", "*", 200)}
	j[4].Path = ""
	for _, tt := range []struct{ methods, pattern, want string }{
		{"", "", "/a /c/d/e /c/ / *"},
		{"", "/**", "/a /c/d/e /c/ /"},
		{"PUT", "/**", "/a /c/d/e"},
		{"PUT, DELETE", "/c/**", "/c/d/e"},
		{"", "/*", "/a /c/"},
		{"", "/c", "/c/"},
		{"", "/c/", "/c/"},
		{"", "/", "/"},
		{"", "/a/", "/a"},
		{"", "/{a,c}", "/a /c/"},
		{"", "/**/e", "/c/d/e"},
		{"", "/c/*/e", "/c/d/e"},
		{"", "/c/*", ""},
	} {
		var got []string
		for _, e := range j.Sent(tt.methods, tt.pattern) {
			got = append(got, e.Target)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("Sent(%q, %q) = %s, want %s", tt.methods, tt.pattern, got, tt.want)
		}
	}
	for _, pattern := range []string{"/[", "/{a", "a", "*"} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, pattern) {
					t.Errorf("Sent with the pattern %q panics with %q", pattern, text)
				}
			}()
			j.Sent("", pattern)
		}()
	}
}

func TestAfter(t *testing.T) {
	j := Journal{exchangeOf("PUT", "/1", 201), withXML(exchangeOf("DELETE", "/2", 207), locked),
		withXML(exchangeOf("PROPFIND", "/3", 207), forbiddenProp), exchangeOf("PUT", "/4", 423)}
	for status, want := range map[int]int{201: 3, 207: 2, 423: 2, 403: 1} {
		if got := j.After(status); len(got) != want {
			t.Errorf("after %d came\n%swant %d", status, got, want)
		}
	}
	if got := j[3:].After(423); got == nil || len(got) != 0 {
		t.Errorf("after the last came %#v, want an empty journal", got)
	}
	if got := j.After(507); got != nil {
		t.Errorf("after a status that no answer has came %#v, want nil", got)
	}
	if j.Last().Target != "/4" || (Journal{}).Last() != nil {
		t.Error("Last is not the last")
	}
}

// stopped records the text of Fatalf and ends the goroutine, as testing.T does.
type stopped struct {
	testing.TB
	text string
}

func (s *stopped) Helper() {}

func (s *stopped) Fatalf(format string, args ...any) {
	s.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestAssertions(t *testing.T) {
	none := Journal{}
	j := Journal{exchangeOf("PUT", "/a", 423), exchangeOf("PUT", "/a", 204, "If", "(<urn:uuid:1>)"), exchangeOf("PUT", "/b", 204, "If", "(<urn:uuid:2>)")}
	for _, tt := range []struct {
		what  string
		check func(t testing.TB)
		want  []string // of the failure; none if the assertion holds
	}{
		{"nothing", none.MustBeEmpty, nil},
		{"nothing after the last", j[:1].After(423).MustBeEmpty, nil},
		{"something after", j.After(423).MustBeEmpty, []string{"2 requests", "PUT /a → 204\nPUT /b → 204\n"}},
		{"a status that did not come", j.After(507).MustBeEmpty, []string{"no answer has the status"}},
		{"no PUT after a status that did not come", j.After(507).Sent("PUT", "/**").MustBeEmpty, []string{"no answer has the status"}},
		{"the token", func(t testing.TB) { j[1:2].MustSubmit(t, "urn:uuid:1") }, nil},
		{"no token", func(t testing.TB) { j.MustSubmit(t, "urn:uuid:1") },
			[]string{"2 of 3 requests do not submit urn:uuid:1", "PUT /a → 423\n\tno If header\nPUT /b → 204\n\tIf: (<urn:uuid:2>)\n"}},
		{"no request", func(t testing.TB) { none.MustSubmit(t, "urn:uuid:1") }, []string{"no request, want one that submits urn:uuid:1"}},
	} {
		var s stopped
		done := make(chan struct{})
		go func() {
			defer close(done)
			tt.check(&s)
		}()
		<-done
		if (s.text == "") != (len(tt.want) == 0) {
			t.Errorf("%s: the failure is %q", tt.what, s.text)
		}
		for _, want := range tt.want {
			if !strings.Contains(s.text, want) {
				t.Errorf("%s: the failure is %q, want %q in it", tt.what, s.text, want)
			}
		}
	}
}

func TestPathOf(t *testing.T) {
	for _, tt := range []struct{ target, prefix, want string }{
		{"/a%20b/", "", "/a b/"},
		{"/dav/a", "/dav", "/a"},
		{"/dav/", "/dav", "/"},
		{"/dav", "/dav", "/"},
		{"/davx", "/dav", ""},
		{"/", "/dav", ""},
		{"*", "", ""},
		{"http://h/dav/a?q", "/dav", "/a"},
	} {
		u, err := url.ParseRequestURI(tt.target)
		if err != nil && tt.target != "*" {
			t.Fatal(err)
		}
		if tt.target == "*" {
			u = &url.URL{Path: "*"}
		}
		if got := pathOf(u, tt.prefix); got != tt.want {
			t.Errorf("path of %s within %q = %q, want %q", tt.target, tt.prefix, got, tt.want)
		}
	}
}
