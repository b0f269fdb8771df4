package inspect_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/server/davtest"
	"dav207/server/multistatus/inspect"
)

// request returns a request to a URL.
func request(t *testing.T, method, target, body string, fields ...string) *inspect.Request {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r := &inspect.Request{Method: method, URL: u, Header: make(http.Header), Body: []byte(body), Timeout: 20 * time.Second}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	return r
}

// TestSendRedirects: requests that change nothing follow redirects, and credentials stay with the
// first host.
func TestSendRedirects(t *testing.T) {
	var got []string
	record := func(w http.ResponseWriter, r *http.Request) {
		got = append(got, fmt.Sprint(r.Method, " ", r.URL.Path, " ", r.Header.Get("Authorization"), r.Header.Get("Private-Token"), " ", r.Header.Get("Depth"), " ", r.ContentLength))
	}
	other := httptest.NewServer(http.HandlerFunc(record))
	defer other.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record(w, r)
		switch r.URL.Path {
		case "/a":
			http.Redirect(w, r, "/b", http.StatusMovedPermanently)
		case "/b":
			http.Redirect(w, r, other.URL+"/c", http.StatusTemporaryRedirect)
		case "/see":
			http.Redirect(w, r, "/end", http.StatusSeeOther)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/file":
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		}
	}))
	defer srv.Close()
	for _, tt := range []struct {
		method, path string
		want         []string
		redirects    int
		status       int
		err          string
	}{
		{"PROPFIND", "/a", []string{"PROPFIND /a Basic xy 1 1", "PROPFIND /b Basic xy 1 1", "PROPFIND /c  1 1"}, 2, 200, "<nil>"},
		{"DELETE", "/a", []string{"DELETE /a Basic xy 1 1"}, 0, 301, "<nil>"},
		{"POST", "/see", []string{"POST /see Basic xy 1 1", "GET /end Basic xy 1 0"}, 1, 200, "<nil>"},
		{"GET", "/loop", slices.Repeat([]string{"GET /loop Basic xy 1 1"}, 11), 10, 302, "more than 10 redirects"},
		{"GET", "/file", []string{"GET /file Basic xy 1 1"}, 0, 302, "<nil>"},
	} {
		got = nil
		x := inspect.Send(t.Context(), request(t, tt.method, srv.URL+tt.path, "x", "Authorization: Basic x", "Private-Token: y", "Depth: 1"))
		if !slices.Equal(got, tt.want) || len(x.Redirects) != tt.redirects || x.Status != tt.status || fmt.Sprint(x.Err) != tt.err {
			t.Errorf("%s %s: %q, %d redirects, %d, %v", tt.method, tt.path, got, len(x.Redirects), x.Status, x.Err)
		}
	}
}

// TestSendTimes: the first byte comes before the end, and 1xx are reported.
func TestSendTimes(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusProcessing)
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		time.Sleep(100 * time.Millisecond)
		w.Write([]byte("x"))
	}))
	defer srv.Close()
	x := inspect.Send(t.Context(), request(t, "COPY", srv.URL, ""))
	if x.Err != nil || x.FirstByte <= 0 || x.Took < x.FirstByte+50*time.Millisecond || !slices.Equal(x.Interim, []int{102}) {
		t.Errorf("%v: %v to the first byte, %v to the end, interim %v", x.Err, x.FirstByte, x.Took, x.Interim)
	}
}

// TestSendEncoded: a compressed body is judged by what it holds.
func TestSendEncoded(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(207)
		z := gzip.NewWriter(w)
		fmt.Fprint(z, `<multistatus xmlns="DAV:"><response><href>/</href><status>HTTP/1.1 423 Locked</status></response></multistatus>`)
		z.Close()
	}))
	defer srv.Close()
	if r := inspect.Judge(inspect.Send(t.Context(), request(t, "PROPFIND", srv.URL, "")), 0); r.Verdict != "0 of 1 succeeded" {
		t.Errorf("%s, %v", r.Verdict, r.Findings)
	}
}

