//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dav207/cmd/dav207/serve"
)

// socketDir returns a directory with a short name: the path of a socket has about 100 bytes at
// most.
func socketDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "dav")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// overSocket returns a client whose connections all go to a Unix socket.
func overSocket(t *testing.T, socket string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func status(t *testing.T, c *http.Client, method, url, host string) int {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

func TestServeUnixSocket(t *testing.T) {
	socket := filepath.Join(socketDir(t), "s")
	s := startCommand(t, "serve", t.TempDir(), "--addr", "unix:"+socket, "--trusted-proxy", "127.0.0.1")
	if s.base != "http://localhost/" || !strings.HasSuffix(s.stdout.String(), ", on the socket "+socket+"\n") {
		t.Errorf("printed %q", s.stdout.String())
	}
	c := overSocket(t, socket)
	for host, want := range map[string]int{"localhost": 200, "evil.example": 421} {
		if got := status(t, c, "OPTIONS", s.base, host); got != want {
			t.Errorf("OPTIONS for the host %s = %d, want %d", host, got, want)
		}
	}
	// A client on a socket is one of 127.0.0.1, also as a proxy.
	r, _ := http.NewRequest("OPTIONS", s.base, nil)
	r.Header.Set("X-Forwarded-Host", "files.example")
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 200 || !strings.Contains(s.stderr.String(), "remote=192.0.2.7") {
		t.Errorf("behind a proxy = %d, log %s", answer.StatusCode, s.stderr.String())
	}
	if _, err := serve.Listen(t.Context(), "unix:"+socket); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("a second server: %v", err)
	}
	s.stop(t)
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

// TestSystemd starts the command as systemd does: with a socket that is open already, and one that
// it notifies.
func TestSystemd(t *testing.T) {
	dir := socketDir(t)
	notified, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notified.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	// LISTEN_PID is that of the process itself, which only a shell knows before.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" serve "$1" --addr systemd`, os.Args[0], t.TempDir())
	cmd.Env = append(os.Environ(), "DAV207_TEST_MAIN=1", "LISTEN_FDS=1", "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	cmd.ExtraFiles = []*os.File{socket}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	want := fmt.Sprintf("http://%s/", ln.Addr())
	if got := awaitURL(stdout); got != want {
		t.Fatalf("serves at %q, want %q", got, want)
	}
	if got := status(t, http.DefaultClient, "OPTIONS", want, ""); got != 200 {
		t.Errorf("OPTIONS = %d", got)
	}
	expect := func(want string) {
		t.Helper()
		buf := make([]byte, 1000)
		notified.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := notified.Read(buf)
		if got := string(buf[:n]); err != nil || got != want {
			t.Errorf("notified of %q, %v, want %q", got, err, want)
		}
	}
	expect("READY=1")
	cmd.Process.Signal(os.Interrupt)
	expect("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
