package inspect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"dav207/server/multistatus/inspect"
)

// hostile is an answer that tries to control a terminal, and to look like a verdict.
const hostile = "HTTP/1.1 207 Multi-Status\r\nContent-Type: text/xml\r\nX-Evil: a\x1b[2Jb\xff\r\n\r\n" +
	"<multistatus xmlns=\"DAV:\"><response><href>/a\u009b31m\u202e</href><status>HTTP/1.1 423 \u0007Locked</status>" +
	"<error><x xmlns=\"\u202e\"/></error><responsedescription>line\nall is well&#13;\u200f</responsedescription></response>" +
	"<response><href>/b</href><propstat><prop><displayname>\u0085\u2066x</displayname></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"

// TestHostile: nothing of an answer can control a terminal, in any form.
func TestHostile(t *testing.T) {
	x := readExchange(t, "PROPFIND http://h/%1b HTTP/1.1\nX-A: \x1b", []byte(hostile))
	r := inspect.Judge(x, 0)
	var b bytes.Buffer
	p := inspect.Printer{W: &b}
	if err := p.Print(x, r); err != nil {
		t.Fatal(err)
	}
	if err := p.Line(x, r); err != nil {
		t.Fatal(err)
	}
	e := inspect.Escaped(&b)
	if err := x.Raw(e); err != nil {
		t.Fatal(err)
	}
	if err := inspect.WriteJSON(e, x, r); err != nil {
		t.Fatal(err)
	}
	for _, c := range b.String() {
		if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 || c >= 0x200b && c <= 0x200f || c >= 0x2028 && c <= 0x202e || c >= 0x2066 && c <= 0x2069 || c == 0xfffd {
			t.Fatalf("%q is in\n%q", c, b.String())
		}
	}
	for _, want := range []string{`X-Evil: a\x1b[2Jb\xff`, `423 /a\u009b31m\u202e`, `line\nall is well\r\u200f`, `{\u202e}x`, `displayname: \u0085\u2066x`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is not in\n%s", want, b.String())
		}
	}
}

