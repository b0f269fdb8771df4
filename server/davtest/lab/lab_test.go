package lab_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"dav207/server/davtest"
	"dav207/server/davtest/lab"
)

func start(t *testing.T, opts *lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// call sends a request to the control API and returns the status and the body.
func call(t *testing.T, l *lab.Lab, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, l.ControlURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if req.Header.Set(name, value); name == "Host" {
			req.Host = value
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 0 && res.Header.Get("Content-Type") == "application/json" && !json.Valid(b) {
		t.Errorf("%s %s: no JSON: %s", method, path, b)
	}
	return res.StatusCode, string(b)
}

func TestControl(t *testing.T) {
	l := start(t, &lab.Options{Server: davtest.Options{Tree: "-- /c/1 --\none\n-- /c/2 --\ntwo\n",
		Faults: `{"faults": [{"method": "DELETE", "path": "/c/2", "status": 423}]}`}})
	const first = `{"id":1,"fired":0,"fault":{"method":"DELETE","path":"/c/2","status":423}}`
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string // a part
	}{
		{"GET", "faults", "", 200, `{"faults":[` + first + `]}`},
		{"POST", "faults", `{"faults": [{"path": "/x", "wire": {"delay": "1ms"}}]}`, 201, `{"faults":[{"id":2,"fired":0,"fault":{"path":"/x","wire":{"delay":"1ms"}}}]}`},
		{"POST", "faults", `{"faults": [{"path": "/x"}]}`, 400, `{"error":"faults: line 1: it does nothing`},
		{"POST", "faults", "{\"faults\": [{\"path\": \"/x\", \"status\": 403},\n{\"method\": \"GET\", \"path\": \"/x\", \"depth\": \"0\", \"status\": 403}]}", 400, `{"error":"faults: line 2: GET has no Depth 0`},
		{"POST", "faults", `{"faults": [{"path": "/{}", "status": 403}]}`, 400, `no resource has the path`},
		{"POST", "faults", `{"faults": [{"path": "/x", "status": 403, "times": -1}]}`, 400, `count from 1`},
		{"POST", "faults", `{"faults": [{"path": "/x", "status": 403, "condition": "a b"}]}`, 400, `no name of an XML element`},
		{"POST", "faults", `{"faults": [{"path": "/x", "status": 403, "setHeader": {"a b": "c"}}]}`, 400, `no name of a header field`},
		{"POST", "faults", ``, 400, `a file of faults begins with`},
		{"POST", "faults", `{"faults": []}`, 201, `{"faults":[]}`},
		{"DELETE", "faults/2", "", 204, ""},
		{"DELETE", "faults/2", "", 404, `{"error":"fault \"2\": there is no such thing"}`},
		{"GET", "faults", "", 200, `{"faults":[` + first + `]}`},
		{"DELETE", "faults", "", 204, ""},
		{"GET", "faults", "", 200, `{"faults":[]}`},
		{"GET", "tree", "", 200, "-- /c/ --\n-- /c/1 --\none\n-- /c/2 --\ntwo\n"},
		{"POST", "tree", "-- /d --\nx\n", 204, ""},
		{"GET", "tree", "", 200, "-- /c/2 --\ntwo\n-- /d --\nx\n"},
		{"PUT", "tree", "-- /e --\nx\n", 204, ""},
		{"GET", "tree", "", 200, "-- /e --\nx\n"},
		{"PUT", "tree", "-- e --\n", 400, `{"error":"tree: line 1: no section is called \"e\"`},
		{"GET", "clock", "", 200, `{"now":"2026-01-01T00:00:00Z"}`},
		{"POST", "clock", `{"advance": "90m"}`, 200, `{"now":"2026-01-01T01:30:00Z"}`},
		{"POST", "clock", `{"advance": "-1h"}`, 400, `is no duration`},
		{"POST", "clock", `{"move": "1h"}`, 400, `{\"advance\": \"1h\"}`},
		{"POST", "clock", `{"advance": "1h"} {"advance": "1h"}`, 400, `something follows it`},
		{"POST", "clock", `{"advance": "2562047h"}`, 400, `the clock goes to 2300-01-01T00:00:00Z`},
		{"POST", "clock", `{"advance": "1000000h"}`, 200, `{"now":"2140-01-30T17:30:00Z"}`},
		{"POST", "clock", `{"advance": "2562047h"}`, 400, `the clock goes to`},
		{"GET", "persona", "", 200, `{"persona":"","personas":["apache","iis","nextcloud","nginx","sabre","xnet"]}`},
		{"PUT", "persona", `{"persona": "iis"}`, 200, `{"persona":"iis",`},
		{"PUT", "persona", `{"persona": "lighttpd"}`, 400, `{"error":"there is no persona \"lighttpd\": they are apache, iis, nextcloud, nginx, sabre, xnet"}`},
		{"PUT", "persona", `{"name": "iis"}`, 400, `{\"persona\": \"apache\"}`},
		{"PUT", "persona", `{}`, 400, `{\"persona\": \"apache\"}`},
		{"POST", "exercises/9", "", 200, `Server: Microsoft-IIS/10.0`},
		{"GET", "persona", "", 200, `{"persona":"iis",`},
		{"POST", "reset", "", 204, ""},
		{"GET", "persona", "", 200, `{"persona":"",`},
		{"GET", "clock", "", 200, `{"now":"2026-01-01T00:00:00Z"}`},
		{"GET", "tree", "", 200, "-- /c/1 --\none\n-- /c/2 --\ntwo\n"},
		{"GET", "faults", "", 200, `"fault":{"method":"DELETE","path":"/c/2","status":423}}]}`},
		{"BREW", "status/418", "tea", 418, `"method":"BREW"`},
		{"GET", "status/204", "", 204, ""},
		{"GET", "status/205", "", 205, ""},
		{"GET", "status/42", "", 400, `no final status`},
		{"GET", "status/0404", "", 400, `no final status`},
		{"GET", "status/+404", "", 400, `no final status`},
		{"PUT", "status/404", "\xff", 404, `"bodyBase64":"/w=="`},
		{"PUT", "tree", strings.Repeat("x", 65<<20), 413, `{"error":"http: request body too large"}`},
		{"PUT", "persona", `{"persona": "iis"}}`, 400, `something follows it`},
		{"GET", "schema.json", "", 200, `"$schema"`},
		{"GET", "", "", 200, "<title>dav207 lab</title>"},
		{"GET", "nothing", "", 404, ""},
		{"PATCH", "tree", "", 405, ""},
	} {
		status, body := call(t, l, tt.method, tt.path, tt.body)
		if status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s = %d %s\nwant %d %s", tt.method, tt.path, status, body, tt.status, tt.want)
		}
	}
}

