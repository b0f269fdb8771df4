package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	setMark  = `<propertyupdate xmlns="DAV:"><set><prop><mark xmlns="urn:x">kept</mark></prop></set></propertyupdate>`
	askMark  = `<propfind xmlns="DAV:"><prop><mark xmlns="urn:x"/></prop></propfind>`
	askLock  = `<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>`
	takeLock = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
)

// serving runs the command on dir, calls use with it, and stops it.
func serving(t *testing.T, dir string, use func(base string), args ...string) (stderr string) {
	t.Helper()
	s := startCommand(t, append([]string{"serve", dir, "--addr", "127.0.0.1:0"}, args...)...)
	use(s.base)
	if code := s.stop(t); code != 0 {
		t.Errorf("exit status = %d, want 0: %s", code, s.stderr.String())
	}
	return s.stderr.String()
}

// has reports whether an answer to a PROPFIND of one resource holds text.
func has(t *testing.T, url, ask, text string) bool {
	t.Helper()
	code, body := do(t, "PROPFIND", url, ask, "Depth", "0")
	if code != 207 {
		t.Fatalf("PROPFIND %s = %d %s", url, code, body)
	}
	return strings.Contains(body, text)
}

// mark creates /f with a property and a lock.
func mark(t *testing.T) func(base string) {
	return func(base string) {
		do(t, "PUT", base+"f", "content")
		if code, body := do(t, "PROPPATCH", base+"f", setMark); code != 207 || !strings.Contains(body, "200 OK") {
			t.Fatalf("PROPPATCH = %d %s", code, body)
		}
		if code, body := do(t, "LOCK", base+"f", takeLock); code != 200 {
			t.Fatalf("LOCK = %d %s", code, body)
		}
	}
}

// Properties and locks are kept across restarts, in the directory itself or in the file of --state.
func TestStateIsKept(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		dir := t.TempDir()
		var args []string
		file := filepath.Join(dir, ".dav207", "state.db")
		if elsewhere {
			file = filepath.Join(t.TempDir(), "kept")
			args = []string{"--state", file}
		}
		serving(t, dir, func(base string) {
			do(t, "PUT", base+"f", "content")
			if _, err := os.Stat(filepath.Join(dir, ".dav207")); err == nil {
				t.Error("there is a state although nothing needed it")
			}
			mark(t)(base)
		}, args...)
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
		serving(t, dir, func(base string) {
			if !has(t, base+"f", askMark, ">kept<") || !has(t, base+"f", askLock, "activelock") {
				t.Errorf("with %q the property or the lock is lost", args)
			}
			if code, _ := do(t, "PUT", base+"f", "x"); code != 423 {
				t.Errorf("PUT = %d, want 423", code)
			}
			if code, body := do(t, "PROPFIND", base, "", "Depth", "infinity"); code != 207 || strings.Contains(body, "state") {
				t.Errorf("the state is listed: %s", body)
			}
		}, args...)
		// For who may only read it.
		serving(t, dir, func(base string) {
			if !has(t, base+"f", askMark, ">kept<") {
				t.Error("the property is not shown by a read-only server")
			}
			if !has(t, base+"f", askLock, "activelock") {
				t.Error("the lock is not shown by a read-only server")
			}
			if code, _ := do(t, "PROPPATCH", base+"f", setMark); code != 403 {
				t.Errorf("PROPPATCH = %d, want 403", code)
			}
		}, append(args, "--read-only")...)
	}
}

// A copy of the whole directory has its properties.
func TestStateOfCopiedTree(t *testing.T) {
	dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	serving(t, dir, mark(t))
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	serving(t, copied, func(base string) {
		if !has(t, base+"f", askMark, ">kept<") {
			t.Error("the copy has no property")
		}
	})
}

// Two servers on one directory, as long as there is no state: the second one grants no lock that
// the first does not know.
func TestStateOfTwo(t *testing.T) {
	dir := t.TempDir()
	serving(t, dir, func(first string) {
		s := startCommand(t, "serve", dir, "--addr", "127.0.0.1:0", "--fsync")
		mark(t)(first)
		if code, _ := do(t, "LOCK", s.base+"g", takeLock); code != 503 {
			t.Errorf("LOCK = %d, want 503", code)
		}
		if _, err := os.Stat(filepath.Join(dir, "g")); err == nil {
			t.Error("a lock that was not granted left an empty file")
		}
		if code := s.stop(t); code != 0 {
			t.Errorf("exit status of the second = %d: %s", code, s.stderr.String())
		}
	})
}

