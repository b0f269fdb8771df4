package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestConditionalEveryMethod sends each method the conditional headers of RFC 9110 §13.1 that it obeys: false is 412, for GET
// and HEAD 304 where that is about having it already, and nothing is changed; true is as if they were not there.
func TestConditionalEveryMethod(t *testing.T) {
	const old, future = "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 9998 23:59:59 GMT"
	fails := map[string]string{
		`If-Match: "x"`:               "412",
		`If-Match: "x", W/"y"`:        "412",
		`If-Match: W/{F}`:             "412", // strong comparison, RFC 9110 §8.8.3.2
		`If-None-Match: *`:            "412 304",
		`If-None-Match: {F}`:          "412 304",
		`If-None-Match: W/{F}`:        "412 304",
		`If-None-Match: "x", {F}`:     "412 304",
		"If-Unmodified-Since: " + old: "412",
		// The date counts only where there is no tag (RFC 9110 §13.2.2).
		`If-Match: "x" | If-Unmodified-Since: ` + future:        "412",
		`If-None-Match: {F} | If-Modified-Since: ` + old:        "412 304",
		`If-Match: {F} | If-None-Match: {F}`:                    "412 304",
		`If-Match: "x" | If-None-Match: {F}`:                    "412", // If-Match comes first
		`If-Unmodified-Since: ` + old + ` | If-None-Match: "x"`: "412",
	}
	holds := []string{
		`If-Match: *`, `If-Match: {F}`, `If-Match: "x", {F}`, `If-None-Match: "x"`, "If-Unmodified-Since: " + future,
		"If-Modified-Since: " + old,
		"If-Match: {F} | If-Unmodified-Since: " + old,
		`If-None-Match: "x" | If-Modified-Since: ` + future,
		"If-Unmodified-Since: yesterday", "If-Modified-Since: yesterday",
	}
	for request, want := range map[string]string{
		"GET /f":                      "200",
		"HEAD /f":                     "200",
		"PUT /f":                      "204",
		"DELETE /f":                   "204",
		"COPY /f | Destination: /new": "201",
		"MOVE /f | Destination: /new": "201",
		"PROPPATCH /f":                "207 /f=200",
		"LOCK /f | exclusive":         "200",
		`PROPFIND /f | Depth: 0 | body: <propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`: "207 /f=200[resourcetype]",
	} {
		t.Run(safe(request), func(t *testing.T) {
			t.Parallel()
			p := newPlay(t, nil)
			reset := func() {
				p.srv.Remove("/new")
				p.srv.Put("/f")
				p.do("HEAD /f | as F")
			}
			reset()
			before := left(p.srv).String()
			for condition, refused := range fails {
				refusal, notModified, _ := strings.Cut(refused, " ")
				if method, _, _ := strings.Cut(request, " "); notModified != "" && (method == "GET" || method == "HEAD") {
					refusal = notModified
				}
				p.step(step{request + " | " + condition, refusal})
				if after := left(p.srv).String(); after != before {
					t.Fatalf("%s | %s changed the tree from %s to %s", request, condition, before, after)
				}
			}
			for _, condition := range holds {
				reset()
				p.step(step{request + " | " + condition, want})
				for _, l := range p.lockdiscovery("/", "") {
					t.Fatalf("locked: %+v", l)
				}
				if strings.HasPrefix(request, "LOCK") {
					p.srv.Advance(2 * time.Hour)
				}
			}
		})
	}
}

