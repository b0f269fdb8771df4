package crash

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// killPlan is shared by the clients of a server that will be killed.
type killPlan struct {
	begun atomic.Bool // the server may end at any time, so a request may fail
	ended atomic.Bool // clients must not send more requests
}

// killPoint is when a server is killed.
type killPoint struct {
	after time.Duration // at the latest
	// If method is not empty the server is killed when n requests of this method were sent.
	method string
	count  int64
	// If call is not empty the server is killed when it enters this system call for the n-th time,
	// that is between two steps of a request.
	call string
	n    int
	// favour is a method that half of the requests have meanwhile.
	favour string
}

// steps are system calls that change the disk.
var steps = []string{"renameat", "mkdirat", "unlinkat", "write", "pwrite64", "fdatasync", "copy_file_range", "utimensat", "linkat"}

// changes are the methods that change the disk.
var changes = []string{"PUT", "MKCOL", "DELETE", "COPY", "MOVE", "PROPPATCH", "LOCK", "UNLOCK"}

// killPoint returns a random point for the next kill, mostly in the middle of requests and
// sometimes right after the start.
func (a *crashHarness) killPoint() killPoint {
	m := killPoint{after: time.Duration(a.r.IntN(500_000)) * time.Microsecond}
	switch kind := a.r.IntN(10); {
	case kind == 0:
		m.after = time.Duration(a.r.IntN(5_000)) * time.Microsecond
	case kind < 4:
		m.method = changes[a.r.IntN(len(changes))]
		m.count = 1 + a.r.Int64N(30)
	case kind < 8 && a.strace != "":
		m.call, m.n, m.after = steps[a.r.IntN(len(steps))], 1+a.r.IntN(12), 700*time.Millisecond
		m.favour = changes[a.r.IntN(len(changes))]
	}
	return m
}

// findStrace returns the path of strace, or "" if it is missing or cannot attach to a process.
func findStrace(t testing.TB) string {
	if runtime.GOOS != "linux" {
		return ""
	}
	path, err := exec.LookPath("strace")
	if err == nil { // whether it may attach to a process that is not its child
		server := exec.Command("sleep", "60")
		if err = server.Start(); err == nil {
			defer server.Wait()
			defer server.Process.Kill()
			err = attach(path, server.Process.Pid, "exit_group", 1)
		}
	}
	if err != nil {
		msg := fmt.Sprintf("strace cannot be used (%v): the server is killed at random moments only", err)
		if os.Getenv("DAV207_REQUIRE_CLIENTS") == "1" {
			t.Error(msg)
		}
		t.Log(msg)
		return ""
	}
	return path
}

// attach starts an strace that kills a process when it enters a system call for the n-th time.
// strace ends with the process.
func attach(strace string, pid int, call string, n int) error {
	cmd := exec.Command(strace, "-f", "-o", os.DevNull, "-p", fmt.Sprint(pid),
		"-e", "trace=?"+call, "-e", fmt.Sprintf("inject=?%s:signal=KILL:when=%d", call, n))
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	said := lines.Text()
	go func() {
		for lines.Scan() {
		}
		cmd.Wait()
	}()
	if !strings.Contains(said, " attached") {
		return fmt.Errorf("strace prints %q", said)
	}
	return nil
}

// runClients runs all clients until the kill point m and kills the server. If m is nil it runs them
// for half a second and stops the server.
func (a *crashHarness) runClients(w load, m *killPoint) {
	var f killPlan
	var sent atomic.Int64
	due := make(chan struct{})
	after := time.Second / 2
	var sending func(string)
	if m != nil {
		after = m.after
		sending = func(method string) {
			if method == m.method && sent.Add(1) == m.count {
				close(due)
			}
		}
		if m.call != "" {
			f.begun.Store(true)
			if err := attach(a.strace, a.server.Cmd.Process.Pid, m.call, m.n); err != nil {
				a.Fatal(err)
			}
		}
	}
	var wg sync.WaitGroup
	for i := range a.own {
		wg.Go(func() { a.client(i, w, &f, sending) })
	}
	gone := make(chan struct{})
	go func() {
		wg.Wait()
		close(gone)
	}()
	select {
	case <-time.After(after):
	case <-gone: // strace killed the server
	case <-due:
		time.Sleep(time.Duration(a.r.IntN(2_000)) * time.Microsecond)
	}
	f.begun.Store(true)
	f.ended.Store(true)
	if m != nil {
		a.server.Kill()
	}
	wg.Wait()
	a.server.Client.CloseIdleConnections() // the server would wait for connections without a request
	if m == nil {
		a.server.Stop()
	}
	a.rounds++
	a.ended = time.Time{}
	for _, l := range a.histories() { // the server ran at least until its last answer
		if l.last.After(a.ended) {
			a.ended = l.last
		}
	}
}
