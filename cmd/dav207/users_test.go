package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dav207/server/middleware"
)

// Passwords of the tests, with hashes of least cost. ann's is "secret", bob's "pässword".
const (
	annHash = "$2a$04$dH9XAfL7Myi3WxARt2jhPeIc1juwpaPcZwYPl2318uNiL6hbckH/S"
	bobHash = "$2a$04$J3UCEWOPUyLLgaCNb7ugreL00q6MH3sRsr34GcS15Zx2rt9afRTBa"
)

// writeUsers writes a file for --users, of lines in turn of a name and a hash.
func writeUsers(t testing.TB, file string, pairs ...string) {
	t.Helper()
	var text []byte
	for i := 0; i < len(pairs); i += 2 {
		var err error
		if text, err = middleware.SetUser(text, pairs[i], pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// as is a pair of headers for do.
func as(name, password string) []string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return []string{"Authorization", r.Header.Get("Authorization")}
}

func TestServeUsers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	writeUsers(t, file, "ann", annHash)
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--users", file)
	if want := " at " + s.base + ", to the users in " + file + "\n"; !strings.Contains(s.stdout.String(), want) {
		t.Errorf("stdout = %q, want %q in it", s.stdout.String(), want)
	}
	for _, tt := range []struct {
		rule, method string
		header       []string
		want         int
	}{
		{"nobody", "OPTIONS", nil, 401},
		{"nobody, for what is not there", "BREW", nil, 401},
		{"a wrong password", "GET", as("ann", "wrong"), 401},
		{"ann", "GET", as("ann", "secret"), 200},
		{"a page of another site", "PUT", append(as("ann", "secret"), "Sec-Fetch-Site", "cross-site"), 403},
		{"bob, who is no user yet", "GET", as("bob", "pässword"), 401},
	} {
		if got, _ := do(t, tt.method, s.base, "", tt.header...); got != tt.want {
			t.Errorf("%s: %s = %d, want %d", tt.rule, tt.method, got, tt.want)
		}
	}
	writeUsers(t, file, "ann", annHash, "bob", bobHash)
	eventually(t, "bob is let in", func() bool {
		code, _ := do(t, "GET", s.base, "", as("bob", "pässword")...)
		return code == 200
	})
	s.stop(t)
	log := s.stderr.String()
	if !strings.Contains(log, " user=ann\n") || !strings.Contains(log, `msg="users reloaded"`) {
		t.Errorf("log = %s, want it to say who asked, and that there are others", log)
	}
	for _, secret := range []string{"secret", "wrong\n", as("ann", "secret")[1], annHash} {
		if strings.Contains(log, secret) {
			t.Errorf("log = %s, which holds %q", log, secret)
		}
	}
}

// Which addresses are refused, and which get a warning.
func TestServeExposed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	writeUsers(t, file, "ann", annHash)
	cert, key := writeCertificate(t, t.TempDir(), "one")
	for _, tt := range []struct {
		args []string
		warn string // "" for none
	}{
		{[]string{"--anonymous"}, "no password is asked for: anybody who reaches this address can read and change it"},
		{[]string{"--anonymous", "--read-only"}, "can read it"},
		{[]string{"--trusted-proxy", "192.0.2.1"}, "no password is asked for"},
		{[]string{"--users", file, "--insecure-basic"}, "passwords cross the network as they are"},
		{[]string{"--users", file, "--trusted-proxy", "192.0.2.1"}, "passwords cross the network as they are"},
		{[]string{"--users", file, "--public-url", "https://example.com/"}, "passwords cross the network as they are"},
		{[]string{"--users", file, "--tls-cert", cert, "--tls-key", key}, ""},
	} {
		s := startCommand(t, append([]string{"serve", "--memory", "--addr", ":0"}, tt.args...)...)
		s.stop(t)
		if got := s.stderr.String(); !strings.Contains(got, tt.warn) || strings.Contains(got, "level=WARN") != (tt.warn != "") {
			t.Errorf("%q: log = %q, want a warning with %q", tt.args, got, tt.warn)
		}
	}
}
