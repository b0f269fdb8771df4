package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal returns the two ends of a terminal: the one at which a person sits, and the one of the
// program.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// echoes reports whether a terminal shows what is typed.
func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func TestPasswdTerminal(t *testing.T) {
	for _, tt := range []struct{ rule, first, again, err string }{
		{"twice the same", "secret", "secret", ""},
		{"two that differ", "secret", "sceret", "the passwords differ"},
	} {
		person, program := terminal(t)
		file := filepath.Join(t.TempDir(), "users")
		var out buffer
		ended := make(chan error, 1)
		// What it asks appears on the terminal, as standard error does.
		go func() { ended <- passwd(t.Context(), file, "ann", false, program, &out, program) }()
		seen := bufio.NewReader(person)
		for _, answer := range []string{tt.first, tt.again} {
			prompt, err := seen.ReadString(':')
			if err != nil || strings.Contains(prompt, "secret") || echoes(t, program) {
				t.Fatalf("%s: the terminal shows %q, %v, and what is typed: %v", tt.rule, prompt, err, echoes(t, program))
			}
			fmt.Fprintln(person, answer)
		}
		if err := <-ended; (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.rule, err, tt.err)
		}
		if !echoes(t, program) {
			t.Errorf("%s: the terminal no longer shows what is typed", tt.rule)
		}
		if _, err := os.Stat(file); (err == nil) != (tt.err == "") {
			t.Errorf("%s: the file: %v", tt.rule, err)
		}
	}
}

// Ctrl-C at the password prompt restores the terminal.
func TestPasswdTerminalSignal(t *testing.T) {
	person, program := terminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out buffer
	ended := make(chan error, 1)
	go func() {
		ended <- passwd(ctx, filepath.Join(t.TempDir(), "users"), "ann", false, program, &out, program)
	}()
	if _, err := bufio.NewReader(person).ReadString(':'); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ended:
		if err == nil || !echoes(t, program) {
			t.Errorf("= %v, shown: %v, want an error, and a terminal that shows what is typed", err, echoes(t, program))
		}
	case <-time.After(20 * time.Second):
		t.Error("it does not end")
	}
}
