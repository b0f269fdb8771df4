package lab_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
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
		{"POST", "faults", ``, 201, `{"faults":[]}`},
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
		{"GET", "status/42", "", 400, `no final status`},
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