// TestSendFails: without a whole answer the outcome is that of the transport.
func TestSendFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + ln.Addr().String() + "/"
	ln.Close()
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for b := make([]byte, 1<<20); ; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	interim := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.WriteHeader(http.StatusProcessing)
		}
	}))
	defer interim.Close()
	for _, tt := range []struct{ what, url, want string }{
		{"1xx do not end", interim.URL, "no answer: "},
		{"nobody listens", closed, "no answer: "},
		{"the answer does not end", endless.URL, "the request succeeded; the answer is not whole: the body is longer than 32 MiB, and not read any further"},
	} {
		r := inspect.Judge(inspect.Send(t.Context(), request(t, "GET", tt.url, "")), 0)
		if r.Outcome != inspect.Transport || !strings.HasPrefix(r.Verdict, tt.want) {
			t.Errorf("%s: %d %q", tt.what, r.Outcome, r.Verdict)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if x := inspect.Send(ctx, request(t, "GET", endless.URL, "")); x.Err == nil {
		t.Error("a context that ended lets requests through")
	}
}

// TestWireFaults judges what an honest server never sends, over the wire.
func TestWireFaults(t *testing.T) {
	for _, tt := range []struct {
		what    string
		fault   func(*davtest.Server) *davtest.Fault
		outcome inspect.Outcome
		names   string
		verdict string
	}{
		{"no fault", func(s *davtest.Server) *davtest.Fault { return s.Fail("DELETE", "/", 403).Optional() }, 0, "", "3 of 3 succeeded"},
		{"a member fails", func(s *davtest.Server) *davtest.Fault { return s.Fail("PROPFIND", "/c/1", 403) }, 3, "", "2 of 3 succeeded"},
		{"cut", func(s *davtest.Server) *davtest.Fault { return s.Wire("PROPFIND", "/c/").Cut(600) }, 5, "cut-body", "not whole"},
		{"cut before the body", func(s *davtest.Server) *davtest.Fault { return s.Wire("PROPFIND", "/c/").Cut(0) }, 5, "cut-body", "not whole"},
		{"reset before", func(s *davtest.Server) *davtest.Fault { return s.Wire("PROPFIND", "/c/").Reset("before") }, 5, "", "no answer"},
		{"reset in the answer", func(s *davtest.Server) *davtest.Fault { return s.Wire("PROPFIND", "/c/").Reset("in") }, 5, "cut-body", "not whole"},
		{"stall", func(s *davtest.Server) *davtest.Fault { return s.Wire("PROPFIND", "/c/").Stall(300) }, 5, "cut-body", "it did not end within 500ms"},
		{"malformed", func(s *davtest.Server) *davtest.Fault { return s.Wire("PROPFIND", "/c/").Malformed() }, 4, "well-formed", "3 of 3 succeeded; 1 violation"},
		{"another Content-Type", func(s *davtest.Server) *davtest.Fault { return s.Wire("PROPFIND", "/c/").ContentType("text/html") }, 4, "content-type", "3 of 3"},
		{"too long a Content-Length", func(s *davtest.Server) *davtest.Fault { return s.Wire("PROPFIND", "/c/").ContentLength(100000) }, 5, "cut-body", "not whole"},
		{"another answer", func(s *davtest.Server) *davtest.Fault {
			return s.Wire("PROPFIND", "/c/").Answer(207, "<html/>", "Content-Type: text/html")
		}, 4, "no-multistatus", "nothing says what succeeded; 1 violation"},
		{"unavailable", func(s *davtest.Server) *davtest.Fault { return s.Wire("PROPFIND", "/c/").Unavailable(time.Second) }, 3, "", "the request failed"},
		{"a challenge", func(s *davtest.Server) *davtest.Fault { return s.Wire("PROPFIND", "/c/").Challenge() }, 3, "", "the request failed"},
		{"a slow answer", func(s *davtest.Server) *davtest.Fault { return s.Wire("PROPFIND", "/c/").Delay(50 * time.Millisecond) }, 0, "", "3 of 3 succeeded"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			srv := davtest.New(t, &davtest.Options{Tree: "-- /c/1 --\n-- /c/2 --\n"})
			tt.fault(srv)
			r := request(t, "PROPFIND", srv.URL+"/c/", "", "Depth: 1")
			if tt.what == "stall" {
				r.Timeout = 500 * time.Millisecond
			}
			got := inspect.Judge(inspect.Send(t.Context(), r), 0)
			if got.Outcome != tt.outcome || strings.Join(names(got), " ") != tt.names || !strings.Contains(got.Verdict, tt.verdict) {
				t.Errorf("%d %q %v\nwant %d %q %s", got.Outcome, got.Verdict, got.Findings, tt.outcome, tt.verdict, tt.names)
			}
		})
	}
}
