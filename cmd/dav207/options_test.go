package main

import (
	"net/http"
	"strings"
	"testing"
)

// Options for single clients reach the handler.
func TestServeForClients(t *testing.T) {
	const quota = `<propfind xmlns="DAV:"><prop><quota-available-bytes/></prop></propfind>`
	for _, tt := range []struct {
		args   string
		listed bool // what is junk
		quota  bool
	}{
		{"", true, true},
		{"--junk keep", true, true},
		{"--junk hide", false, true},
		{"--no-macos-quota", true, false},
		{"--silence 0", true, true},
	} {
		t.Run(tt.args, func(t *testing.T) {
			s := startCommand(t, append([]string{"serve", t.TempDir(), "--addr", "127.0.0.1:0"}, strings.Fields(tt.args)...)...)
			if code, body := do(t, "PUT", s.base+"._f", "x"); code != 201 {
				t.Errorf("PUT = %d %s", code, body)
			}
			if code, _ := do(t, "GET", s.base+"._f", ""); code != 200 {
				t.Errorf("GET of junk = %d, want 200", code)
			}
			if code, body := do(t, "GET", s.base, ""); code != 200 || strings.Contains(body, "._f") != tt.listed {
				t.Errorf("junk is listed: %v, want %v", !tt.listed, tt.listed)
			}
			code, body := do(t, "PROPFIND", s.base, quota, "Depth", "0", "User-Agent", "WebDAVFS/3.0.0 (03008000) Darwin/24.4.0 (arm64)")
			if got := strings.Contains(body, "200 OK"); code != 207 || got != tt.quota {
				t.Errorf("quota is shown: %v, want %v\n%d %s", got, tt.quota, code, body)
			}
		})
	}
}

// --max-age reaches the handler; without it a cache asks each time (RFC 9111 §5.2.2.1).
func TestServeMaxAge(t *testing.T) {
	for args, want := range map[string]string{"": "max-age=0", "--max-age=10m": "max-age=600"} {
		s := startCommand(t, append([]string{"serve", "--memory", "--addr", "127.0.0.1:0"}, strings.Fields(args)...)...)
		if code, body := do(t, "PUT", s.base+"f", "x"); code != 201 {
			t.Errorf("PUT = %d %s", code, body)
		}
		res, err := http.Get(s.base + "f")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Cache-Control"); got != want {
			t.Errorf("with %q Cache-Control = %q, want %q", args, got, want)
		}
	}
}
