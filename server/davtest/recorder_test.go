package davtest

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// testTime is when the clocks of these tests stand still.
var testTime = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// recorded serves a handler with a recorder.
func recorded(t *testing.T, prefix string, h http.HandlerFunc) (*recorder, *httptest.Server) {
	t.Helper()
	rec := &recorder{now: func() time.Time { return testTime }, prefix: prefix}
	srv := httptest.NewUnstartedServer(rec.wrap(h))
	srv.Config.DisableGeneralOptionsHandler = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.EnableHTTP2 = true
	t.Cleanup(srv.Close)
	return rec, srv
}

// exchangeRaw sends a request as it stands, and returns the answer up to the end of the connection.
func exchangeRaw(t *testing.T, srv *httptest.Server, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(conn, strings.ReplaceAll(request, "\n", "\r\n"))
	answer, _ := io.ReadAll(conn) // a reset is an end
	return string(answer)
}

// TestRecorder compares what the recorder has with what the client sent and got.
func TestRecorder(t *testing.T) {
	const get = "GET /dav/f HTTP/1.1\nHost: h\nConnection: close\n\n"
	for _, tt := range []struct {
		what    string
		handler http.HandlerFunc
		request string
		want    string // status, body of the request | of the answer | broken
		client  string // the end of what the client gets
	}{
		{"a whole answer", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(201)
			io.WriteString(w, "yes")
		}, "PUT /dav/f HTTP/1.1\nHost: h\nConnection: close\nContent-Length: 2\n\nhi", `201 "hi" | "yes" | ""`, "\r\n\r\nyes"},
		{"chunks", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) },
			"PUT /dav/f HTTP/1.1\nHost: h\nConnection: close\nTransfer-Encoding: chunked\n\n2\nhi\n1\n!\n0\n\n", `200 "hi!" | "hi!" | ""`, "\r\n\r\nhi!"},
		{"nothing written", func(http.ResponseWriter, *http.Request) {}, get, `200 "" | "" | ""`, "Content-Length: 0\r\nConnection: close\r\n\r\n"},
		{"HEAD", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			io.WriteString(w, "yes")
		}, strings.Replace(get, "GET", "HEAD", 1), `200 "" | "" | ""`, "\r\n\r\n"},
		{"a body that is not allowed", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(204)
			if _, err := io.WriteString(w, "yes"); err != http.ErrBodyNotAllowed {
				t.Error(err)
			}
		}, get, `204 "" | "" | ""`, "\r\n\r\n"},
		{"more than Content-Length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			io.WriteString(w, "yes")
			if _, err := io.WriteString(w, "no"); err != http.ErrContentLength {
				t.Error(err)
			}
		}, get, `200 "" | "yes" | ""`, "\r\n\r\nyes"},
		{"less than Content-Length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "yes")
		}, get, `200 "" | "yes" | "closed in the answer, 2 bytes before its end"`, "\r\n\r\nyes"},
		{"closed before the answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			get, `0 "" | "" | "closed before the answer"`, ""},
		{"closed in the answer", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "ye")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, get, `200 "" | "ye" | "closed in the answer"`, "\r\n\r\n2\r\nye\r\n"},
		{"a panic", func(http.ResponseWriter, *http.Request) { panic("bug") }, get, `0 "" | "" | "closed before the answer"`, ""},
		{"ReadFrom", func(w http.ResponseWriter, r *http.Request) {
			if n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("yes")); n != 3 || err != nil {
				t.Error(n, err)
			}
			if n, err := w.(io.ReaderFrom).ReadFrom(iotest.ErrReader(io.ErrNoProgress)); n != 0 || err != io.ErrNoProgress {
				t.Error(n, err)
			}
		}, get, `200 "" | "yes" | ""`, "\r\n\r\nyes"},
		{"a hijacker that says what it sends", func(w http.ResponseWriter, r *http.Request) {
			g := recordingOf(struct{ http.ResponseWriter }{w})
			if g != nil {
				t.Error("a writer without Unwrap has a recording")
			}
			g.answered(500, nil) // as a fault without a recorder
			g.wrote(nil)
			g.broke("")
			g = recordingOf(w)
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if _, err := w.Write([]byte("x")); err != http.ErrHijacked {
				t.Errorf("Write after Hijack: %v", err)
			}
			g.answered(207, http.Header{"Content-Type": {"text/xml"}})
			g.wrote([]byte("<mul"))
			rw.WriteString("HTTP/1.1 207 Multi-Status\r\nContent-Type: text/xml\r\n\r\n<mul")
			rw.Flush()
			g.broke("reset in the answer")
			g.broke("another time")
		}, get, `207 "" | "<mul" | "reset in the answer"`, "\r\n\r\n<mul"},
		{"a hijacker that says nothing", func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
		}, get, `0 "" | "" | "the connection was taken over"`, ""},
	} {
		t.Run(tt.what, func(t *testing.T) {
			rec, srv := recorded(t, "/dav", tt.handler)
			srv.Start()
			answer := exchangeRaw(t, srv, tt.request)
			if !strings.HasSuffix(answer, tt.client) || tt.client == "" && answer != "" {
				t.Errorf("the client got %q, want %q at the end", answer, tt.client)
			}
			srv.Close() // waits for handlers whose connection was not hijacked
			e := rec.journal().Last()
			if e == nil {
				t.Fatal("the journal is empty")
			}
			if got := fmt.Sprintf("%d %q | %q | %q", e.Status, e.RequestBody, e.ResponseBody, e.Broken); got != tt.want {
				t.Errorf("recorded %s\n    want %s", got, tt.want)
			}
			if e.Path != "/f" || e.Target != "/dav/f" || e.Host != "h" || !e.Began.Equal(testTime) || e.Took != 0 || e.Scheme != "http" {
				t.Errorf("recorded %+v", e)
			}
			if date := e.ResponseHeader.Get("Date"); strings.Contains(answer, "Date:") && !strings.Contains(answer, "Date: "+date+"\r\n") {
				t.Errorf("recorded Date %q of\n%s", date, answer)
			}
		})
	}
}