// TestJournal reads what was sent and answered, in three forms.
func TestJournal(t *testing.T) {
	l := start(t, &lab.Options{Server: davtest.Options{Tree: "-- /c/1 --\n"}})
	l.Fail("DELETE", "/c/1", 403)
	l.Do("DELETE", "/c/")
	for path, want := range map[string]string{
		"journal":     `{"exchanges":[{"summary":"DELETE /c/ → 207 /c/1=403","method":"DELETE","path":"/c/",`,
		"journal.txt": "-- request --\nDELETE /c/ HTTP/1.1\n",
		"journal.har": `"version": "1.2"`,
	} {
		if status, body := call(t, l, "GET", path, ""); status != 200 || !strings.Contains(body, want) {
			t.Errorf("GET %s = %d %s, want %s", path, status, body, want)
		}
	}
	if status, _ := call(t, l, "DELETE", "journal", ""); status != 204 || len(l.Journal()) != 0 {
		t.Errorf("DELETE journal = %d, %d exchanges are left", status, len(l.Journal()))
	}
}

// TestControlOfOthers keeps pages of other sites out.
func TestControlOfOthers(t *testing.T) {
	l := start(t, nil)
	for _, tt := range []struct {
		header string
		status int
	}{{"Host: evil.example", 421}, {"Origin: http://evil.example", 403}, {"Sec-Fetch-Site: cross-site", 403}, {"X-Own: 1", 204}} {
		if status, body := call(t, l, "POST", "reset", "", tt.header); status != tt.status {
			t.Errorf("POST reset with %s = %d %s, want %d", tt.header, status, body, tt.status)
		}
	}
	if ln, err := net.Listen("tcp", "0.0.0.0:0"); err == nil {
		if _, err := lab.Start(&lab.Options{Control: ln}); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("Start with a control address for others: %v, want an error", err)
		}
	}
}

