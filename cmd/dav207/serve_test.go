package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dav207/server/davpath"
)

// do makes a request and returns the status and the body.
func do(t *testing.T, method, url, body string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	// Flags may follow the directory.
	s := startCommand(t, "serve", dir, "--addr", "127.0.0.1:0")
	if code, _ := do(t, "PUT", s.base+"f.txt", "content"); code != 201 {
		t.Errorf("PUT = %d, want 201", code)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "f.txt")); string(b) != "content" {
		t.Errorf("on the disk = %q, %v, want what was put", b, err)
	}
	if code, body := do(t, "PROPFIND", s.base, "", "Depth", "infinity"); code != 207 || !strings.Contains(body, "<D:href>/f.txt</D:href>") {
		t.Errorf("PROPFIND = %d %s, want 207 with /f.txt", code, body)
	}
	out := s.stdout.String()
	for _, want := range []string{"dav207 serves " + dir + " at " + s.base + "\n", "\n  Windows ", "\n  macOS ", "\n  GNOME, KDE ", "\n  Linux "} {
		if !strings.Contains(out, want) {
			t.Errorf("stdout = %q, want %q in it", out, want)
		}
	}
	if n := strings.Count(out, "\n"); n != 5 || strings.Contains(out, ":0/") {
		t.Errorf("stdout = %q: %d lines, want 5 with the real port", out, n)
	}
	if code := s.stop(t); code != 0 {
		t.Errorf("exit status = %d, want 0", code)
	}
	if _, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.base, "http://"), "/")); err == nil {
		t.Error("the address is still open")
	}
	if log := s.stderr.String(); !strings.Contains(log, "method=PUT path=/f.txt") || !strings.Contains(log, "status=201") {
		t.Errorf("log = %q, want a line for the PUT", log)
	}
}

func TestServeCurrentDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	s := startCommand(t, "serve", "--addr", "127.0.0.1:0")
	do(t, "MKCOL", s.base+"c", "")
	if fi, err := os.Stat(filepath.Join(dir, "c")); err != nil || !fi.IsDir() {
		t.Errorf("MKCOL in the current directory: %v", err)
	}
}

// classes returns the status of OPTIONS and its DAV header.
func classes(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequest("OPTIONS", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("DAV"))
}

// Clients look at the DAV header of a 401, too, and take what it says for the server.
func TestUnauthorizedSaysTheClasses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	writeUsers(t, file, "ann", annHash)
	for args, want := range map[string]string{"": "401 1, 2, 3", "--read-only": "401 1, 3"} {
		s := startCommand(t, append([]string{"serve", "--memory", "--addr", "127.0.0.1:0", "--users", file}, strings.Fields(args)...)...)
		if got := classes(t, s.base); got != want {
			t.Errorf("OPTIONS of %q without a password = %s, want %s", args, got, want)
		}
		s.stop(t)
	}
}

func TestServeReadOnly(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("content"), 0o666); err != nil {
		t.Fatal(err)
	}
	// What looks like the rest of a broken upload stays, too.
	aside := filepath.Join(dir, davpath.TempName())
	if err := os.WriteFile(aside, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	past := epoch()
	if err := os.Chtimes(aside, past, past); err != nil {
		t.Fatal(err)
	}
	s := startCommand(t, "serve", "--read-only", "--addr", "127.0.0.1:0", dir)
	for _, tt := range []struct {
		method, name string
		want         int
	}{
		{"GET", "f", 200}, {"PROPFIND", "", 207}, {"PUT", "f", 403}, {"PUT", "g", 403}, {"MKCOL", "c", 403}, {"DELETE", "f", 403},
		{"MOVE", "f", 403}, {"COPY", "f", 403}, {"LOCK", "f", 405}, {"UNLOCK", "f", 405}, // RFC 4918 §18.3
	} {
		if code, _ := do(t, tt.method, s.base+tt.name, "", "Destination", "/g"); code != tt.want {
			t.Errorf("%s %s = %d, want %d", tt.method, tt.name, code, tt.want)
		}
	}
	if got := classes(t, s.base); got != "200 1, 3" {
		t.Errorf("OPTIONS = %s, want 200 1, 3", got)
	}
	if !strings.Contains(s.stdout.String(), ", read-only\n") {
		t.Errorf("stdout = %q, want it to say read-only", s.stdout.String())
	}
	s.stop(t)
	if b, err := os.ReadFile(filepath.Join(dir, "f")); string(b) != "content" {
		t.Errorf("f = %q, %v, want it as it was", b, err)
	}
	if _, err := os.Stat(aside); err != nil {
		t.Errorf("a read-only server removed a file: %v", err)
	}
}