// Date comes from the clock, unless the handler sets or suppresses it; header fields are found
// under any spelling.
func TestRecorderHeader(t *testing.T) {
	rec, srv := recorded(t, "", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/set":
			w.Header().Set("Date", "x")
		case "/none":
			w.Header()["Date"] = nil
		}
		w.Header()["ETag"] = []string{`"1"`}
		w.WriteHeader(200)
		w.Header().Set("Too", "late")
	})
	srv.Start()
	for path, want := range map[string]string{"/": "Wed, 02 Jan 2030 03:04:05 GMT", "/set": "x", "/none": ""} {
		req, _ := http.NewRequest("GET", srv.URL+path, nil)
		req.SetBasicAuth("jane", "secret")
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		e := rec.journal().Last()
		if got := e.ResponseHeader.Get("Date"); got != want || res.Header.Get("Date") != want {
			t.Errorf("%s: recorded Date %q, sent %q, want %q", path, got, res.Header.Get("Date"), want)
		}
		if e.ResponseHeader.Get("ETag") != `"1"` || e.ResponseHeader.Get("Too") != "" || e.User != "jane" {
			t.Errorf("recorded %v of %q", e.ResponseHeader, e.User)
		}
	}
}

// Interim responses pass, and 100 Continue is sent when the handler reads, not before.
func TestRecorderInterim(t *testing.T) {
	for _, read := range []bool{true, false} {
		rec, srv := recorded(t, "", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(102)
			w.Header().Set("Link", "x")
			w.WriteHeader(103)
			if read {
				io.Copy(io.Discard, r.Body)
			}
			w.WriteHeader(201)
		})
		srv.Start()
		var got []int
		continued := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got100Continue: func() { continued = true },
			Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { got = append(got, code); return nil },
		})
		req, _ := http.NewRequestWithContext(ctx, "PUT", srv.URL+"/f", strings.NewReader("hi"))
		req.Header.Set("Expect", "100-continue")
		client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 20 * time.Second, DisableKeepAlives: true}}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		e := rec.journal().Last()
		if !slices.Equal(e.Interim, []int{102, 103}) || e.Status != 201 || len(got) < 2 {
			t.Errorf("recorded %v and %d, the client got %v", e.Interim, e.Status, got)
		}
		if want := map[bool]string{true: "hi"}[read]; string(e.RequestBody) != want || continued != read {
			t.Errorf("read %v: recorded the body %q, 100 Continue %v", read, e.RequestBody, continued)
		}
	}
}

