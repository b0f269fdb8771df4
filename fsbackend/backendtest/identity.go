package backendtest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"
	"time"
)

type (
	identifier interface{ FileID() string }
	stagedFile interface{ Stat() (fs.FileInfo, error) }
)

// id returns what an info says of the identity of its file, "" where it says nothing.
func id(t testing.TB, fi fs.FileInfo, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if i, ok := fi.(identifier); ok {
		return i.FileID()
	}
	return ""
}

// tickOfTheSystem is longer than the step in which the times of births are counted.
const tickOfTheSystem = 20 * time.Millisecond

// A file is the same one under every name and to every way of looking at it, and what takes its name is another one.
func testFileID(s *suite) {
	at := func(name string) string {
		s.Helper()
		fi, err := s.fs.Stat(s.ctx, name)
		return id(s, fi, err)
	}
	s.mkdir("/d")
	s.put("/d/f", "file")
	file, dir := at("/d/f"), at("/d")
	if file == "" {
		s.Skip("no FileID")
	}
	seen := map[string]string{file: "the file"}
	fresh := func(what, id string) {
		s.Helper()
		if other, ok := seen[id]; ok || id == "" {
			s.Errorf("%s has the FileID %q, %s has it, too", what, id, other)
		}
		seen[id] = what
	}
	same := func(what, got, want string) {
		s.Helper()
		if got != want {
			s.Errorf("FileID %s = %q, want %q", what, got, want)
		}
	}
	fresh("its directory", dir)

	for _, flag := range []int{os.O_RDONLY, os.O_RDWR} {
		f, err := s.fs.OpenFile(s.ctx, "/d/f", flag, 0)
		s.ok(err)
		fi, err := f.Stat()
		same("by the handle", id(s, fi, err), file)
		s.ok(f.Close())
	}
	if l, ok := s.fs.(lstater); ok {
		if fi, err := l.Lstat(s.ctx, "/d/f"); !errors.Is(err, errors.ErrUnsupported) {
			same("by Lstat", id(s, fi, err), file)
		}
	}
	f, err := s.fs.OpenFile(s.ctx, "/d", os.O_RDONLY, 0)
	s.ok(err)
	fi, err := f.Stat()
	same("of the directory by the handle", id(s, fi, err), dir)
	if l, ok := f.(nameLister); ok {
		fi, err := l.Lstat("f")
		same("by Lstat of the directory", id(s, fi, err), file)
	}
	infos, err := f.Readdir(-1)
	s.ok(err)
	s.ok(f.Close())
	same("by Readdir", id(s, infos[0], nil), file)

	s.put("/d/f", "written in place")
	same("after it was written", at("/d/f"), file)
	s.ok(s.fs.Rename(s.ctx, "/d", "/e"))
	s.ok(s.fs.Rename(s.ctx, "/e/f", "/f"))
	same("after it was renamed", at("/f"), file)
	same("of the directory after it was renamed", at("/e"), dir)
	s.put("/g", "another")
	fresh("another file", at("/g"))
	s.ok(s.fs.Rename(s.ctx, "/f", "/g"))
	same("after it replaced another", at("/g"), file)

	s.ok(s.fs.RemoveAll(s.ctx, "/g"))
	time.Sleep(tickOfTheSystem)
	s.put("/g", "the next one")
	fresh("what took the name, and maybe the place on the disk", at("/g"))
	if c, ok := s.fs.(fileCopier); ok {
		if err := c.CopyFile(s.ctx, "/g", "/h", nil); !errors.Is(err, errors.ErrUnsupported) {
			s.ok(err)
			fresh("a copy", at("/h"))
			next := ""
			s.ok(c.CopyFile(s.ctx, "/g", "/h", func(fi fs.FileInfo) error {
				next = id(s, fi, nil)
				return nil
			}))
			fresh("a copy over a copy", next)
			same("the copy over a copy", at("/h"), next)
			s.want("a copy that is not wanted any more", c.CopyFile(s.ctx, "/g", "/h", func(fs.FileInfo) error { return errUnsupported }), errUnsupported)
			same("after a copy that was not wanted", at("/h"), next)
		}
	}
	for _, content := range []string{"staged", "staged again"} {
		w, commit, err := s.stager().Stage(s.ctx, "/g")
		s.ok(err)
		io.WriteString(w, content)
		staged, ok := w.(stagedFile)
		if !ok {
			s.Fatalf("%T has no Stat", w)
		}
		fi, err := staged.Stat()
		next := id(s, fi, err)
		fresh(content, next)
		s.ok(commit())
		same("after the commit", at("/g"), next)
		if _, err := staged.Stat(); !errors.Is(err, fs.ErrClosed) {
			s.Errorf("Stat after the commit = %v, want %v", err, fs.ErrClosed)
		}
		s.ok(w.Close())
	}
}