func TestServeSweeps(t *testing.T) {
	dir := t.TempDir()
	aside := filepath.Join(dir, davpath.TempName())
	if err := os.WriteFile(aside, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	past := epoch()
	if err := os.Chtimes(aside, past, past); err != nil {
		t.Fatal(err)
	}
	startCommand(t, "serve", "--addr", "127.0.0.1:0", dir)
	eventually(t, "the rest of an upload of an earlier process is removed", func() bool {
		_, err := os.Stat(aside)
		return os.IsNotExist(err)
	})
}

func TestServeMemory(t *testing.T) {
	t.Chdir(t.TempDir())
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0")
	do(t, "PUT", s.base+"f", "content")
	if code, body := do(t, "GET", s.base+"f", ""); code != 200 || body != "content" {
		t.Errorf("GET = %d %q, want what was put", code, body)
	}
	if names, _ := os.ReadDir("."); len(names) > 0 {
		t.Errorf("the current directory holds %v, want nothing", names)
	}
}

func TestServePrefix(t *testing.T) {
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--prefix", "/a b/$x")
	if !strings.HasSuffix(s.base, "/a%20b/%24x/") {
		t.Fatalf("URL = %s, want the prefix escaped, also for a shell", s.base)
	}
	do(t, "PUT", s.base+"f", "content")
	if code, body := do(t, "PROPFIND", s.base, "", "Depth", "1"); code != 207 || !strings.Contains(body, "<D:href>/a%20b/$x/f</D:href>") {
		t.Errorf("PROPFIND = %d %s, want the prefix in the hrefs", code, body)
	}
	u, _ := url.Parse(s.base)
	if code, _ := do(t, "PROPFIND", "http://"+u.Host+"/a%20b/$xyz", "", "Depth", "1"); code != 404 {
		t.Errorf("PROPFIND beside the prefix = %d, want 404", code)
	}
}

func TestServeDepthInfinity(t *testing.T) {
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--depth-infinity=deny")
	if code, body := do(t, "PROPFIND", s.base, "", "Depth", "infinity"); code != 403 || !strings.Contains(body, "propfind-finite-depth") {
		t.Errorf("PROPFIND = %d %s, want 403 propfind-finite-depth (§9.1)", code, body)
	}
}

// RFC 4918 §9.1 and clients: "OPTIONS *" gets the same answer as any other.
func TestServeOptionsAsterisk(t *testing.T) {
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0")
	u, _ := url.Parse(s.base)
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: "+u.Host+"\r\nConnection: close\r\n\r\n")
	answer, _ := io.ReadAll(conn)
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) || !bytes.Contains(answer, []byte("\r\nDAV: 1, 2, 3\r\n")) {
		t.Errorf("OPTIONS * = %q, want 200 with DAV", answer)
	}
}

func TestServeLog(t *testing.T) {
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--log=json", "--log-level=debug")
	do(t, "COPY", s.base+"missing", "", "Destination", "/x", "Authorization", "Basic c2VjcmV0")
	s.stop(t)
	var messages []string
	for line := range strings.Lines(s.stderr.String()) {
		var e struct{ Msg, Level string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("line %q: %v", line, err)
		}
		messages = append(messages, e.Level+" "+e.Msg)
	}
	if got, want := strings.Join(messages, ", "), "DEBUG request failed, INFO request"; got != want {
		t.Errorf("log = %s, want %s", got, want)
	}
	if strings.Contains(s.stderr.String(), "c2VjcmV0") {
		t.Error("the log holds credentials")
	}

	s = startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--log-level=warn")
	do(t, "GET", s.base, "")
	s.stop(t)
	if log := s.stderr.String(); log != "" {
		t.Errorf("log = %q, want nothing below warn", log)
	}
}

func TestServeWarnsOfOthers(t *testing.T) {
	s := startCommand(t, "serve", "--memory", "--addr", ":0", "--anonymous")
	u, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	own, _ := net.InterfaceAddrs()
	for _, line := range strings.Split(s.stdout.String(), "\n") {
		before, other, also := strings.Cut(line, "  also at     ")
		if !also {
			_, other, also = strings.Cut(line, "in memory at ")
		}
		at, err := url.Parse(other)
		if !also || strings.HasSuffix(before, "more") {
			continue
		}
		isOwn := slices.ContainsFunc(own, func(a net.Addr) bool {
			n, ok := a.(*net.IPNet)
			return ok && err == nil && n.IP.String() == at.Hostname()
		})
		if !isOwn || at.Port() != u.Port() {
			t.Errorf("%q is no address of this machine: %v", line, err)
		}
	}
	// Any address can be that of this machine, but no page can have one for its name.
	for host, want := range map[string]int{"127.0.0.1": 207, "192.0.2.99": 207, "evil.example": 421} {
		r, err := http.NewRequest("PROPFIND", "http://127.0.0.1:"+u.Port()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("PROPFIND with Host %s = %d, want %d", host, resp.StatusCode, want)
		}
	}
	log := s.stderr.String()
	if got, _, _ := strings.Cut(log, "\n"); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "no password") {
		t.Errorf("log = %q, want a warning first", log)
	}
}