func TestStateInMemory(t *testing.T) {
	dir := t.TempDir()
	serving(t, dir, mark(t), "--state", "memory")
	if _, err := os.Stat(filepath.Join(dir, ".dav207")); err == nil {
		t.Error("--state memory left a state")
	}
	serving(t, dir, func(base string) {
		if has(t, base+"f", askMark, ">kept<") || has(t, base+"f", askLock, "activelock") {
			t.Error("something was kept")
		}
	})
}

// A command that cannot use the state exits with one line, and changes no files.
func TestStateRefused(t *testing.T) {
	dir := t.TempDir()
	serving(t, dir, mark(t))
	file := filepath.Join(dir, ".dav207", "state.db")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := startCommand(t, "serve", dir, "--addr", "127.0.0.1:0")
	refused(t, 1, "in use by another process", "serve", dir, "--addr", "127.0.0.1:0")
	if code := s.stop(t); code != 0 {
		t.Errorf("exit status of the first = %d", code)
	}
	for what, content := range map[string][]byte{
		"no state":  []byte(strings.Repeat("something else\n", 1000)),
		"cut short": good[:5000],
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, 1, "is damaged", "serve", dir, "--addr", "127.0.0.1:0")
		if got, err := os.ReadFile(file); err != nil || string(got) != string(content) {
			t.Errorf("%s: the file was changed", what)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(b) != "content" {
		t.Errorf("/f = %q, %v", b, err)
	}
	refused(t, 2, "--state", "serve", "--memory", "--state", filepath.Join(dir, "x"))
	refused(t, 1, "keep it elsewhere", "serve", dir, "--state", filepath.Join(dir, "x"))
	refused(t, 1, "keep it elsewhere", "serve", dir, "--state", filepath.Join(dir, "sub", "..", "x"))
}

// A state that cannot be created later is refused at the start, with a line that says what to do.
func TestStateOfNoUse(t *testing.T) {
	elsewhere := t.TempDir()
	file, broken := filepath.Join(elsewhere, "file"), filepath.Join(elsewhere, "link")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(elsewhere, "none"), broken); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	for given, want := range map[string]string{
		os.DevNull:                              "not a file",
		elsewhere:                               "not a file",
		filepath.Join(elsewhere, "no", "state"): "make it first",
		filepath.Join(file, "state"):            "not a directory",
		filepath.Join(file, "no", "state"):      "not a directory",
		broken:                                  "leads nowhere",
		filepath.Join(broken, "state"):          "make it first",
	} {
		refused(t, 1, want, "serve", t.TempDir(), "--state", given, "--addr", "127.0.0.1:0")
	}
	for what, make := range map[string]func(name string) error{
		"not a directory": func(name string) error { return os.WriteFile(name, nil, 0o600) },
		"is a symbolic link, which is not followed": func(name string) error { return os.Symlink("none", name) },
		"symbolic link": func(name string) error { return os.Symlink(elsewhere, name) },
		"state.db is a symbolic link": func(name string) error {
			return errors.Join(os.Mkdir(name, 0o700), os.Symlink(filepath.Join(elsewhere, "x"), filepath.Join(name, "state.db")))
		},
		"not a file": func(name string) error { return os.MkdirAll(filepath.Join(name, "state.db"), 0o700) },
	} {
		dir := t.TempDir()
		if err := make(filepath.Join(dir, ".dav207")); err != nil {
			t.Fatal(err)
		}
		refused(t, 1, what, "serve", dir, "--addr", "127.0.0.1:0")
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) != 2 {
		t.Errorf("a link was followed: %v, %v", left, err)
	}
}