// TestExercises runs all, twice: each run begins with the same tree.
func TestExercises(t *testing.T) {
	tree, faults := lab.Exercises()
	l := start(t, &lab.Options{Server: davtest.Options{Tree: tree, Faults: faults}})
	want := []string{
		"/propfind/file.html=200 bigbox author, /propfind/file.html=403 DingALing Random, /propfind/file.html=404 colour",
		"/listing/=200 resourcetype, /listing/=404 getcontentlength, /listing/a.txt=200 resourcetype getcontentlength, /listing/secret.txt=403 resourcetype getcontentlength, /listing/z.txt=200 resourcetype getcontentlength",
		"/proppatch/file.html=424 author, /proppatch/file.html=403 getetag cannot-modify-protected-property",
		"/copy/to/huge.iso=507 sufficient-disk-space",
		"/move/from/stuck.txt=403",
		"/delete/sub/undying.txt=403",
		"/locked/delete/taken.txt=423 lock-token-submitted",
		"/locked/lock/taken.txt=423 no-conflicting-lock, /locked/lock/=424",
		"/locked/file.txt=423 lock-token-submitted",
		"/transport/moved/=302",
		"/transport/cached/old.txt=200 resourcetype",
		"/transport/buffered/=200",
	}
	for range 2 {
		for i := range lab.List {
			if i == len(lab.List)-1 && testing.Short() {
				continue // it takes two seconds
			}
			status, body := call(t, l, "POST", "exercises/"+itoa(i+1), "")
			var r lab.Result
			if err := json.Unmarshal([]byte(body), &r); err != nil || status != 200 {
				t.Fatalf("exercise %d = %d %s", i+1, status, body)
			}
			var parts []string
			for _, m := range r.Resources {
				parts = append(parts, strings.TrimSpace(m.Href+"="+itoa(m.Status)+" "+strings.TrimSpace(m.Properties+" "+m.Condition)))
			}
			if got := strings.Join(parts, ", "); !strings.HasPrefix(got, want[i]) || r.Not == "" || !strings.HasPrefix(r.Request, lab.List[i].Method+" /") || !strings.HasPrefix(r.Response, "HTTP/1.1 ") {
				t.Errorf("exercise %d\n got %s\nwant %s", i+1, got, want[i])
			}
		}
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// TestStatusHeaders: answers that describe a request have the fields that go with their status, and
// no content where there is none (RFC 9110 §15).
func TestStatusHeaders(t *testing.T) {
	l := start(t, nil)
	for status := 200; status < 600; status++ {
		req, err := http.NewRequest("GET", fmt.Sprintf("%sstatus/%d", l.ControlURL, status), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != status {
			t.Errorf("GET status/%d = %d, %v", status, res.StatusCode, err)
		}
		empty := status == 204 || status == 205 || status == 304
		if empty != (len(body) == 0) || empty != (res.Header.Get("Content-Type") == "") {
			t.Errorf("GET status/%d: Content-Type %q, %q", status, res.Header.Get("Content-Type"), body)
		}
		if want := map[int]string{206: fmt.Sprintf("bytes 0-%d/%d", len(body)-1, len(body)), 416: "bytes */0"}[status]; res.Header.Get("Content-Range") != want {
			t.Errorf("GET status/%d: Content-Range %q, want %q", status, res.Header.Get("Content-Range"), want)
		}
	}
}

// TestJournalOfBytes: a body that is no text is there with every byte.
func TestJournalOfBytes(t *testing.T) {
	l := start(t, nil)
	l.Send("PUT", "/bin", "a\xff\x00")
	l.Do("GET", "/bin")
	l.Send("PUT", "/text", "ä\x00")
	_, body := call(t, l, "GET", "journal", "")
	var journal struct{ Exchanges []lab.Exchange }
	if err := json.Unmarshal([]byte(body), &journal); err != nil {
		t.Fatal(err)
	}
	x := journal.Exchanges
	if string(x[0].RequestBodyBase64) != "a\xff\x00" || x[0].RequestBody != "" || string(x[1].ResponseBodyBase64) != "a\xff\x00" ||
		x[2].RequestBody != "ä\x00" || x[2].RequestBodyBase64 != nil {
		t.Errorf("journal = %s", body)
	}
}

// TestControlInParallel: no call of the API disturbs another one, or a client, or is disturbed.
func TestControlInParallel(t *testing.T) {
	l := start(t, &lab.Options{Server: davtest.Options{Tree: "-- /c/1 --\n-- /c/2 --\n-- locks --\nexclusive infinity - 60 urn:uuid:1 /c\n"}})
	first := l.Tree()
	var group sync.WaitGroup
	for _, x := range []struct {
		method, url, body string
		want              int
	}{
		{"POST", l.ControlURL + "reset", "", 204},
		{"GET", l.ControlURL + "tree", "", 200},
		{"PUT", l.ControlURL + "tree", "-- /c/1 --\n-- locks --\nexclusive infinity - 60 urn:uuid:2 /c\n", 204},
		{"POST", l.ControlURL + "tree", "-- /d/1 --\n", 204},
		{"POST", l.ControlURL + "faults", `{"faults": [{"method": "DELETE", "path": "/c/1", "status": 423, "wire": {"delay": "1ms"}}, {"method": "PUT", "path": "/c/*", "lock": "taken"}]}`, 201},
		{"DELETE", l.ControlURL + "faults", "", 204},
		{"GET", l.ControlURL + "journal", "", 200},
		{"POST", l.ControlURL + "clock", `{"advance": "1s"}`, 200},
		{"POST", l.ControlURL + "exercises/1", "", 200},
		{"DELETE", l.Base() + "c", "", 0},
		{"PUT", l.Base() + "c/2", "x", 0},
	} {
		for range 2 {
			group.Go(func() {
				for range 50 {
					req, err := http.NewRequest(x.method, x.url, strings.NewReader(x.body))
					if err != nil {
						t.Error(err)
						return
					}
					res, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Errorf("%s %s: %v", x.method, x.url, err)
						return
					}
					b, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil || x.want != 0 && res.StatusCode != x.want {
						t.Errorf("%s %s = %d %s, %v", x.method, x.url, res.StatusCode, b, err)
						return
					}
				}
			})
		}
	}
	group.Wait()
	l.Reset()
	if got := l.Tree(); got != first {
		t.Errorf("tree at the end:\n%s\nwant:\n%s", got, first)
	}
}
