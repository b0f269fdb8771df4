package main

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// A web page whose host name resolves to this server (DNS rebinding) gets 421 if there is no
// password.
func TestServeRefusesOtherHosts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	writeUsers(t, file, "ann", annHash)
	for _, tt := range []struct {
		args string
		host string
		code int
	}{
		{"serve --memory", "evil.example:8080", 421},
		{"serve --memory --read-only", "evil.example:8080", 421},
		{"serve --memory", "localhost:1", 201},
		{"serve --memory --public-url https://dav.example.com/", "dav.example.com", 201},
		{"serve --memory --public-url https://dav.example.com/", "evil.example", 421},
		{"serve --memory --trusted-proxy 127.0.0.1", "evil.example", 421},
		{"serve --memory --users " + file, "evil.example", 401}, // the page does not know the password
		{"demo", "evil.example", 421},
	} {
		s := startCommand(t, append(strings.Fields(tt.args), "--addr", "127.0.0.1:0")...)
		r, err := http.NewRequest("PUT", s.base+"x", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = tt.host
		r.Header.Set("Origin", "http://"+tt.host)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.code {
			t.Errorf("%s, Host %s: PUT = %d, want %d", tt.args, tt.host, resp.StatusCode, tt.code)
		}
	}
}

// A flag that takes one value is given once; those whose values are collected may be given again.
func TestFlagsGivenTwice(t *testing.T) {
	for args, code := range map[string]int{
		"serve --memory --addr 127.0.0.1:0 --addr 127.0.0.1:0":         2,
		"serve --memory --log=json --log text":                         2,
		"serve --memory --read-only --read-only":                       2,
		"demo --addr 127.0.0.1:0 --addr 127.0.0.1:0":                   2,
		"serve --memory --trusted-proxy ::1 --trusted-proxy 127.0.0.1": 0,
	} {
		if code == 0 {
			startCommand(t, append(strings.Fields(args), "--addr", "127.0.0.1:0")...)
			continue
		}
		refused(t, code, "is given twice", strings.Fields(args)...)
	}
}

// A 401 has its header fields under the names of the RFCs, too.
func TestServeSpellsNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	writeUsers(t, file, "ann", annHash)
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--users", file)
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.base, "http://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	answer, _ := io.ReadAll(conn)
	for _, name := range []string{"HTTP/1.1 401", "\r\nWWW-Authenticate: Basic", "\r\nDAV: 1", "\r\nMS-Author-Via: DAV"} {
		if !strings.Contains(string(answer), name) {
			t.Errorf("there is no %q in %q", name, answer)
		}
	}
}
