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

// killPlan is what clients know of the plan to end the server that they talk to.
type killPlan struct {
	doomed atomic.Bool // it may end at any time
	ended  atomic.Bool // send nothing more
}

// killPoint is when a server is killed.
type killPoint struct {
	after time.Duration // at the latest
	// method, if not empty, has it killed when so many requests of the kind have gone out.
	method string
	count  int64
	// call, if not empty, has it killed as a thread of it enters this system call for the n-th
	// time: between two steps of whatever it is doing.
	call string
	n    int
	// favour is a method for which clients have a liking meanwhile.
	favour string
}

// steps are system calls that change something on the disk.
var steps = []string{"renameat", "mkdirat", "unlinkat", "write", "pwrite64", "fdatasync", "copy_file_range", "utimensat", "linkat"}

// changes are the methods that do.
var changes = []string{"PUT", "MKCOL", "DELETE", "COPY", "MOVE", "PROPPATCH", "LOCK", "UNLOCK"}

// killPoint makes up when the next server is killed. Most often clients are in the middle of
// something, sometimes they have hardly begun.
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

// findStrace returns the path of strace, which is used where it is there: "" where it is not.
func findStrace(t testing.TB) string {
	if runtime.GOOS != "linux" {
		return ""
	}
	path, err := exec.LookPath("strace")
	if err == nil { // to trace another process than one's own child
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

// attach has strace kill a process when a thread of it enters a system call for the n-th time. It
// ends with the process.
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
		return fmt.Errorf("strace says %q", said)
	}
	return nil
}

// runClients has all clients make requests until the moment comes, and kills the server; or if
// there is none for half a second, after which the server is stopped.
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
			f.doomed.Store(true)
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
	case <-gone: // it was killed
	case <-due:
		time.Sleep(time.Duration(a.r.IntN(2_000)) * time.Microsecond)
	}
	f.doomed.Store(true)
	f.ended.Store(true)
	if m != nil {
		a.server.Kill()
	}
	wg.Wait()
	a.server.Client.CloseIdleConnections() // on those that had no request yet it would wait
	if m == nil {
		a.server.Stop()
	}
	a.rounds++
	a.ended = time.Time{}
	for _, l := range a.histories() { // it was there to say the last word of all
		if l.heard.After(a.ended) {
			a.ended = l.heard
		}
	}
}
