package davtest

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dav207/fsbackend/memory"
	"dav207/server"
	"dav207/server/access"
	"dav207/server/locks"
)

var update = flag.Bool("update", false, "rewrite the recorded exchanges in integration/rfc4918/testdata")

// movedClock stands still until it is moved.
type movedClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *movedClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *movedClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// TestWriteExchanges records requests to the real server. TestExchanges in integration/rfc4918
// replays the file that comes out, on a tree in memory and on a disk.
func TestWriteExchanges(t *testing.T) {
	const (
		head = `Issue 11: recorded by server/davtest, whose TestWriteExchanges makes this file again. What differs from run to run has placeholders.
-- options --
prefix /dav
-- after --
/c/2
/c/copy  text: 1
`
		lock     = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
		propfind = `<propfind xmlns="DAV:"><prop><resourcetype/><getetag/><getlastmodified/><lockdiscovery/></prop></propfind>`
		set      = `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="x:">2001-02-03T04:05:06Z</x><getetag/></prop></set></propertyupdate>`
	)
	clock := &movedClock{at: testTime}
	opts := &server.Options{Prefix: "/dav", Locks: locks.New(&locks.Options{Now: clock.now})}
	handler := server.New(memory.New(nil).Backend(), opts)
	rec := &recorder{now: clock.now, prefix: "/dav"}
	srv := httptest.NewServer(rec.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, _, ok := r.BasicAuth(); ok {
			r = r.WithContext(access.WithPrincipal(r.Context(), user))
		}
		handler.ServeHTTP(w, r)
	})))
	t.Cleanup(srv.Close)
	send := func(method, path, body string, headers ...string) http.Header {
		t.Helper()
		req, err := http.NewRequest(method, srv.URL+"/dav"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Add(headers[i], headers[i+1])
		}
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		new(bytes.Buffer).ReadFrom(res.Body)
		res.Body.Close()
		return res.Header
	}
	send("MKCOL", "/c/", "")
	send("PUT", "/c/1", "1")
	send("PUT", "/c/2", "two lines\n\nand an empty one\n", "Expect", "100-continue")
	send("PUT", "/gone", "")
	token := strings.Trim(send("LOCK", "/c/2", lock, "Depth", "0", "Timeout", "Second-3600").Get("Lock-Token"), "<>")
	send("PUT", "/c/2", "x", "Authorization", "Basic amFuZTo=", "If", "(<"+token+">)")
	tag := send("PUT", "/c/2", "x", "If", "<"+srv.URL+"/dav/c/2> (<"+token+">)").Get("ETag")
	send("PUT", "/c/2", "x", "If", "(<urn:uuid:00000000-0000-4000-8000-000000000000>)", "If-Match", tag)
	send("PROPFIND", "/c/", propfind, "Depth", "1")
	date := send("GET", "/c/2", "").Get("Last-Modified")
	send("GET", "/c/2", "", "If-None-Match", `"other", `+tag)
	send("GET", "/c/2", "", "If-Modified-Since", date)
	send("GET", "/c/2", "", "If-Modified-Since", "Sat, 03 Feb 2001 04:05:06 GMT", "Range", "bytes=0-0")
	send("PROPPATCH", "/c/1", set)
	send("COPY", "/c/1", "", "Destination", srv.URL+"/dav/c/copy", "Overwrite", "F")
	send("DELETE", "/c/", "")
	send("PUT", "/c/copy", "1")
	send("GET", "/c/none?q", "")
	clock.advance(10 * time.Minute)
	send("PROPFIND", "/c/2", propfind, "Depth", "0")
	clock.advance(50 * time.Minute)
	send("DELETE", "/gone", "", "If", "(Not <"+token+">)")

	var out bytes.Buffer
	if err := rec.journal().WriteExchanges(&out, head); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "integration", "rfc4918", "testdata", "recorded", "journal.txt")
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("the recording differs from %s\n%s", file, &out)
	}
}

// replied returns e with an answer.
func replied(e Exchange, body string, header ...string) Exchange {
	e.ResponseBody = []byte(body)
	for i := 0; i < len(header); i += 2 {
		e.ResponseHeader.Add(header[i], header[i+1])
	}
	return e
}

// sent returns e with a body in its request.
func sent(e Exchange, body string) Exchange {
	e.RequestBody = []byte(body)
	return e
}

