package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// --batch says where batches go. They need the password of a user, pass the checks of hosts and of
// pages of other sites, and cannot change what is for reading only.
func TestServeBatch(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	writeUsers(t, users, "ann", annHash)
	const put = `{"requests":[{"id":"1","method":"PUT","url":"/f","body":"x"}]}`
	for _, tt := range []struct {
		args, path string
		header     []string
		want       int
		results    string
	}{
		{"", "$batch", nil, 200, `"status":201`},
		{"--prefix /dav", "$batch", nil, 200, `"status":201`},
		{"--batch /a/b", "a/b", nil, 200, `"status":201`},
		{"--batch /a/b", "$batch", nil, 405, ""},
		{"--batch=off", "$batch", nil, 405, ""},
		{"--read-only", "$batch", nil, 207, `"status":403`},
		{"--users " + users, "$batch", nil, 401, ""},
		{"--users " + users, "$batch", as("ann", "secret"), 200, `"status":201`},
		{"", "$batch", []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"", "$batch", []string{"Origin", "http://evil.example"}, 403, ""},
		{"", "$batch", []string{"Content-Type", "text/plain"}, 415, ""},
		{"", "$batch", []string{"Host", "evil.example"}, 421, ""},
	} {
		s := startCommand(t, append(strings.Fields("serve --memory --addr 127.0.0.1:0"), strings.Fields(tt.args)...)...)
		header := append([]string{"Content-Type", "application/json"}, tt.header...)
		status, body := doFor(t, "POST", s.base+tt.path, put, header...)
		if status != tt.want || !strings.Contains(body, tt.results) {
			t.Errorf("%s %v: POST %s = %d %s, want %d with %s", tt.args, tt.header, tt.path, status, body, tt.want, tt.results)
		}
		s.stop(t)
		if log := s.stderr.String(); tt.want == 207 && !strings.Contains(log, "status=207 members=1 failed=1") {
			t.Errorf("the log does not count the item that failed: %s", log)
		}
		if log := s.stderr.String(); tt.results != "" && !strings.Contains(log, `msg="batch item" item=0 method=PUT path=`) {
			t.Errorf("%s: log = %q, want a line for the item", tt.args, log)
		}
	}
}

// doFor is do for a request whose Host may be one of its headers.
func doFor(t *testing.T, method, url, body string, header ...string) (int, string) {
	t.Helper()
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] != "Host" {
			continue
		}
		r, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = header[i+1]
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode, ""
	}
	return do(t, method, url, body, header...)
}

// A lock that a batch takes belongs to its user, and covers other items as it covers requests.
func TestServeBatchLocks(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	writeUsers(t, users, "ann", annHash)
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--users", users)
	status, body := do(t, "POST", s.base+"$batch", `{"requests":[
		{"id":"lock","method":"LOCK","url":"/f","body":"<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>"},
		{"id":"put","method":"PUT","url":"/f","body":"x"}]}`, append(as("ann", "secret"), "Content-Type", "application/json")...)
	if status != 207 || !strings.Contains(body, `{"id":"lock","status":201,`) || !strings.Contains(body, `"Lock-Token":"<urn:uuid:`) ||
		!strings.Contains(body, `{"id":"put","status":423,`) || !strings.Contains(body, "lock-token-submitted") {
		t.Errorf("got %d %s, want 201 and 423 (RFC 4918 §7)", status, body)
	}
}

// A path that no batch can have is a mistake on the command line.
func TestServeBatchUsage(t *testing.T) {
	for _, path := range []string{"", "/", "batch", "/../x", "/.dav207/x", "OFF"} {
		var out, log strings.Builder
		if code := run(t.Context(), []string{"serve", "--memory", "--addr", "127.0.0.1:0", "--batch", path}, &out, &log); code != exitUsage || !strings.Contains(log.String(), "--batch") {
			t.Errorf("--batch %q exits with %d, %q, want %d", path, code, log.String(), exitUsage)
		}
	}
}
