package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

var monitorLine = regexp.MustCompile(`(?m)^  monitoring  (http://\S+)/health and (http://\S+)/metrics$`)

// startMonitored starts serve with --monitor and returns the URL of the monitor.
func startMonitored(t *testing.T, args ...string) (s *instance, monitor string) {
	t.Helper()
	s = startCommand(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--monitor", "127.0.0.1:0"}, args...)...)
	m := monitorLine.FindStringSubmatch(s.stdout.String())
	if m == nil || m[1] != m[2] {
		t.Fatalf("stdout = %q, want the URLs of the monitor", s.stdout.String())
	}
	return s, m[1]
}

// Connections to the monitor are bounded, or whoever reaches it takes all descriptors: the one that
// has been idle for longest makes room.
func TestMonitorConnections(t *testing.T) {
	_, monitor := startMonitored(t, t.TempDir())
	var first net.Conn
	for i := range 65 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(monitor, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(conn, "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 404 {
			t.Fatalf("connection %d: %v, %v", i, resp, err)
		}
		if i == 0 {
			first = conn
		}
	}
	io.WriteString(first, "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(first), nil); err == nil {
		t.Errorf("the first of 65 connections is still open: %v", resp.Status)
	}
}

// The monitor has an address of its own, with nothing but the health and the metrics, which the
// address of the tree does not have.
func TestServeMonitor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	writeUsers(t, file, "ann", annHash)
	s, monitor := startMonitored(t, t.TempDir(), "--users", file)
	ann := as("ann", "secret")
	do(t, "GET", s.base, "", as("ann", "wrong")...)
	do(t, "MKCOL", s.base+"c", "", ann...)
	do(t, "PUT", s.base+"c/f", "four", ann...)
	do(t, "LOCK", s.base+"c/f", `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`, ann...)
	do(t, "DELETE", s.base+"c", "", ann...)
	do(t, "POST", s.base+"$batch", `{"operations":[{"method":"GET","url":"/missing"},{"method":"GET","url":"/c/f"}]}`, append(ann, "Content-Type", "application/json")...)
	do(t, "PROPPATCH", s.base+"c/f", `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:getetag>x</D:getetag></D:prop></D:set></D:propertyupdate>`, ann...)
	code, text := do(t, "GET", monitor+"/metrics", "")
	for _, want := range []string{
		`dav207_requests_total{method="GET",status="401"} 1`, `dav207_failed_logins_total 1`, `dav207_members_total{method="DELETE",status="423"} 1`,
		`dav207_members_total{method="POST",status="404"} 1`, `dav207_members_total{method="POST",status="200"} 1`, `dav207_locks 1`,
		`dav207_received_bytes_total{method="PUT"} 4`, `dav207_requests_waiting 0`, `dav207_requests_running 0`, `dav207_connections 1`, `dav207_state_bytes `,
	} {
		if code != 200 || !strings.Contains(text, "\n"+want) {
			t.Errorf("GET /metrics = %d, without %s:\n%s", code, want, text)
		}
	}
	for url, want := range map[string]int{monitor + "/health": 200, monitor + "/": 404, s.base + "health": 404, s.base + "metrics": 404} {
		if code, text := do(t, "GET", url, "", ann...); code != want || want == 200 && text != "ok\n" {
			t.Errorf("GET %s = %d %q, want %d", url, code, text, want)
		}
	}
	s.stop(t)
	if conn, err := net.Dial("tcp", strings.TrimPrefix(monitor, "http://")); err == nil {
		conn.Close()
		t.Error("the monitor is there after the end of the server")
	}
}

// Health fails, and says why without the names of files, when the directory or the state does, and
// is back with them.
func TestServeHealth(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files that are open cannot be renamed there")
	}
	for _, readOnly := range []bool{false, true} {
		base := t.TempDir()
		dir, states := filepath.Join(base, "secret"), filepath.Join(base, "states")
		for _, d := range []string{dir, states} {
			if err := os.Mkdir(d, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		state := filepath.Join(states, "secret.db")
		args := []string{dir, "--state", state}
		first := startCommand(t, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
		do(t, "PUT", first.base+"f", "x")
		do(t, "PROPPATCH", first.base+"f", `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="u:">x</x></D:prop></D:set></D:propertyupdate>`)
		first.stop(t)
		if readOnly {
			args = append(args, "--read-only")
		}
		s, monitor := startMonitored(t, args...)
		healthy := func(when string, want int, text string) {
			t.Helper()
			code, body := do(t, "GET", monitor+"/health", "")
			if code != want || body != text {
				t.Errorf("read-only %t, %s: %d %q, want %d %q", readOnly, when, code, body, want, text)
			}
		}
		move := func(from, to string) {
			t.Helper()
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		healthy("at first", 200, "ok\n")
		move(dir, dir+"2")
		healthy("without its directory", 503, "files: no such file or directory\n")
		move(dir+"2", dir)
		healthy("with it again", 200, "ok\n")
		move(state, state+"2")
		healthy("without its state", 503, "state: no such file or directory\n")
		move(dir, dir+"2")
		healthy("without both", 503, "files: no such file or directory\nstate: no such file or directory\n")
		move(dir+"2", dir)
		move(state+"2", state)
		healthy("with all again", 200, "ok\n")
		if err := os.Truncate(state, 4096); err != nil {
			t.Fatal(err)
		}
		healthy("with a damaged state", 503, "state: damaged\n")
		if log := s.stderr.String(); strings.Count(log, "does not work") != 4 || !strings.Contains(log, dir) {
			t.Errorf("the log does not say what did not work:\n%s", log)
		}
	}
}

// A monitor needs an address, which is not that of the tree, and whose errors name its flag.
func TestMonitorAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	used := ln.Addr().String()
	refused(t, 1, "choose another with --monitor", "serve", "--memory", "--addr", "127.0.0.1:0", "--monitor", used)
	ln.Close()
	refused(t, 1, used+" is in use", "serve", "--memory", "--addr", used, "--monitor", used)
	refused(t, 2, "--monitor \"nothing\" is not an address", "serve", "--memory", "--addr", "127.0.0.1:0", "--monitor", "nothing")
	refused(t, 2, "--monitor \"systemd\" is not an address", "serve", "--memory", "--addr", "127.0.0.1:0", "--monitor", "systemd")
}

// A tree in memory needs nothing that could fail, and has no state of which to tell the size.
func TestMonitorOfMemory(t *testing.T) {
	_, monitor := startMonitored(t, "--memory")
	code, text := do(t, "GET", monitor+"/health", "")
	_, metrics := do(t, "GET", monitor+"/metrics", "")
	if code != 200 || text != "ok\n" || strings.Contains(metrics, "dav207_state_bytes") || !strings.Contains(metrics, "dav207_locks 0") {
		t.Errorf("health = %d %q, metrics:\n%s", code, text, metrics)
	}
}