func TestWriteExchangesPlaceholders(t *testing.T) {
	const (
		date  = "Wed, 02 Jan 2030 03:04:05 GMT"
		xml   = "application/xml; charset=utf-8"
		token = "urn:uuid:11111111-2222-4333-8444-555555555555"
	)
	later := func(e Exchange, d time.Duration) Exchange { e.Began = testTime.Add(d); return e }
	for _, tt := range []struct {
		what string
		head string
		j    Journal
		want string // after the comment
	}{
		{"a token that the head knows", "-- before --\n/f  locked " + token + "\n",
			Journal{replied(exchangeOf("DELETE", "/f", 204, "If", "(<"+token+">)"), "")},
			"-- before --\n/f  locked {token1}\n-- request --\nDELETE /f HTTP/1.1\nIf: (<{token1}>)\n-- response --\nHTTP/1.1 204 No Content\n"},
		{"a token that nobody gave", "", Journal{exchangeOf("DELETE", "/f", 412, "If", "(<"+token+">)")},
			"-- request --\nDELETE /f HTTP/1.1\nIf: (<" + token + ">)\n-- response --\nHTTP/1.1 412 Precondition Failed\n"},
		{"entity tags in XML, and where the request has them", "", Journal{
			replied(exchangeOf("PROPFIND", "/f", 200), `<p><getetag>&quot;1&#34;</getetag><d:getetag x="1">W/"1"</d:getetag><getetag/><x>"1"</x></p>`, "Content-Type", xml),
			replied(exchangeOf("GET", "/f", 304, "If-None-Match", `W/"1", "1"`, "X-Note", `"1"`), "", "Etag", `"1"`)},
			"-- request --\nPROPFIND /f HTTP/1.1\n-- response --\nHTTP/1.1 200 OK\nContent-Type: application/xml; charset=utf-8\n\n" +
				`<p><getetag>{etag1}</getetag><d:getetag x="1">{etag2}</d:getetag><getetag/><x>"1"</x></p>` + "\n" +
				"-- request --\nGET /f HTTP/1.1\nIf-None-Match: {etag2}, {etag1}\nX-Note: \"1\"\n-- response --\nHTTP/1.1 304 Not Modified\nETag: {etag1}\n"},
		{"a date is named once, where the same resource had it last", "", Journal{
			replied(exchangeOf("GET", "/f", 204), "", "Last-Modified", date),
			replied(exchangeOf("GET", "/f", 204), "", "Last-Modified", date),
			replied(exchangeOf("GET", "/g", 204), "", "Last-Modified", date),
			exchangeOf("GET", "/f", 304, "If-Modified-Since", date),
			exchangeOf("GET", "/g", 412, "If-Unmodified-Since", "Wed, 02 Jan 2030 03:04:06 GMT")},
			"-- request --\nGET /f HTTP/1.1\n-- response --\nHTTP/1.1 204 No Content\nLast-Modified: {any}\n" +
				"-- request --\nGET /f HTTP/1.1\n-- response --\nHTTP/1.1 204 No Content\nLast-Modified: {date1}\n" +
				"-- request --\nGET /g HTTP/1.1\n-- response --\nHTTP/1.1 204 No Content\nLast-Modified: {any}\n" +
				"-- request --\nGET /f HTTP/1.1\nIf-Modified-Since: {date1}\n-- response --\nHTTP/1.1 304 Not Modified\n" +
				"-- request --\nGET /g HTTP/1.1\nIf-Unmodified-Since: Wed, 02 Jan 2030 03:04:06 GMT\n-- response --\nHTTP/1.1 412 Precondition Failed\n"},
		{"times, quotas and timeouts in XML", "", Journal{replied(exchangeOf("PROPFIND", "/", 200),
			`<p><t>2030-01-02T03:04:05.123Z</t><q:quota-used-bytes xmlns:q="DAV:">12</q:quota-used-bytes><D:timeout>Second-60</D:timeout></p>`, "Content-Type", xml)},
			"-- request --\nPROPFIND / HTTP/1.1\n-- response --\nHTTP/1.1 200 OK\nContent-Type: application/xml; charset=utf-8\n\n" +
				`<p><t>{any}</t><q:quota-used-bytes xmlns:q="DAV:">{any}</q:quota-used-bytes><D:timeout>Second-{any}</D:timeout></p>` + "\n"},
		{"the address", "", Journal{replied(exchangeOf("COPY", "http://127.0.0.1:80/f", 301, "Destination", "https://127.0.0.1:80/g"),
			"moved to 127.0.0.1", "Location", "http://127.0.0.1:80/h")},
			"-- request --\nCOPY http://www.example.com/f HTTP/1.1\nDestination: http://www.example.com/g\n" +
				"-- response --\nHTTP/1.1 301 Moved Permanently\nLocation: http://www.example.com/h\n\nmoved to 127.0.0.1\n"},
		{"what does not matter", "", Journal{replied(exchangeOf("GET", "/f", 599, "Expect", "100-continue", "Connection", "close", "Content-Length", "0"),
			"<html>"+date, "Content-Type", "text/html", "Date", date, "Server", "x")},
			"-- request --\nGET /f HTTP/1.1\n-- response --\nHTTP/1.1 599 status code 599\nContent-Type: text/html\n"},
		{"a listing in JSON", "", Journal{replied(exchangeOf("PROPFIND", "/f", 207, "Accept", "application/json"),
			`{"responses":[]}`, "Content-Type", "application/json", "Content-Length", "16"),
			replied(exchangeOf("GET", "/f", 200), "{}", "Content-Type", "application/json", "Content-Length", "2")},
			"-- request --\nPROPFIND /f HTTP/1.1\nAccept: application/json\n-- response --\nHTTP/1.1 207 Multi-Status\nContent-Type: application/json\n" +
				"-- request --\nGET /f HTTP/1.1\n-- response --\nHTTP/1.1 200 OK\nContent-Length: 2\nContent-Type: application/json\n\n{}\n"},
		{"bytes", "", Journal{replied(sent(exchangeOf("PUT", "/f", 201), "\xff\x00\r\n"), "\xff")},
			"-- request --\nPUT /f HTTP/1.1\n\n\xff\x00\r\n\n-- response --\nHTTP/1.1 201 Created\n"},
		{"lines", "", Journal{replied(sent(exchangeOf("PUT", "/f", 201), "\n\n"), "a\n\n")},
			"-- request --\nPUT /f HTTP/1.1\n\n\n\n\n-- response --\nHTTP/1.1 201 Created\n\na\n\n"},
		{"time goes on", "-- after --\n/\n", Journal{exchangeOf("GET", "/f", 404), later(exchangeOf("GET", "/f", 404), time.Second-1),
			later(exchangeOf("GET", "/f", 404), time.Minute+time.Second-1)},
			strings.Repeat("-- request --\nGET /f HTTP/1.1\n-- response --\nHTTP/1.1 404 Not Found\n", 2) +
				"-- later --\n1m0s\n-- request --\nGET /f HTTP/1.1\n-- response --\nHTTP/1.1 404 Not Found\n-- after --\n/\n"},
	} {
		var out bytes.Buffer
		if err := tt.j.WriteExchanges(&out, "Issue 11.\n"+tt.head); err != nil {
			t.Errorf("%s: %v", tt.what, err)
		} else if got := strings.TrimPrefix(out.String(), "Issue 11.\n"); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.what, got, tt.want)
		}
	}
}

