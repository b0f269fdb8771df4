package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"dav207/cmd/dav207/serve"
	"dav207/integration/harness"
)

// A disk that is full or has become read-only cannot be written to. A server for reading does not
// mind.
func TestHealthOfTheDisk(t *testing.T) {
	dir := t.TempDir()
	harness.MountSmall(t, dir, "256k")
	_, writing := startMonitored(t, dir, "--state", "memory")
	_, reading := startMonitored(t, dir, "--state", "memory", "--read-only")
	want := func(when string, monitor string, code int, text string) {
		t.Helper()
		if got, body := do(t, "GET", monitor+"/health", ""); got != code || body != text {
			t.Errorf("%s: %d %q, want %d %q", when, got, body, code, text)
		}
	}
	want("at first", writing, 200, "ok\n")
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the volume is not small")
	}
	want("full", writing, 503, "files: no space left on device\n")
	want("full, for reading", reading, 200, "ok\n")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	want("with space again", writing, 200, "ok\n")
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	want("read-only", writing, 503, "files: read-only file system\n")
	want("read-only, for reading", reading, 200, "ok\n")
}

var goroutines = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)

// A disk that does not answer is 503 after some seconds. However often it is asked for, no
// goroutines pile up. A pipe in the place of the directory stands for it: opening it blocks.
func TestHealthOfAHungDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, monitor := startMonitored(t, dir)
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(dir, 0o600); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		_, text := do(t, "GET", monitor+"/metrics", "")
		n, _ := strconv.Atoi(goroutines.FindStringSubmatch(text)[1])
		return n
	}
	before, began := count(), time.Now()
	for range 5 {
		var done sync.WaitGroup
		for range 20 {
			done.Go(func() {
				if code, text := do(t, "GET", monitor+"/health", ""); code != 503 || text != "files: no answer in time\n" {
					t.Errorf("hung: %d %q", code, text)
				}
			})
		}
		done.Wait()
	}
	if took := time.Since(began); took > 2*serve.HealthTimeout {
		t.Errorf("100 requests took %v", took)
	}
	http.DefaultClient.CloseIdleConnections()
	for end := time.Now().Add(10 * time.Second); count() > before+3 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
		http.DefaultClient.CloseIdleConnections()
	}
	if n := count(); n > before+3 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	if f, err := os.OpenFile(dir, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil { // the check goes on
		f.Close()
	}
}

// The monitor listens on a Unix socket, too.
func TestMonitorSocket(t *testing.T) {
	socket := filepath.Join(socketDir(t), "m")
	startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--monitor", "unix:"+socket)
	client := overSocket(t, socket)
	resp, err := client.Get("http://localhost/health")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("GET /health = %d", resp.StatusCode)
	}
}
