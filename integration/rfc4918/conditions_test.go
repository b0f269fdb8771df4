package rfc4918

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
	"dav207/server"
)

// TestConditionalEveryMethod sends each method the conditional headers of RFC 9110 §13.1. A false
// condition is 412, or 304 for If-None-Match and If-Modified-Since of GET and HEAD, and changes
// nothing. A true condition has no effect.
func TestConditionalEveryMethod(t *testing.T) {
	const old, future = "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 9998 23:59:59 GMT"
	fails := map[string]string{
		`If-Match: "x"`:        "412",
		`If-Match: "x", W/"y"`: "412",
		`If-Match: ,`:          "412", // a list of no tags, RFC 9110 §13.1.1
		`If-Match: , | If-Unmodified-Since: ` + future: "412",
		`If-Match: W/{F}`:             "412", // strong comparison, RFC 9110 §8.8.3.2
		`If-None-Match: *`:            "412 304",
		`If-None-Match: {F}`:          "412 304",
		`If-None-Match: W/{F}`:        "412 304",
		`If-None-Match: "x", {F}`:     "412 304",
		"If-Unmodified-Since: " + old: "412",
		// The date is ignored if there is a tag (RFC 9110 §13.2.2).
		`If-Match: "x" | If-Unmodified-Since: ` + future:        "412",
		`If-None-Match: {F} | If-Modified-Since: ` + old:        "412 304",
		`If-Match: {F} | If-None-Match: {F}`:                    "412 304",
		`If-Match: "x" | If-None-Match: {F}`:                    "412", // If-Match is evaluated first
		`If-Unmodified-Since: ` + old + ` | If-None-Match: "x"`: "412",
	}
	holds := []string{
		`If-Match: *`, `If-Match: {F}`, `If-Match: "x", {F}`, `If-None-Match: "x"`, "If-Unmodified-Since: " + future,
		"If-Modified-Since: " + old,
		"If-Match: {F} | If-Unmodified-Since: " + old,
		`If-None-Match: "x" | If-Modified-Since: ` + future,
		"If-None-Match: ,", "If-Unmodified-Since: yesterday", "If-Modified-Since: yesterday",
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
		t.Run(harness.NoSlash(request), func(t *testing.T) {
			t.Parallel()
			p := harness.StartScript(t, nil)
			reset := func() {
				p.Server.Remove("/new")
				p.Server.Put("/f")
				p.Do("HEAD /f | as F")
			}
			reset()
			before := harness.TreeOf(p.Server).String()
			for condition, refused := range fails {
				refusal, notModified, _ := strings.Cut(refused, " ")
				if method, _, _ := strings.Cut(request, " "); notModified != "" && (method == "GET" || method == "HEAD") {
					refusal = notModified
				}
				p.Step(harness.Step{request + " | " + condition, refusal})
				if after := harness.TreeOf(p.Server).String(); after != before {
					t.Fatalf("%s | %s changed the tree from %s to %s", request, condition, before, after)
				}
			}
			for _, condition := range holds {
				reset()
				p.Step(harness.Step{request + " | " + condition, want})
				for _, l := range p.LockDiscovery("/", "") {
					t.Fatalf("locked: %+v", l)
				}
				if strings.HasPrefix(request, "LOCK") {
					p.Server.Advance(2 * time.Hour)
				}
			}
		})
	}
}

