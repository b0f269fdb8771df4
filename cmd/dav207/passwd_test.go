package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"dav207/cmd/dav207/cli"
)

// giving returns a standard input from which something can be read, and then its end.
func giving(t testing.TB, text string) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	go func() {
		w.WriteString(text)
		w.Close()
	}()
	return r
}

// A user gets a password, a server lets him in with it, and with the next one once it is set.
func TestPasswd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	set := func(name, stdin string) {
		t.Helper()
		var out, errs buffer
		if err := passwd(t.Context(), file, name, false, giving(t, stdin), &out, &errs); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), "dav207 has set the password of "+name+" in "+file+"\n"; got != want || errs.String() != "" {
			t.Errorf("stdout = %q, stderr %q, want %q", got, errs.String(), want)
		}
	}
	set("ann", "first\n")
	set("müller", "pässword\r\n")
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0", "--users", file)
	in := func(name, password string) bool {
		code, _ := do(t, "GET", s.base, "", as(name, password)...)
		return code == 200
	}
	if !in("ann", "first") || !in("müller", "pässword") {
		t.Error("a user is not let in")
	}
	set("ann", "second") // without the end of the line
	eventually(t, "the new password counts", func() bool { return in("ann", "second") })
	if in("ann", "first") {
		t.Error("the old password counts")
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Count(string(text), "\n") != 2 || !strings.HasPrefix(string(text), "ann:$2a$12$") {
		t.Errorf("file = %s, %v, want two lines", text, err)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("mode = %v, %v, want that only its owner reads it", info.Mode(), err)
	}
}

func TestPasswdRefuses(t *testing.T) {
	for _, tt := range []struct{ rule, stdin, err string }{
		{"nothing", "", "the password is empty"},
		{"an empty line", "\nsecret\n", "the password is empty"},
		{"more than bcrypt looks at", strings.Repeat("secret78", 9) + "9\n", "more than 72 bytes"},
		{"more than a line has", strings.Repeat("secret78", 9000) + "\n", "too long"},
		{"a NUL", "sec\x00ret\n", "control characters"},
		{"not UTF-8", "secret\xff\n", "not UTF-8"},
	} {
		file := filepath.Join(t.TempDir(), "users")
		var out, errs buffer
		err := passwd(t.Context(), file, "ann", false, giving(t, tt.stdin), &out, &errs)
		if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q, and not the password", tt.rule, err, tt.err)
		}
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("%s: there is a file, %v", tt.rule, err)
		}
	}
	// Nobody types anything, and a signal comes.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var out, errs buffer
	if err := passwd(ctx, filepath.Join(t.TempDir(), "users"), "ann", false, r, &out, &errs); err == nil || !strings.Contains(err.Error(), "signal") {
		t.Errorf("after a signal: %v", err)
	}
}

func TestChangeFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	add := func(line string) func([]byte) ([]byte, error) {
		return func(old []byte) ([]byte, error) { return append(old, line...), nil }
	}
	// Many at once lose nothing.
	var done sync.WaitGroup
	for i := range 20 {
		done.Go(func() {
			if err := cli.ChangeFile(t.Context(), file, add(fmt.Sprintln(i))); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if text, err := os.ReadFile(file); err != nil || strings.Count(string(text), "\n") != 20 {
		t.Errorf("file = %q, %v, want 20 lines", text, err)
	}

	// A failure changes nothing, and leaves nothing.
	refused := fmt.Errorf("refused")
	if err := cli.ChangeFile(t.Context(), file, func([]byte) ([]byte, error) { return nil, refused }); err != refused {
		t.Errorf("= %v, want %v", err, refused)
	}
	for name, want := range map[string]string{
		filepath.Join(dir, "missing", "file"): "make it first",
		dir:                                   "not a regular file",
	} {
		if err := cli.ChangeFile(t.Context(), name, add("x")); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), ".new\"") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*.new")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}

	// A link stays one.
	link := filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	if err := cli.ChangeFile(t.Context(), link, func([]byte) ([]byte, error) { return []byte("new"), nil }); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(file); string(text) != "new" {
		t.Errorf("what the link leads to = %q, want new", text)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}

	// Somebody else is at it, or was killed.
	if err := os.WriteFile(file+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := cli.ChangeFile(ctx, file, add("x")); err == nil {
		t.Error("two change a file at once")
	}
	if _, err := os.Stat(file + ".new"); err != nil {
		t.Errorf("what the other writes is gone: %v", err)
	}
}
