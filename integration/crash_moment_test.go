package integration

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

// fate is what clients know of the server that they talk to.
type fate struct {
	doomed atomic.Bool // it may end at any time
	ended  atomic.Bool // send nothing more
}

// moment is when a server is killed.
type moment struct {
	after time.Duration // at the latest
	// method, if not empty, has it killed when so many requests of the kind have gone out.
	method string
	count  int64
	// call, if not empty, has it killed as a thread of it enters this system call for the n-th time: between two steps of
	// whatever it is doing.
	call string
	n    int
	// favour is a method for which clients have a liking meanwhile.
	favour string
}

// steps are system calls that change something on the disk.
var steps = []string{"renameat", "mkdirat", "unlinkat", "write", "pwrite64", "fdatasync", "copy_file_range", "utimensat"}

// changes are the methods that do.
var changes = []string{"PUT", "MKCOL", "DELETE", "COPY", "MOVE", "PROPPATCH", "LOCK", "UNLOCK"}

// moment makes up when the next server is killed. Most often clients are in the middle of something, sometimes they have
// hardly begun.
func (a *arena) moment() moment {
	m := moment{after: time.Duration(a.r.IntN(500_000)) * time.Microsecond}
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
	if err == nil {
		err = exec.Command(path, "-qq", "-e", "trace=none", "true").Run()
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

// doom attaches strace to the server, which ends with it.
func (a *arena) doom(m moment) {
	cmd := exec.Command(a.strace, "-f", "-o", "/dev/null", "-p", fmt.Sprint(a.server.cmd.Process.Pid),
		"-e", "trace=?"+m.call, "-e", fmt.Sprintf("inject=?%s:signal=KILL:when=%d", m.call, m.n))
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		a.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.Contains(lines.Text(), "attached") {
		a.Fatalf("strace says %q", lines.Text())
	}
	go func() {
		for lines.Scan() {
		}
		cmd.Wait()
	}()
}

// play has all clients make requests until the moment comes, and kills the server; or if there is none for half a
// second, after which the server is stopped.
func (a *arena) play(w load, m *moment) {
	var f fate
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
			a.doom(*m)
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
		a.server.kill()
	}
	wg.Wait()
	if m == nil {
		a.server.stop()
	}
	a.server.client.CloseIdleConnections()
	a.rounds++
	a.ended = time.Time{}
	for _, l := range a.ledgers() { // it was there to say the last word of all
		if l.heard.After(a.ended) {
			a.ended = l.heard
		}
	}
}