func TestConditionals(t *testing.T) {
	runScripts(t, nil, []script{
		{"RFC 9110 §13.1.2 create only", "/f", []harness.Step{
			{"PUT /new | If-None-Match: *", "201"},
			{"PUT /new | If-None-Match: *", "412"},
			{"LOCK /locked | exclusive | If-None-Match: * | as t", "201"},
			{"LOCK /locked | exclusive | If-None-Match: *", "423 no-conflicting-lock(/locked)"}, // as without the condition (§13.2.1)
			{"PUT /locked | If-None-Match: * | If: (<{t}>)", "412"},
			{"PUT /locked | If-Match: * | If: (<{t}>)", "204"},
			{"MKCOL /c | If-None-Match: *", "201"},
			{"MKCOL /d | If-Match: *", "412"},
			{"LOCK /d | exclusive | If-Match: *", "412"},
			{"PUT /d | If-Match: *", "412"},
			{`PUT /d | If-Match: "x"`, "412"},
			{`PUT /d | If-None-Match: "x"`, "201"},
		}},
		{"RFC 9110 §13.1.1 a collection exists, and has no tag", "/c/m", []harness.Step{
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
		{"RFC 9110 §13.2.1 other failures come first", "/f /c/m", []harness.Step{
			{"GET /none | If-Match: *", "404"},
			{"DELETE /none | If-Match: *", "404"},
			{"PROPPATCH /none | If-Match: *", "404"},
			{"MOVE /none | Destination: /x | If-Match: *", "404"},
			{"PUT /none/x | If-Match: *", "409"},
			{"PUT /c/ | If-None-Match: *", "405"},
			{"MKCOL /c/ | If-None-Match: *", "405"},
			{"PUT /f | Content-Range: bytes 0-0/5 | If-Match: \"x\"", "400"},
		}},
		{"RFC 9110 §13.2.1 a lock, too: it would refuse the request without them", "/f", []harness.Step{
			{"LOCK /f | exclusive | as t", "200"},
			{`PUT /f | If-Match: "x"`, "423 lock-token-submitted(/f)"},
			{"PUT /f | If-Match: *", "423 lock-token-submitted(/f)"},
			{"PUT /f | If: (<DAV:no-lock>) | If-Match: *", "412"}, // RFC 4918 §10.4.1
			{"DELETE /f | If-None-Match: *", "423 lock-token-submitted(/f)"},
			{"MOVE /f | Destination: /g | If-None-Match: *", "423 lock-token-submitted(/f)"},
			{"PROPPATCH /f | If-None-Match: *", "423 lock-token-submitted(/f)"},
			{`PUT /f | If: (<{t}>) | If-Match: "x"`, "412"},
			{`DELETE /f | If: (<{t}>) | If-Match: "x"`, "412"},
			{`MOVE /f | Destination: /g | If: (<{t}>) | If-Match: "x"`, "412"},
			{`PROPPATCH /f | If: (<{t}>) | If-Match: "x"`, "412"},
			{"PUT /f | If: (<{t}>) | If-Match: *", "204"},
		}},
		{"RFC 9110 §13.1.4 a date that is the file's own", "/f", []harness.Step{
			{"PROPPATCH /f | body: <propertyupdate xmlns=\"DAV:\"><set><prop><getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</getlastmodified></prop></set></propertyupdate>", "207 /f=200[getlastmodified]"},
			{"GET /f | If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "304"},
			{"GET /f | If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "200"},
			{"GET /f | If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", "304"},
			{"GET /f | If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "200"},
			{"GET /f | If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "412"},
			{"PUT /f | If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "412"},
			{"PUT /f | If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "204"},
		}},
		{"RFC 9110 §13.1.5 If-Range, §14.2 Range", "/f", []harness.Step{
			{"PROPPATCH /f | body: <propertyupdate xmlns=\"DAV:\"><set><prop><getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</getlastmodified></prop></set></propertyupdate>", "207 /f=200[getlastmodified]"},
			{"HEAD /f | as F", "200"},
			{"GET /f | Range: bytes=0-0", "206"},
			{"GET /f | Range: bytes=0-0 | If-Range: {F}", "206"},
			{"GET /f | Range: bytes=0-0 | If-Range: \"x\"", "200"},
			{"GET /f | Range: bytes=0-0 | If-Range: W/{F}", "200"},
			{"GET /f | Range: bytes=0-0 | If-Range: Sun, 06 Nov 1994 08:49:37 GMT", "200"}, // a time set by a client is no strong validator (§8.8.2.2)
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

// TestExpectContinue sends "Expect: 100-continue" (RFC 9110 §10.1.1). A request that will be
// refused is refused without a 100 (Continue), for every method that has a body.
func TestExpectContinue(t *testing.T) {
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
		{"PUT /f | X-Expected-Entity-Length: x", 400},
		{"PUT /f | Content-Encoding: gzip", 415},
		{"PUT /%00", 400},

		{`PROPPATCH /f | If-Match: "x"`, 412},
		{`PROPPATCH /f | If: (["x"])`, 412},
		{"PROPPATCH /locked", 423},
		{"PROPPATCH /none", 404},
		{"PROPPATCH /f | Content-Length: 2000000", 413},

		{`PROPFIND /f | If: (["x"])`, 412},
		{"PROPFIND /f | If-None-Match: *", 412},
		{"PROPFIND /none", 404},
		{"PROPFIND /c/ | Depth: 2", 400},
		{"PROPFIND /c/ | Depth: infinity", 403},
		{"PROPFIND /c/", 403},
		{"PROPFIND /f | Content-Length: 2000000", 413},

		{"LOCK /f | If-None-Match: *", 412},
		{`LOCK /f | If: (["x"])`, 412},
		{"LOCK /none/f", 409},
		{"LOCK /c/new", 423},
		{"LOCK /new/", 405},
		{"LOCK /f | Depth: 1", 400},
		{"LOCK /f | Depth: x", 400},
		{"LOCK /locked", 423},
		{"LOCK /f | Content-Length: 2000000", 413},

		{`MKCOL /new | Transfer-Encoding: chunked | If-Match: "x"`, 412},
		{`MKCOL /new | Transfer-Encoding: chunked | If: (["x"])`, 412},
		{"MKCOL /f | Transfer-Encoding: chunked", 405},
		{"MKCOL /none/new | Transfer-Encoding: chunked", 409},
		{"MKCOL /c/new | Transfer-Encoding: chunked", 423},
		{"MKCOL /new", 415},

		{`DELETE /f | Transfer-Encoding: chunked | If-Match: "x"`, 412},
		{`DELETE /f | Transfer-Encoding: chunked | If: (["x"])`, 412},
		{"DELETE /none | Transfer-Encoding: chunked", 404},
		{"DELETE / | Transfer-Encoding: chunked", 403},
		{"DELETE /d/ | Transfer-Encoding: chunked | Depth: 0", 400},
		{"DELETE /d/ | Transfer-Encoding: chunked | Depth: x", 400},
		{"DELETE /locked | Transfer-Encoding: chunked", 423},
		{"DELETE /c/old | Transfer-Encoding: chunked", 423},
		{"DELETE /f", 415},

		{"UNLOCK /locked | Transfer-Encoding: chunked", 400},
		{"UNLOCK /locked | Transfer-Encoding: chunked | Lock-Token: <urn:uuid:1>", 409},
		{"UNLOCK /f | Transfer-Encoding: chunked | Lock-Token: {token}", 409},
		{`UNLOCK /locked | Transfer-Encoding: chunked | Lock-Token: {token} | If-Match: "x"`, 412},
		{"UNLOCK /locked | Lock-Token: {token}", 415},

		{"COPY /f", 400},
		{"COPY /f | Destination: new", 400},
		{"COPY /f | Destination: http://other.example/new", 502},
		{"COPY /f | Destination: /new | Overwrite: x", 400},
		{"COPY /f | Destination: /%0A", 400},
		{"COPY /f | Destination: /d/m | Overwrite: F", 412},
		{"COPY /f | Destination: /f", 403},
		{"COPY /d/ | Destination: /d/new", 403},
		{"COPY /d/ | Destination: /new | Depth: 1", 400},
		{"COPY /none | Destination: /new", 404},
		{"COPY /f | Destination: /none/new", 409},
		{"COPY /f | Destination: /locked", 423},
		{"COPY /f | Destination: /c/new", 423},
		{`COPY /f | Destination: /new | If-Match: "x"`, 412},
		{`COPY /f | Destination: /new | If: (["x"])`, 412},
		{"COPY /f | Destination: /new | Content-Length: 2000000", 413},

		{"MOVE /f", 400},
		{"MOVE / | Destination: /new", 403},
		{"MOVE /d/ | Destination: /new | Depth: 0", 400},
		{"MOVE /f | Destination: /d/m | Overwrite: F", 412},
		{"MOVE /d/ | Destination: /d/new", 403},
		{"MOVE /none | Destination: /new", 404},
		{"MOVE /f | Destination: /none/new", 409},
		{"MOVE /locked | Destination: /new", 423},
		{"MOVE /c/old | Destination: /new", 423},
		{"MOVE /f | Destination: /locked", 423},
		{`MOVE /f | Destination: /new | If-Match: "x"`, 412},
		{"MOVE /f | Destination: /new | Content-Length: 2000000", 413},

		{"BREW /f", 501},
		{"POST /f", 405},
		{"PUT /f", 100},
		{"PROPPATCH /f", 100},
		{"PROPFIND /c/ | Depth: 1", 100},
		{"LOCK /f", 100},
		{"LOCK /new", 100},
		{"LOCK /locked | Transfer-Encoding: chunked | Depth: 1 | If: ({token})", 100}, // it may be a refresh
	} {
		t.Run(harness.NoSlash(tt.request), func(t *testing.T) {
			t.Parallel()
			p := harness.StartScript(t, &server.Options{DenyInfinity: true})
			p.Server.Put("/f", "/locked", "/c/", "/c/old", "/d/", "/d/m")
			token := "<" + strings.Trim(p.Do("LOCK /locked | exclusive").Header.Get("Lock-Token"), "<>") + ">"
			p.Do("LOCK /c/ | exclusive | Depth: 0")
			conn, err := net.Dial("tcp", p.Server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			parts := strings.Split(strings.ReplaceAll(tt.request, "{token}", token), " | ")
			head := parts[0] + " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + strings.Join(append(parts[1:], ""), "\r\n")
			if !strings.Contains(head, "chunked") && !strings.Contains(head, "Content-Length") {
				head += "Content-Length: 1000\r\n"
			}
			io.WriteString(conn, head+"\r\n")
			var got, text string
			if _, err := fmt.Fscan(bufio.NewReader(conn), &got, &text); err != nil {
				t.Fatalf("no answer before the body: %v", err)
			}
			if want := fmt.Sprint(tt.status); text != want {
				t.Errorf("the first answer = %s %s, want %s", text, http.StatusText(tt.status), want)
			}
		})
	}
}

// The checks before the body change nothing, and the request succeeds after the body.
func TestRequestAfterContinue(t *testing.T) {
	for _, tt := range []struct {
		request, body string
		status        int
		left          string
	}{
		{"DELETE /d/", "", 204, "/ /f /locked"},
		{"DELETE /f", "x", 415, "/ /d/ /d/m /f /locked"},
		{"MKCOL /new", "", 201, "/ /d/ /d/m /f /locked /new/"},
		{"MKCOL /new", "x", 415, "/ /d/ /d/m /f /locked"},
		{"COPY /d/ | Destination: /new/", "", 201, "/ /d/ /d/m /f /locked /new/ /new/m"},
		{"COPY /d/ | Destination: /new/", "x", 415, "/ /d/ /d/m /f /locked"},
		{"COPY /f | Destination: /d/m", "", 204, "/ /d/ /d/m /f /locked"},
		{"MOVE /d/ | Destination: /new/", "", 201, "/ /f /locked /new/ /new/m"},
		{"MOVE /f | Destination: /d/", "", 204, "/ /d /locked"},
		{"MOVE /d/ | Destination: /f", "", 204, "/ /f/ /f/m /locked"},
		{"MOVE /d/ | Destination: /f", "x", 415, "/ /d/ /d/m /f /locked"},
		{"UNLOCK /locked | Lock-Token: {token}", "", 204, "/ /d/ /d/m /f /locked"},
		{"UNLOCK /locked | Lock-Token: {token}", "x", 415, "/ /d/ /d/m /f /locked"},
		{"LOCK /new", harness.SharedLock, 201, "/ /d/ /d/m /f /locked /new"},
		{"LOCK /new", "x", 400, "/ /d/ /d/m /f /locked"},
		{"LOCK /locked | If: ({token})", "", 200, "/ /d/ /d/m /f /locked"},
		{"PROPPATCH /f", harness.SetColour, 207, "/ /d/ /d/m /f /locked"},
		{"PROPFIND /f", "", 207, "/ /d/ /d/m /f /locked"},
	} {
		t.Run(harness.NoSlash(tt.request+" "+tt.body), func(t *testing.T) {
			t.Parallel()
			p := harness.StartScript(t, nil)
			p.Server.Put("/f", "/locked", "/d/", "/d/m")
			token := "<" + strings.Trim(p.Do("LOCK /locked | exclusive").Header.Get("Lock-Token"), "<>") + ">"
			before := p.Server.Names()
			conn, err := net.Dial("tcp", p.Server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			answers := bufio.NewReader(conn)
			parts := strings.Split(strings.ReplaceAll(tt.request, "{token}", token), " | ")
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n%s\r\n", parts[0],
				strings.Join(append(parts[1:], ""), "\r\n"))
			if line, err := answers.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
				t.Fatalf("= %q, %v, want 100 Continue", line, err)
			}
			answers.ReadString('\n')
			if now := p.Server.Names(); now != before {
				t.Errorf("tree before the body = %s, want %s", now, before)
			}
			if tt.body != "" {
				fmt.Fprintf(conn, "%x\r\n%s\r\n", len(tt.body), tt.body)
			}
			io.WriteString(conn, "0\r\n\r\n")
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("= %s, want %d", resp.Status, tt.status)
			}
			if got := p.Server.Names(); got != tt.left {
				t.Errorf("tree = %s, want %s", got, tt.left)
			}
		})
	}
}