func TestConditionals(t *testing.T) {
	playScenes(t, nil, []scene{
		{"RFC 9110 §13.1.2 create only", "/f", []step{
			{"PUT /new | If-None-Match: *", "201"},
			{"PUT /new | If-None-Match: *", "412"},
			{"LOCK /locked | exclusive | If-None-Match: * | as t", "201"},
			{"LOCK /locked | exclusive | If-None-Match: *", "423 no-conflicting-lock(/locked)"}, // which it would be without the condition (§13.2.1)
			{"PUT /locked | If-None-Match: * | If: (<{t}>)", "412"},
			{"PUT /locked | If-Match: * | If: (<{t}>)", "204"},
			{"MKCOL /c | If-None-Match: *", "201"},
			{"MKCOL /d | If-Match: *", "412"},
			{"LOCK /d | exclusive | If-Match: *", "412"},
			{"PUT /d | If-Match: *", "412"},
			{`PUT /d | If-Match: "x"`, "412"},
			{`PUT /d | If-None-Match: "x"`, "201"},
		}},
		{"RFC 9110 §13.1.1 a collection exists, and has no tag", "/c/m", []step{
			{"DELETE /c/ | If-None-Match: *", "412"},
			{`DELETE /c/ | If-Match: "x"`, "412"},
			{"PROPFIND /c/ | Depth: 0 | If-None-Match: *", "412"},
			{"GET /c/ | If-None-Match: *", "304"},
			{"HEAD /c/ | If-None-Match: *", "304"},
			{`GET /c/ | If-Match: "x"`, "412"},
			{`GET /c/ | If-None-Match: "x"`, "200"},
			{"GET /c/ | If-Match: *", "200"},
			{"COPY /c/ | Destination: /d/ | If-Match: *", "201"},
			{"MOVE /d/ | Destination: /e/ | If-None-Match: *", "412"},
			{`MOVE /d/ | Destination: /e/ | If-None-Match: "x"`, "201"},
			{"DELETE /c/ | If-Match: *", "204"},
		}},
		{"RFC 9110 §13.2.1 other failures come first", "/f /c/m", []step{
			{"GET /none | If-Match: *", "404"},
			{"DELETE /none | If-Match: *", "404"},
			{"PROPPATCH /none | If-Match: *", "404"},
			{"MOVE /none | Destination: /x | If-Match: *", "404"},
			{"PUT /none/x | If-Match: *", "409"},
			{"PUT /c/ | If-None-Match: *", "405"},
			{"MKCOL /c/ | If-None-Match: *", "405"},
			{"PUT /f | Content-Range: bytes 0-0/5 | If-Match: \"x\"", "400"},
		}},
		{"RFC 9110 §13.2.1 a lock, too: it would refuse the request without them", "/f", []step{
			{"LOCK /f | exclusive | as t", "200"},
			{`PUT /f | If-Match: "x"`, "423 lock-token-submitted(/f)"},
			{"PUT /f | If-Match: *", "423 lock-token-submitted(/f)"},
			{"PUT /f | If: (<DAV:no-lock>) | If-Match: *", "412"}, // but that is a matter of RFC 4918 §10.4.1
			{"DELETE /f | If-None-Match: *", "423 lock-token-submitted(/f)"},
			{"MOVE /f | Destination: /g | If-None-Match: *", "423 lock-token-submitted(/f)"},
			{"PROPPATCH /f | If-None-Match: *", "423 lock-token-submitted(/f)"},
			{`PUT /f | If: (<{t}>) | If-Match: "x"`, "412"},
			{`DELETE /f | If: (<{t}>) | If-Match: "x"`, "412"},
			{`MOVE /f | Destination: /g | If: (<{t}>) | If-Match: "x"`, "412"},
			{`PROPPATCH /f | If: (<{t}>) | If-Match: "x"`, "412"},
			{"PUT /f | If: (<{t}>) | If-Match: *", "204"},
		}},
		{"RFC 9110 §13.1.4 a date that is the file's own", "/f", []step{
			{"PROPPATCH /f | body: <propertyupdate xmlns=\"DAV:\"><set><prop><getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</getlastmodified></prop></set></propertyupdate>", "207 /f=200[getlastmodified]"},
			{"GET /f | If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "304"},
			{"GET /f | If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "200"},
			{"GET /f | If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", "304"},
			{"GET /f | If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "200"},
			{"GET /f | If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "412"},
			{"PUT /f | If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "412"},
			{"PUT /f | If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "204"},
		}},
		{"RFC 9110 §13.1.5 If-Range, §14.2 Range", "/f", []step{
			{"PROPPATCH /f | body: <propertyupdate xmlns=\"DAV:\"><set><prop><getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</getlastmodified></prop></set></propertyupdate>", "207 /f=200[getlastmodified]"},
			{"HEAD /f | as F", "200"},
			{"GET /f | Range: bytes=0-0", "206"},
			{"GET /f | Range: bytes=0-0 | If-Range: {F}", "206"},
			{"GET /f | Range: bytes=0-0 | If-Range: \"x\"", "200"},
			{"GET /f | Range: bytes=0-0 | If-Range: W/{F}", "200"},
			{"GET /f | Range: bytes=0-0 | If-Range: Sun, 06 Nov 1994 08:49:37 GMT", "206"},
			{"GET /f | Range: bytes=0-0 | If-Range: Sun, 06 Nov 1994 08:49:38 GMT", "200"},
			{"GET /f | Range: bytes=9-", "416"},
			{"GET /f | Range: bytes=9- | If-Range: \"x\"", "200"},
			{"GET /f | Range: lines=1-2", "200"},
			{"GET /f | Range: bytes", "200"},
			{"GET /f | Range: bytes=0-0 | If-Match: \"x\"", "412"},
			{"GET /f | Range: bytes=0-0 | If-None-Match: {F}", "304"},
			{"PUT /f | Range: bytes=0-0", "204"},
		}},
	})
}

// TestVerdictBeforeTheBody announces bodies with "Expect: 100-continue" (RFC 9110 §10.1.1): what is refused is refused without
// asking for them, for every method that has one.
func TestVerdictBeforeTheBody(t *testing.T) {
	for _, tt := range []struct {
		request string // method and name, headers
		status  int
	}{
		{`PUT /f | If-Match: "x"`, 412},
		{"PUT /f | If-None-Match: *", 412},
		{"PUT /f | If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 412},
		{`PUT /f | If: (["x"])`, 412},
		{"PUT /f | If: (", 400},
		{"PUT /locked", 423},
		{"PUT /c/new", 423},
		{"PUT /none/f", 409},
		{"PUT /c/", 405},
		{"PUT /f | Content-Range: bytes 0-9/100", 400},
		{"PUT /locked | Transfer-Encoding: chunked", 423},
		{`PROPPATCH /f | If-Match: "x"`, 412},
		{`PROPPATCH /f | If: (["x"])`, 412},
		{"PROPPATCH /locked", 423},
		{"PROPPATCH /none", 404},
		{`PROPFIND /f | If: (["x"])`, 412},
		{"PROPFIND /none", 404},
		{"LOCK /f | If-None-Match: *", 412},
		{`LOCK /f | If: (["x"])`, 412},
		{"LOCK /none/f", 409},
		{`MKCOL /new | If-Match: "x"`, 412},
		{"PUT /f", 100},
		{"PROPPATCH /f", 100},
	} {
		t.Run(safe(tt.request), func(t *testing.T) {
			t.Parallel()
			p := newPlay(t, nil)
			p.srv.Put("/f", "/locked", "/c/")
			p.do("LOCK /locked | exclusive")
			p.do("LOCK /c/ | exclusive | Depth: 0")
			conn, err := net.Dial("tcp", p.srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			parts := strings.Split(tt.request, " | ")
			head := parts[0] + " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + strings.Join(append(parts[1:], ""), "\r\n")
			if !strings.Contains(head, "chunked") {
				head += "Content-Length: 1000\r\n"
			}
			io.WriteString(conn, head+"\r\n")
			var got, text string
			if _, err := fmt.Fscan(bufio.NewReader(conn), &got, &text); err != nil {
				t.Fatalf("no answer before the body: %v", err)
			}
			if want := fmt.Sprint(tt.status); text != want {
				t.Errorf("the first answer is %s %s, want %s", text, http.StatusText(tt.status), want)
			}
		})
	}
}
