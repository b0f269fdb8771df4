package inspect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"dav207/server/davtest"
	"dav207/server/multistatus/inspect"
)

// rowOf returns a row as text.
func rowOf(t *testing.T, rows []inspect.Row, what string) string {
	t.Helper()
	for _, r := range rows {
		if r.What == what {
			return r.Supported + ": " + r.Answer
		}
	}
	return "none"
}

// TestSuite: dav207 deviates from nothing, and nothing is changed.
func TestSuite(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: "-- /c/1 --\nsome text\n"})
	before := srv.Tree()
	rows := inspect.Suite(t.Context(), request(t, "", srv.URL+"/c", ""))
	for _, r := range rows {
		for _, f := range r.Findings {
			t.Errorf("%v", f)
		}
	}
	if worst := inspect.Worst(rows); worst != inspect.Well {
		t.Errorf("the outcome is %d", worst)
	}
	for what, want := range map[string]string{
		"OPTIONS":                               "1, 2, 3: 200",
		"PROPFIND, Depth: 1":                    "yes: 207",
		"PROPFIND, Depth: infinity":             "yes: 207",
		"PROPFIND of an unknown property":       "yes: 207",
		"PROPFIND of what is not there":         "yes: 404",
		"PROPFIND with malformed XML":           "yes: 400",
		"locks (RFC 4918 §15.10)":               "yes: 207",
		"collection synchronization (RFC 6578)": "no: 207",
		"a 207 in JSON":                         "yes: 207",
		"GET of a file":                         "yes: 200",
		"HEAD of a file":                        "yes: 200",
		"GET of a range":                        "yes: 206",
		"GET with If-None-Match":                "yes: 304",
	} {
		if got := rowOf(t, rows, what); got != want {
			t.Errorf("%s = %s, want %s", what, got, want)
		}
	}
	if after := srv.Tree(); after != before {
		t.Errorf("the tree was\n%s\nand is\n%s", before, after)
	}
	for _, x := range srv.Journal() {
		if !inspect.Safe(x.Method) {
			t.Errorf("sent %s", x.String())
		}
	}
	var table, lines bytes.Buffer
	if err := (&inspect.Printer{W: &table}).Table(rows); err != nil || !strings.Contains(table.String(), "GET of a range                         yes      206\n") {
		t.Errorf("%v\n%s", err, table.String())
	}
	var decoded struct{ Rows []struct{ What string } }
	if err := inspect.WriteRows(&lines, request(t, "", srv.URL, "").URL, rows); err != nil || json.Unmarshal(lines.Bytes(), &decoded) != nil || len(decoded.Rows) != len(rows) {
		t.Errorf("%v\n%s", err, lines.String())
	}
}

// TestSuiteDeviations: each rule of Suite is broken by a server in front of which stands a handler
// that does so, and by no other.
func TestSuiteDeviations(t *testing.T) {
	for _, tt := range []struct {
		rule string
		what func(r *http.Request) bool
		// answer changes the answer: its status, header fields and body.
		answer func(status int, h http.Header, body string) (int, string)
	}{
		{"dav-field", func(r *http.Request) bool { return r.Method == "OPTIONS" }, func(s int, h http.Header, b string) (int, string) { delete(h, "DAV"); return s, b }},
		{"missing-resource", func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "not-there") },
			func(s int, h http.Header, b string) (int, string) { return 403, b }},
		{"malformed-request", func(r *http.Request) bool { return r.ContentLength == 29 },
			func(s int, h http.Header, b string) (int, string) { return 500, b }},
		{"unknown-property", func(r *http.Request) bool { return r.Method == "PROPFIND" },
			func(s int, h http.Header, b string) (int, string) {
				return s, strings.ReplaceAll(b, `<D:propstat><D:prop><ns:x xmlns:ns="https://dav207.example/"/></D:prop><D:status>HTTP/1.1 404 Not Found`, `<D:propstat><D:prop></D:prop><D:status>HTTP/1.1 200 OK`)
			}},
		{"propname-values", func(r *http.Request) bool { return r.Method == "PROPFIND" },
			func(s int, h http.Header, b string) (int, string) {
				return s, strings.ReplaceAll(b, "<D:displayname/>", "<D:displayname>c</D:displayname>")
			}},
		{"infinite-depth", func(r *http.Request) bool { return r.Header.Get("Depth") == "infinity" },
			func(s int, h http.Header, b string) (int, string) { return 403, "" }},
		{"etag-differs", func(r *http.Request) bool { return r.Method == "GET" || r.Method == "HEAD" },
			func(s int, h http.Header, b string) (int, string) { h["ETag"] = []string{`"other"`}; return s, b }},
		{"length-differs", func(r *http.Request) bool { return r.Method == "GET" },
			func(s int, h http.Header, b string) (int, string) { return s, b + "more" }},
		{"head-differs", func(r *http.Request) bool { return r.Method == "HEAD" },
			func(s int, h http.Header, b string) (int, string) { delete(h, "ETag"); return s, b }},
		{"if-none-match", func(r *http.Request) bool { return r.Header.Get("If-None-Match") != "" },
			func(s int, h http.Header, b string) (int, string) { return 200, "" }},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			wrap := func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !tt.what(r) {
						next.ServeHTTP(w, r)
						return
					}
					rec := httptest.NewRecorder()
					next.ServeHTTP(rec, r)
					h := rec.Result().Header
					h.Del("Content-Length")
					status, body := tt.answer(rec.Code, h, rec.Body.String())
					for name, values := range h {
						w.Header()[name] = values
					}
					w.WriteHeader(status)
					io.WriteString(w, body)
				})
			}
			srv := davtest.New(t, &davtest.Options{Tree: "-- /c/1 --\nsome text\n", Wrap: wrap})
			found := map[string]bool{}
			var all []string
			for _, r := range inspect.Suite(t.Context(), request(t, "", srv.URL+"/c/", "")) {
				for _, f := range r.Findings {
					found[f.Name] = true
					all = append(all, f.String())
				}
			}
			if !found[tt.rule] || len(found) != 1 && tt.rule != "etag-differs" {
				t.Errorf("found %s", strings.Join(all, "\n"))
			}
		})
	}
}

// TestSuiteTransport: the suite ends where nobody listens.
func TestSuiteTransport(t *testing.T) {
	srv := httptest.NewServer(nil)
	srv.Close()
	rows := inspect.Suite(t.Context(), request(t, "", srv.URL, ""))
	if worst := inspect.Worst(rows); worst != inspect.Transport || len(rows) > 2 {
		t.Errorf("%d, %s", worst, fmt.Sprint(rows))
	}
}

// TestSuiteStays: a listing that names a file of another host does not make the suite ask there,
// nor send it the credentials.
func TestSuiteStays(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked++ }))
	defer other.Close()
	for _, href := range []string{other.URL + "/f", strings.TrimPrefix(other.URL, "http:") + "/f", "/elsewhere/f", "/c/../elsewhere/f"} {
		var got []string
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = append(got, r.Method+" "+r.URL.Path)
			w.Header().Set("Content-Type", "text/xml")
			w.WriteHeader(207)
			fmt.Fprintf(w, `<multistatus xmlns="DAV:"><response><href>%s</href><propstat><prop><getcontentlength>1</getcontentlength></prop>`+
				`<status>HTTP/1.1 200 OK</status></propstat></response></multistatus>`, href)
		}))
		inspect.Suite(t.Context(), request(t, "", srv.URL+"/c/", "", "Authorization: Basic x"))
		srv.Close()
		if asked > 0 || slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "GET") }) {
			t.Errorf("%s: another host was asked %d times; %q", href, asked, got)
		}
	}
}
