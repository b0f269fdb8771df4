package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func get(c *Checker) (int, string) {
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
	return w.Code, w.Body.String()
}

// The answer names each check that fails, with a reason that has no name of a file.
func TestChecker(t *testing.T) {
	fails := func(name string, err error) Check {
		return Check{name, func(context.Context) error { return err }}
	}
	for _, tt := range []struct {
		rule   string
		checks []Check
		status int
		body   string
	}{
		{"nothing to check", nil, 200, "ok\n"},
		{"all work", []Check{fails("a", nil), fails("b", nil)}, 200, "ok\n"},
		{"what the system says", []Check{fails("a", nil), fails("files", &os.PathError{Op: "open", Path: "/secret", Err: syscall.EIO})}, 503,
			"files: " + syscall.EIO.Error() + "\n"},
		{"a value of io/fs", []Check{fails("files", &os.PathError{Op: "open", Path: "/secret", Err: fs.ErrPermission})}, 503, "files: permission denied\n"},
		{"a reason", []Check{fails("state", fmt.Errorf("/secret: %w", &Error{"damaged", errors.New("/secret")}))}, 503, "state: damaged\n"},
		{"another error", []Check{fails("a", errors.New("/secret"))}, 503, "a: failed\n"},
		{"two of them", []Check{fails("a", errors.New("/secret")), fails("b", syscall.ENOSPC)}, 503, "a: failed\nb: " + syscall.ENOSPC.Error() + "\n"},
		{"a panic", []Check{{"a", func(context.Context) error { panic("/secret") }}}, 503, "a: failed\n"},
	} {
		if status, body := get(New(time.Minute, nil, tt.checks...)); status != tt.status || body != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.rule, status, body, tt.status, tt.body)
		}
	}
	w := httptest.NewRecorder()
	New(time.Minute, nil).ServeHTTP(w, httptest.NewRequest("PUT", "/health", nil))
	if w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("PUT = %d, want 405 with Allow", w.Code)
	}
}

// A check that blocks, as a disk on the network does, is 503 after the timeout, and at once as long
// as it is blocked. However many requests come, one goroutine waits for it. Others are not affected.
func TestCheckerBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls, other atomic.Int64
		unblock := make(chan struct{})
		c := New(3*time.Second, nil, Check{"disk", func(context.Context) error { calls.Add(1); <-unblock; return nil }},
			Check{"b", func(context.Context) error { other.Add(1); return syscall.ENOSPC }})
		want := "disk: no answer in time\nb: " + syscall.ENOSPC.Error() + "\n"
		began := time.Now()
		var done sync.WaitGroup
		for range 100 {
			done.Go(func() {
				if status, body := get(c); status != 503 || body != want {
					t.Errorf("blocked: %d %q, want 503 %q", status, body, want)
				}
			})
		}
		done.Wait()
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %v, want 3 s", took)
		}
		began = time.Now()
		for range 100 {
			get(c)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("while it is known to be blocked it took %v, want no time", took)
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls wait, want 1", n)
		}
		if other.Load() < 100 {
			t.Errorf("the other check was called %d times", other.Load())
		}
		close(unblock)
		synctest.Wait()
		if _, body := get(c); strings.Contains(body, "disk") {
			t.Errorf("after it: %q", body)
		}
	})
}

// The log has a line, with the whole error, when something begins to fail, and when it works again.
func TestCheckerLogs(t *testing.T) {
	var log bytes.Buffer
	var err error
	c := New(time.Second, slog.New(slog.NewTextHandler(&log, nil)), Check{"files", func(context.Context) error { return err }})
	for _, err = range []error{nil, errors.New("why"), errors.New("why"), syscall.ENOSPC, nil, nil} {
		get(c)
	}
	if got := log.String(); strings.Count(got, "\n") != 3 || strings.Count(got, "level=WARN") != 2 || !strings.Contains(got, "err=why") || !strings.Contains(got, "works again") {
		t.Errorf("the log is %s", got)
	}
}

// A directory that is gone, is another one, cannot be read or not be written to does not work. A
// check changes nothing.
func TestDir(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "served")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	read, write := Dir(dir, false), Dir(dir, true)
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := errors.Join(read(t.Context()), write(t.Context())); err != nil {
			t.Errorf("an empty directory: %v", err)
		}
	}
	names, err := os.ReadDir(dir)
	if after, statErr := os.Stat(dir); err != nil || statErr != nil || len(names) > 0 || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("a check has left %v (%v), or changed the time of the directory", names, err)
	}
	if runtime.GOOS != "windows" && os.Getuid() != 0 {
		os.Chmod(dir, 0o500)
		if err := write(t.Context()); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("not to be written to: %v", err)
		}
		if err := read(t.Context()); err != nil {
			t.Errorf("for reading only: %v", err)
		}
		os.Chmod(dir, 0o300)
		if err := read(t.Context()); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("not to be read: %v", err)
		}
		os.Chmod(dir, 0o700)
	}
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	if err := read(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("gone: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := read(t.Context()); err == nil || Reason(err) != "another directory has its name" {
		t.Errorf("another one: %v", err)
	}
}
