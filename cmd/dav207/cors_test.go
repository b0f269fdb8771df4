package main

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// --cors-origin lets scripts of that origin read every answer, errors included; others read none.
func TestServeCORS(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	writeUsers(t, users, "ann", annHash)
	const app, other = "https://app.example", "http://127.0.0.1:9"
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--users", users, "--cors-origin", app, "--cors-origin=http://127.0.0.1:9")
	ann := as("ann", "secret")
	const lock = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>"
	for _, tt := range []struct {
		origin, method, name, body string
		header                     []string
		status                     int
		readable                   bool
		exposed                    string // a header field that the script reads
	}{
		{app, "OPTIONS", "f", "", []string{"Access-Control-Request-Method", "LOCK"}, 204, true, ""},
		{"https://evil.example", "OPTIONS", "f", "", []string{"Access-Control-Request-Method", "LOCK"}, 401, false, ""},
		{app, "PUT", "f", "x", nil, 401, true, "WWW-Authenticate"},
		{app, "PUT", "f", "x", ann, 201, true, "ETag"},
		{other, "GET", "f", "", append([]string{"Range", "bytes=0-0"}, ann...), 206, true, "Content-Range"},
		{app, "GET", "none", "", ann, 404, true, "Date"},
		{app, "OPTIONS", "f", "", ann, 200, true, "DAV"},
		{app, "PROPFIND", "", "", append([]string{"Depth", "1"}, ann...), 207, true, ""},
		{app, "PUT", "f", "x", append([]string{"If-None-Match", "*"}, ann...), 412, true, ""},
		{app, "LOCK", "f", lock, ann, 200, true, "Lock-Token"},
		{app, "PUT", "f", "x", ann, 423, true, ""},
		{app, "POST", "$batch", `{"requests":[]}`, append([]string{"Content-Type", "application/json"}, ann...), 200, true, ""},
		{app, "POST", "f", "", ann, 405, true, "Allow"},
		{app, "COPY", "f", "", append([]string{"Destination", "http://elsewhere.example/f"}, ann...), 502, true, ""},
		{"https://evil.example", "DELETE", "f", "", append([]string{"Sec-Fetch-Site", "cross-site"}, ann...), 403, false, ""},
		{"https://evil.example", "GET", "f", "", ann, 200, false, ""},
		{"null", "DELETE", "f", "", ann, 403, false, ""},
	} {
		r, err := http.NewRequest(tt.method, s.base+tt.name, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", tt.origin)
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want := map[bool]string{true: tt.origin}[tt.readable]
		if resp.StatusCode != tt.status || resp.Header.Get("Access-Control-Allow-Origin") != want || !strings.Contains(resp.Header.Get("Vary"), "Origin") {
			t.Errorf("%s: %s /%s = %s %v, want %d", tt.origin, tt.method, tt.name, resp.Status, resp.Header, tt.status)
		}
		exposed := strings.Split(resp.Header.Get("Access-Control-Expose-Headers"), ", ")
		if tt.exposed != "" && (resp.Header.Get(tt.exposed) == "" || !slices.Contains(exposed, tt.exposed)) {
			t.Errorf("%s /%s: %s is not exposed in %v", tt.method, tt.name, tt.exposed, resp.Header)
		}
	}
	if log := s.stderr.String(); !strings.Contains(log, "method=OPTIONS path=/f status=204") {
		t.Errorf("a preflight is not logged: %s", log)
	}

	// Without the flag there is nothing of it, also for pages of the server's own origin.
	s = startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0")
	resp, err := http.Get(s.base)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for name := range resp.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("without --cors-origin there is %s", name)
		}
	}
}

// What is no origin is a mistake on the command line.
func TestServeCORSUsage(t *testing.T) {
	for _, origin := range []string{"*", "null", "app.example", "https://app.example/", "https://*.example"} {
		refused(t, exitUsage, "cors-origin", "serve", "--memory", "--addr", "127.0.0.1:0", "--cors-origin", origin)
	}
}
