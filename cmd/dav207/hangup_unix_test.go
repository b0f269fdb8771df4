//go:build unix

package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

const hangupLine = "SIGHUP is ignored"

// hangup sends this process a SIGHUP.
func hangup(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// SIGHUP, which a terminal sends that is closed, does not end the server: there is a line in the
// log.
func TestServeIgnoresHangup(t *testing.T) {
	for _, args := range [][]string{{"serve", "--memory"}, {"demo"}} {
		s := startCommand(t, append(args, "--addr", "127.0.0.1:0")...)
		for range 2 {
			hangup(t)
		}
		eventually(t, "the log says that it is ignored", func() bool { return strings.Contains(s.stderr.String(), hangupLine) })
		if code, _ := do(t, "PROPFIND", s.base, ""); code != 207 {
			t.Errorf("%s: PROPFIND = %d, want 207", args[0], code)
		}
	}
}

// It is ignored before the server listens, too: here one waits for a state that another one has,
// and never gets to listen.
func TestHangupBeforeTheServerListens(t *testing.T) {
	survive := make(chan os.Signal, 1) // or a failure would end this process
	signal.Notify(survive, syscall.SIGHUP)
	defer signal.Stop(survive)
	dir := t.TempDir()
	first := startCommand(t, "serve", dir, "--addr", "127.0.0.1:0")
	if code, body := do(t, "PROPPATCH", first.base, setMark); code != 207 { // which makes the state
		t.Fatalf("PROPPATCH = %d %s", code, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var stderr buffer
	code := make(chan int)
	go func() { code <- run(ctx, []string{"serve", dir, "--addr", "127.0.0.1:0"}, io.Discard, &stderr) }()
	for {
		select {
		case got := <-code:
			if log := stderr.String(); got != exitFailure || !strings.Contains(log, "in use") || !strings.Contains(log, hangupLine) {
				t.Errorf("exit status %d, stderr %q, want %d, that the state is in use, and %q", got, log, exitFailure, hangupLine)
			}
			return
		case <-time.After(5 * time.Millisecond):
			hangup(t)
		}
	}
}

// And while running requests finish.
func TestHangupWhileTheServerStops(t *testing.T) {
	p := startProcess(t, "20s")
	p.stopping(t, syscall.SIGTERM)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log says that it is ignored", func() bool { return strings.Contains(p.stderr.String(), hangupLine) })
	io.WriteString(p.conn, "full")
	if line, err := p.answer.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 201 ") {
		t.Errorf("PUT = %q, %v, want 201", line, err)
	}
	if code := p.exitCode(t); code != 0 {
		t.Errorf("exit status = %d, want 0; stderr %s", code, p.stderr.String())
	}
}
