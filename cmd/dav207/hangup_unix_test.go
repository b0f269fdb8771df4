//go:build unix

package main

import (
	"strings"
	"syscall"
	"testing"
)

// SIGHUP, which a terminal sends that is closed, does not end the server: there is a line in the log.
func TestServeIgnoresHangup(t *testing.T) {
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0")
	for range 2 {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the log says that it is ignored", func() bool { return strings.Contains(s.stderr.String(), "SIGHUP is ignored") })
	if code, _ := do(t, "PROPFIND", s.base, ""); code != 207 {
		t.Errorf("PROPFIND = %d, want 207", code)
	}
}