// TestPrint is what people see.
func TestPrint(t *testing.T) {
	x := readExchange(t, "PROPFIND http://ann:secret@h/c/?token=abc&x=y HTTP/1.1\nDepth: 1\nAuthorization: Basic YW5uOnNlY3JldA==\n\n<propfind/>", []byte(
		"HTTP/1.1 302 Found\nLocation: /c/?sig=abc\n\nHTTP/1.1 102 Processing\n\nHTTP/1.1 207 Multi-Status\nContent-Type: text/xml\nSet-Cookie: a=secret\nDAV: 1\n\n"+
			`<multistatus xmlns="DAV:"><response><href>/c/</href><propstat><prop><resourcetype><collection/></resourcetype><x xml:lang="en" xmlns="urn:x">y</x></prop>`+
			`<status>HTTP/1.1 200 OK</status></propstat><propstat><prop><getetag/></prop><status>HTTP/1.1 404 Not Found</status></propstat></response>`+
			`<response><href>/c/a</href><status>HTTP/1.1 423 Locked</status><error><lock-token-submitted><href>/c/a</href></lock-token-submitted></error></response>`+
			strings.Repeat(`<response><href>/c/a</href><status>200</status></response>`, 12)+`</multistatus>`))
	x.Took, x.FirstByte = 12500*time.Microsecond, 12*time.Millisecond
	r := inspect.Judge(x, 0)
	var b bytes.Buffer
	if err := (&inspect.Printer{W: &b}).Print(x, r); err != nil {
		t.Fatal(err)
	}
	want := `PROPFIND http://h/c/?token=***&x=y
  Authorization: Basic ann:***
  Depth: 1

  <propfind/>

HTTP/1.1 302 Found
  Location: /c/?sig=***

PROPFIND http://h/c/?sig=***
  Authorization: Basic ann:***
  Depth: 1

  <propfind/>

HTTP/1.1 102 Processing
HTTP/1.1 207 Multi-Status   12.0 ms to the first byte, 12.5 ms to the end
  Content-Type: text/xml
  DAV: 1
  Set-Cookie: ***

200 404 /c/
    200 resourcetype: <collection xmlns="DAV:"/>
    200 {urn:x}x [en]: y
    404 getetag
423 /c/a
    lock-token-submitted: it is locked, and the request did not submit the lock token (RFC 4918 §16): /c/a
` + strings.Repeat("200 /c/a\n", 12) + `
violation status-line: a status is a status line such as "HTTP/1.1 200 OK" (RFC 4918 §14.28)
` + strings.Repeat("    /c/a: \"200\" is not a status line\n", 10) + `    and 2 more
violation duplicate-href: a resource has one response (RFC 4918 §14.24)
` + strings.Repeat("    /c/a: this is its second one\n", 10) + `    and 2 more
13 of 14 succeeded; 24 violations
`
	if b.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := (&inspect.Printer{W: &b, Color: true}).Print(x, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\x1b[32m200\x1b[0m \x1b[31m404\x1b[0m /c/\n", "\x1b[33m302\x1b[0m Found", "\x1b[31mviolation\x1b[0m", "\x1b[31m13 of 14 succeeded; 24 violations\x1b[0m\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%q", want, b.String())
		}
	}
}

// TestMasked: credentials are in no form, unless they are asked for.
func TestMasked(t *testing.T) {
	req := request(t, "PROPFIND", "http://h/?access_token=secret1&x=1", "<a/>", "Authorization: Basic YW5uOnNlY3JldA==", "Cookie: a=secret2",
		"Proxy-Authorization: Bearer secret3", "X-Api-Key: secret4", "Destination: http://ann:secret5@h/b",
		"Private-Token: secret8", "X-Vault-Token: secret8", "X-Amz-Security-Token: secret8", "Ocp-Apim-Subscription-Key: secret8",
		"Apikey: secret8", "X-Auth: secret8", "Requesttoken: secret8", "X-Session-Id: secret8", "Client-Secret: secret8",
		"Referer: http://h/?key=secret9&a%63cess_token=secret9&X-Goog-Signature=secret9#id_token=secret9",
		"Lock-Token: <urn:uuid:1>", "Author: Ann", "Access-Control-Request-Headers: a")
	req.Body = []byte(`{"requests":[{"headers":{"Authorization":"Bearer secret10\"secret10","Depth":"1"}}],"password": "secret10"}`)
	x := &inspect.Exchange{Method: "PROPFIND", URL: req.URL, RequestHeader: req.Header, RequestBody: req.Body, Status: 200,
		Header: http.Header{"Set-Cookie": {"a=secret6"}, "Location": {"/?sig=secret7"}}}
	first := *x
	x.Redirects = []*inspect.Exchange{&first}
	var b bytes.Buffer
	m := x.Masked()
	if err := inspect.WriteJSON(&b, m, inspect.Judge(x, 0)); err != nil {
		t.Fatal(err)
	}
	b.WriteString(req.Curl(false))
	for _, secret := range []string{"secret", "YW5uOnNlY3JldA"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%q is in\n%s", secret, b.String())
		}
	}
	if x.RequestHeader.Get("Cookie") != "a=secret2" || m.RequestHeader.Get("Authorization") != "Basic ann:***" {
		t.Errorf("the exchange was changed, or is masked otherwise: %v, %v", x.RequestHeader, m.RequestHeader)
	}
	for name, want := range map[string]string{"Lock-Token": "<urn:uuid:1>", "Author": "Ann", "Access-Control-Request-Headers": "a"} {
		if got := m.RequestHeader.Get(name); got != want {
			t.Errorf("%s is %q, and was no credential", name, got)
		}
	}
	if want := `{"requests":[{"headers":{"Authorization":"***","Depth":"1"}}],"password": "***"}`; string(m.RequestBody) != want {
		t.Errorf("the body is %s", m.RequestBody)
	}
	for _, want := range []string{"-u ann:secret", "'Cookie: a=secret2'", "access_token=secret1"} {
		if got := req.Curl(true); !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

// TestMaskURL: a URL that cannot be parsed has credentials, too.
func TestMaskURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://h/a?x=1":                    "http://h/a?x=1",
		"http://ann:secret@h/":              "http://h/",
		"http://ann:secret@h:bad/":          "http://***@h:bad/",
		"http://ann:se/cret@h/":             "http://***@h/",
		"ann:secret@h":                      "***@h",
		"/?$skiptoken=1&TOKEN=x;pwd=y&a=@b": "/?$skiptoken=1&TOKEN=***;pwd=***&a=@b",
	} {
		if got := inspect.MaskURL(in); got != want {
			t.Errorf("MaskURL(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestJSON is the form for programs.
func TestJSON(t *testing.T) {
	x := readExchange(t, "PROPFIND http://h/c/ HTTP/1.1\nDepth: 0", []byte("HTTP/1.1 207 Multi-Status\nContent-Type: text/xml\n\n"+
		`<multistatus xmlns="DAV:"><response><href>/c</href><propstat><prop><getetag>W/"1"</getetag></prop><status>HTTP/1.1 200 OK</status></propstat>`+
		`<error><need-privileges/></error></response></multistatus>`))
	var b bytes.Buffer
	if err := inspect.WriteJSON(&b, x, inspect.Judge(x, 0)); err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || strings.Count(b.String(), "\n") != 1 {
		t.Fatal(err, b.String())
	}
	if err := json.Unmarshal([]byte(`{
		"request": {"method": "PROPFIND", "url": "http://h/c/", "headers": {"Depth": ["0"]}},
		"answer": {"protocol": "HTTP/1.1", "status": 207, "headers": {"Content-Type": ["text/xml"]}, "bytes": 199},
		"kind": "multistatus", "json": false,
		"members": [{"href": "/c", "propstats": [{"status": 200, "properties": [{"name": "getetag", "value": "W/\"1\""}]}],
			"condition": "need-privileges", "words": "the user lacks a privilege (RFC 3744 §7.1.1)"}],
		"findings": [{"rule": "weak-getetag", "section": "RFC 4918 §8.8", "advice": true, "href": "/c", "found": "\"W/\\\"1\\\"\" is weak",
			"text": "entity tags are strong: If-Match never holds with a weak one"}],
		"total": 1, "failed": 0, "outcome": 0, "verdict": "1 of 1 succeeded; 1 warning"}`), &want); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("JSON is\n%v\nwant\n%v", got, want)
	}
}

// TestRaw: what Raw writes is what ReadSaved reads.
func TestRaw(t *testing.T) {
	x := readExchange(t, "", []byte(hostile))
	var b bytes.Buffer
	if err := x.Raw(&b); err != nil {
		t.Fatal(err)
	}
	again := readExchange(t, "", b.Bytes())
	if again.Status != 207 || !bytes.Equal(again.Body, x.Body) || fmt.Sprint(again.Header) != fmt.Sprint(x.Header) {
		t.Errorf("%q", b.String())
	}
}

// TestCurl: the command sends the request that Send sends.
func TestCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("DAV207_REQUIRE_CLIENTS") == "1" {
			t.Fatal(err)
		}
		t.Skip("curl is missing: install it (apt-get install curl)")
	}
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s := fmt.Sprintf("%s %s %q %s", r.Method, r.RequestURI, body, r.Host)
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			if name != "Accept-Encoding" && name != "Content-Length" {
				s += fmt.Sprintf(" %s=%q", name, r.Header[name])
			}
		}
		got = append(got, s)
	}))
	defer srv.Close()
	for _, r := range []*inspect.Request{
		request(t, "PROPFIND", srv.URL+"/a%20b/../[x]{y}?q='$HOME'", "", "Depth: 1"),
		request(t, "PROPPATCH", srv.URL+"/", "it's $(x) `y`\n\\", "Content-Type: application/xml"),
		request(t, "POST", srv.URL+"/", "@/etc/passwd"),
		request(t, "PUT", srv.URL+"/", "\x00\xff"),
		request(t, "GET", srv.URL+"/", "", "Authorization: Basic YW5uOnM6ZWNyZXQ=", "X-Empty: ", "User-Agent: me", "Host: dav.example"),
		request(t, "GET", srv.URL+"/", "", "Authorization: Basic not-base64!"),
		request(t, "HEAD", srv.URL+"/", "", "Accept: application/json"),
	} {
		got = nil
		inspect.Send(t.Context(), r)
		command := r.Curl(true)
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		if len(got) != 2 || got[0] != got[1] {
			t.Errorf("%s\nsends %s\ninspect %s", command, got[min(1, len(got)):], got[0])
		}
	}
}

// FuzzJudge judges arbitrary answers, and prints the judgement without a control character.
func FuzzJudge(f *testing.F) {
	f.Add([]byte(hostile))
	f.Add([]byte("HTTP/1.1 200 OK\nContent-Encoding: gzip\n\n\x1f\x8b\x08"))
	f.Add([]byte("HTTP/2 207\nContent-Type: application/json\nVary: *\n\n{\"responses\":[{\"id\":1,\"status\":424}]}"))
	f.Fuzz(func(t *testing.T, saved []byte) {
		x, err := inspect.ReadSaved(bytes.NewReader(saved), &inspect.Request{})
		if err != nil {
			return
		}
		for _, method := range []string{"", "PROPFIND", "DELETE", "PROPPATCH", "POST"} {
			x.Method = method
			x.URL, x.RequestHeader, x.RequestBody = nil, nil, nil
			if method != "" {
				r := request(t, method, "http://dav.example/c/", `{"requests":[{"id":1}]}`, "Depth: 0", "Accept: application/json", "Origin: http://x")
				x.URL, x.RequestHeader, x.RequestBody = r.URL, r.Header, r.Body
			}
			r := inspect.Judge(x, 0)
			var b bytes.Buffer
			if err := (&inspect.Printer{W: &b}).Print(x, r); err != nil {
				t.Fatal(err)
			}
			if i := strings.IndexFunc(b.String(), func(c rune) bool { return c != '\n' && c != ' ' && !unicode.IsPrint(c) }); i >= 0 {
				t.Errorf("%q", b.String()[i:])
			}
			if err := inspect.WriteJSON(io.Discard, x.Masked(), r); err != nil {
				t.Error(err)
			}
		}
	})
}