// A link that takes the place of the state, or of its directory, while the server runs is not
// followed either. What needs the state fails until the link is gone.
func TestStateBehindLaterLink(t *testing.T) {
	for _, tt := range []struct {
		what, link, to string // in DIR
		kept           bool   // there is a state before
		log            string
	}{
		{"the directory elsewhere", ".dav207", "../out", false, "dav207 is a symbolic link, which is not followed: remove it"},
		{"a directory that is served", ".dav207", "sub", false, "dav207 is a symbolic link, which is not followed: remove it"},
		{"no directory", ".dav207", "../out/none", false, "dav207 is a symbolic link, which is not followed: remove it"},
		{"itself", ".dav207", ".dav207", false, "dav207 is a symbolic link, which is not followed: remove it"},
		{"no file", ".dav207/state.db", "../../out/none", false, "state.db is a symbolic link, which is not followed: remove it"},
		{"a file beside", ".dav207/state.db", "beside", false, "state.db is a symbolic link, which is not followed: remove it"},
		{"the directory elsewhere, with a state", ".dav207", "../out", true, "removed or replaced"},
		{"the state itself", ".dav207", "../away", true, "removed or replaced"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			link, out, away := filepath.Join(dir, tt.link), filepath.Join(dir, "../out"), filepath.Join(dir, "../away")
			if err := errors.Join(os.MkdirAll(filepath.Join(dir, "sub"), 0o700), os.Mkdir(out, 0o700)); err != nil {
				t.Fatal(err)
			}
			s := startCommand(t, "serve", dir, "--addr", "127.0.0.1:0")
			status := func(want int, text, method, name, body string, headers ...string) {
				t.Helper()
				if code, got := do(t, method, s.base+name, body, headers...); code != want || !strings.Contains(got, text) {
					t.Errorf("%s /%s = %d %s, want %d with %q", method, name, code, got, want, text)
				}
			}
			status(201, "", "PUT", "f", "content")
			if tt.kept {
				status(207, "200 OK", "PROPPATCH", "f", setMark)
				if err := os.Rename(filepath.Join(dir, ".dav207"), away); err != nil {
					t.Skip("it is not moved while it is in use: ", err)
				}
			}
			if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.FromSlash(tt.to), link); err != nil {
				t.Skip("no symbolic links here: ", err)
			}
			before := tree(t, filepath.Dir(dir))
			status(207, "500 Internal Server Error", "PROPPATCH", "f", strings.ReplaceAll(setMark, "kept", "new"))
			if got := tree(t, filepath.Dir(dir)); got != before {
				t.Errorf("PROPPATCH has made of %s\n%s", before, got)
			}
			if tt.kept { // the lock is granted, and the log says that it is not written
				status(200, "", "LOCK", "f", takeLock)
				status(207, "500 Internal Server Error", "COPY", "f", "", "Destination", s.base+"copy")
			} else {
				status(500, "", "LOCK", "f", takeLock)
				status(201, "", "COPY", "f", "", "Destination", s.base+"copy")
			}
			status(201, "", "PUT", "g", "new")
			status(404, "", "GET", ".dav207/state.db", "")
			for _, name := range []string{"copy", "g"} {
				os.Remove(filepath.Join(dir, name))
			}
			if got := tree(t, filepath.Dir(dir)); got != before {
				t.Errorf("what was\n%s\nis\n%s", before, got)
			}
			if !strings.Contains(s.stderr.String(), tt.log) {
				t.Errorf("the log is %s, want %q in it", s.stderr.String(), tt.log)
			}
			if err := os.Remove(link); err != nil {
				t.Fatal(err)
			}
			if tt.kept {
				if err := os.Rename(away, filepath.Join(dir, ".dav207")); err != nil {
					t.Fatal(err)
				}
			}
			status(201, "", "PUT", "h", "content")
			status(207, "200 OK", "PROPPATCH", "h", setMark)
			status(200, "", "LOCK", "h", takeLock)
			s.stop(t)
			serving(t, dir, func(base string) {
				if !has(t, base+"h", askMark, ">kept<") || !has(t, base+"h", askLock, "activelock") {
					t.Error("the property or the lock is lost")
				}
			})
			if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
				t.Errorf("behind the link are %v, %v", left, err)
			}
		})
	}
}

// tree names what is below dir.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		names = append(names, name+" "+e.Type().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

// refused runs a command that must end at once, with one line on standard error.
func refused(t *testing.T, code int, text string, args ...string) {
	t.Helper()
	var stdout, stderr buffer
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // what should fail might serve
	defer cancel()
	if got := run(ctx, args, &stdout, &stderr); got != code {
		t.Errorf("dav207 %q: exit status %d, want %d", args, got, code)
	}
	if got := stderr.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, text) {
		t.Errorf("dav207 %q says %q, want one line with %q", args, got, text)
	}
}