func TestWriteExchangesHost(t *testing.T) {
	e := exchangeOf("GET", "/f", 204, "Referer", "http://files.example.org/")
	e.Host, e.Proto = "files.example.org", "HTTP/1.0"
	var out bytes.Buffer
	err := Journal{e}.WriteExchanges(&out, "Issue 11.")
	want := "Issue 11.\n-- request --\nGET /f HTTP/1.0\nHost: files.example.org\nReferer: http://files.example.org/\n-- response --\nHTTP/1.0 204 No Content\n"
	if err != nil || out.String() != want {
		t.Errorf("got %v\n%swant\n%s", err, &out, want)
	}
}

func TestWriteExchangesRefuses(t *testing.T) {
	whole := exchangeOf("GET", "/f", 200)
	broken, pending := whole, whole
	broken.Broken, pending.pending = "reset in the answer", true
	for _, tt := range []struct {
		head string
		j    Journal
		want string
	}{
		{"", Journal{whole}, "the head must begin with a comment"},
		{"-- before --\n/f\n", Journal{whole}, "the head must begin with a comment"},
		{"Issue 11.\n-- request --\nGET / HTTP/1.1\n", Journal{whole}, `the head must not have a section "request"`},
		{"Issue 11.", nil, "there are no exchanges"},
		{"Issue 11.", Journal{whole, broken}, "GET /f → 200 (reset in the answer): only a whole answer"},
		{"Issue 11.", Journal{pending}, "only a whole answer"},
		{"Issue 11.", Journal{exchangeOf("GET", "/f", 0)}, "GET /f → no answer: only a whole answer"},
		{"Issue 11.", Journal{sent(whole, "a\n-- after --\n")}, `GET /f → 200: the request has the line "-- after --", which begins a section`},
		{"Issue 11.", Journal{replied(whole, "-- b --\n")}, `the response has the line "-- b --"`},
		{"Issue 11.", Journal{sent(whole, "{token1}")}, `the text "{token1}" would be taken for a placeholder`},
		{"Issue 11.", Journal{exchangeOf("GET", "/f", 200, "X", "{any}")}, `the text "{any}" would be taken`},
	} {
		var out bytes.Buffer
		err := tt.j.WriteExchanges(&out, tt.head)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "davtest: ") {
			t.Errorf("error %v, want %q", err, tt.want)
		}
		if out.Len() > 0 {
			t.Errorf("%s: wrote %q", tt.want, &out)
		}
	}
}