// A client may have the whole answer while the handler still reads the request.
func TestJournalWaitsForTheEnd(t *testing.T) {
	answered := make(chan struct{})
	rec, srv := recorded(t, "", func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Length", "2")
		io.WriteString(w, "no")
		if err := rc.Flush(); err != nil {
			t.Error(err)
		}
		<-answered
		time.Sleep(20 * time.Millisecond)
		io.Copy(io.Discard, r.Body)
	})
	srv.Start()
	res, err := srv.Client().Post(srv.URL, "", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	close(answered)
	if got := string(rec.journal().Last().RequestBody); got != "body" {
		t.Errorf("the body is %q, want that which is read after the answer", got)
	}
	res.Body.Close()
}

func TestRecorderHTTP2(t *testing.T) {
	rec, srv := recorded(t, "", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	srv.StartTLS()
	res, err := srv.Client().Post(srv.URL+"/f?q=1", "", strings.NewReader("hi"))
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	e := rec.journal().Last()
	if e.Proto != "HTTP/2.0" || e.Scheme != "https" || e.Target != "/f?q=1" || string(e.ResponseBody) != "hi" || string(e.RequestBody) != "hi" {
		t.Errorf("recorded %+v", e)
	}
}

// Exchanges stand in the order in which they began; a journal is a copy; clear forgets also those
// that go on.
func TestRecorderOrder(t *testing.T) {
	began, wait := make(chan bool), make(chan bool)
	rec, srv := recorded(t, "", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "part")
		began <- true
		<-wait
		io.WriteString(w, " and rest")
	})
	srv.Start()
	var wg sync.WaitGroup
	for _, name := range []string{"/1", "/2"} {
		wg.Go(func() {
			res, err := srv.Client().Get(srv.URL + name)
			if err != nil {
				t.Error(err)
				return
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		})
		<-began
	}
	first := rec.journal()
	if got, want := first.String(), "GET /1 → 200 (so far)\nGET /2 → 200 (so far)\n"; got != want {
		t.Errorf("the journal is\n%swant\n%s", got, want)
	}
	first[0].ResponseHeader.Set("Date", "changed")
	first[0].ResponseBody[0] = 'P'
	close(wait)
	wg.Wait()
	second := rec.journal()
	if e := second[0]; string(e.ResponseBody) != "part and rest" || e.ResponseHeader.Get("Date") == "changed" || string(first[0].ResponseBody) != "Part" {
		t.Errorf("a change of a copy shows in %q, %v", e.ResponseBody, e.ResponseHeader)
	}
	if got, want := second.String(), "GET /1 → 200\nGET /2 → 200\n"; got != want {
		t.Errorf("the journal is\n%swant\n%s", got, want)
	}
	rec.clear()
	if got := rec.journal(); got == nil || len(got) > 0 {
		t.Errorf("after clear the journal is %#v", got)
	}
}

func TestRecorderInParallel(t *testing.T) {
	rec, srv := recorded(t, "", func(w http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { recordingOf(w).broke("once") })
		}
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
		wg.Wait()
	})
	srv.Start()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				res, err := srv.Client().Post(srv.URL, "", strings.NewReader(strings.Repeat("x", 100_000)))
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if j := rec.journal(); len(j) == 0 {
					t.Error("the journal is empty")
				}
			}
		})
	}
	wg.Wait()
	j := rec.journal()
	for _, e := range j {
		if len(e.RequestBody) != 100_000 || len(e.ResponseBody) != 100_000 || e.Broken != "once" {
			t.Fatalf("recorded %d and %d bytes, %q", len(e.RequestBody), len(e.ResponseBody), e.Broken)
		}
	}
	if len(j) != 80 {
		t.Errorf("%d exchanges, want 80", len(j))
	}
}

var _ interface {
	http.Flusher
	http.Hijacker
	io.ReaderFrom
} = (*recordedWriter)(nil)
