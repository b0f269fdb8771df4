//go:build unix

package control

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"dav207/server/locks"
)

var noLog = slog.New(slog.DiscardHandler)

// abandon leaves a socket as a killed process does.
func abandon(t *testing.T, path string) {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
}

func asks(path string) error {
	return List(context.Background(), path, func(Lock) error { return nil })
}

// Others cannot use the socket, whatever the mask of the process is.
func TestSocketMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(socketDir(t), "s")
	start(t, path, locks.New(nil), noLog)
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket has the mode %v, %v, want 0600", info.Mode(), err)
	}
}

// A path can be longer than the 107 bytes of sockaddr_un where there is /proc; else it is an error.
func TestLongPath(t *testing.T) {
	dir := filepath.Join(socketDir(t), strings.Repeat("d", 100), strings.Repeat("e", 100))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	s, err := Start(path, locks.New(nil), noLog)
	if runtime.GOOS != "linux" {
		if err == nil {
			t.Error("a path that is too long is no error")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := asks(path); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// TestStart makes a socket where something is already. Nothing is replaced but a socket of this
// user without a process, and no link is followed.
func TestStart(t *testing.T) {
	for _, tt := range []struct {
		what string
		make func(t *testing.T, dir, path string)
		err  string // what the error holds, "" for none
	}{
		{"nothing", func(*testing.T, string, string) {}, ""},
		{"the socket of a killed process", func(t *testing.T, _, path string) { abandon(t, path) }, ""},
		{"that of another user", func(t *testing.T, _, path string) {
			abandon(t, path)
			if err := os.Chown(path, 12345, -1); err != nil {
				t.Skip("only root can give a socket to another user")
			}
		}, "is not left from a process of this user"},
		{"the socket of a running server", func(t *testing.T, _, path string) { start(t, path, locks.New(nil), noLog) }, "in use"},
		{"a file", func(t *testing.T, _, path string) { os.WriteFile(path, nil, 0o600) }, "in use"},
		{"a directory", func(t *testing.T, _, path string) { os.Mkdir(path, 0o700) }, "in use"},
		{"a link to nothing", func(t *testing.T, dir, path string) { os.Symlink(filepath.Join(dir, "other"), path) }, "in use"},
		{"a link to the socket of a killed process", func(t *testing.T, dir, path string) {
			abandon(t, filepath.Join(dir, "other"))
			os.Symlink("other", path)
		}, "in use"},
		{"a directory that is a link", func(t *testing.T, dir, _ string) {
			os.Rename(filepath.Join(dir, "d"), filepath.Join(dir, "e"))
			os.Symlink("e", filepath.Join(dir, "d"))
		}, "symbolic link"},
		{"no directory", func(t *testing.T, dir, _ string) { os.Remove(filepath.Join(dir, "d")) }, "no such file"},
		{"a file as directory", func(t *testing.T, dir, _ string) {
			os.Remove(filepath.Join(dir, "d"))
			os.WriteFile(filepath.Join(dir, "d"), nil, 0o600)
		}, "is no directory"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			dir := socketDir(t)
			if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "d", "s")
			tt.make(t, filepath.Join(dir), path)
			before := names(t, dir)
			s, err := Start(path, locks.New(nil), noLog)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("got %v, want %q", err, tt.err)
			}
			if err != nil {
				if after := names(t, dir); after != before {
					t.Errorf("there is %s, was %s", after, before)
				}
				return
			}
			if err := asks(path); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the socket is left: %v", err)
			}
		})
	}
}

// names returns what lies below dir, with the kind and the number of each file.
func names(t *testing.T, dir string) string {
	var all []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all = append(all, name, info.Mode().String(), info.ModTime().String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// Close leaves what is in the place of the socket by now.
func TestCloseLeavesOthers(t *testing.T) {
	path := filepath.Join(socketDir(t), "s")
	s, err := Start(path, locks.New(nil), noLog)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); string(text) != "x" {
		t.Errorf("the file is now %q, %v", text, err)
	}
}

// A client connects to nothing but a socket, and not by way of a link.
func TestNoServer(t *testing.T) {
	dir := socketDir(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	start(t, at("s"), locks.New(nil), noLog)
	abandon(t, at("killed"))
	os.WriteFile(at("file"), nil, 0o600)
	os.Symlink("s", at("link"))
	for _, name := range []string{"none", "killed", "file", "link"} {
		if err := asks(at(name)); !errors.Is(err, ErrNoServer) {
			t.Errorf("%s: %v, want %v", name, err, ErrNoServer)
		}
	}
	if err := asks(at("s")); err != nil {
		t.Error(err)
	}
}
