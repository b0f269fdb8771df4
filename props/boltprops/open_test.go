package boltprops

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/locks"
)

// filled is a state with some thousand entries, closed.
func filled(t testing.TB, n int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "state")
	s := start(t, file, nil)
	commitTogether(s, func(t *txn) error {
		for i := range n {
			if err := t.patch(at(fmt.Sprintf("/c%d/%05d", i%3, i)), set("x", strings.Repeat("value ", 20))); err != nil {
				return err
			}
		}
		return nil
	}, func(tx *txn) error {
		return tx.put(tx.bucket(locksBucket), []byte("t"), encodeLock(&locks.Lock{Token: "t"}))
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLazy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hidden")
	file := filepath.Join(dir, "state")
	s := start(t, file, &Options{Lazy: true})
	for range s.All(t.Context(), davpath.Root) {
		t.Error("there is something")
	}
	if err := s.Update(t.Context(), props.Delete{Path: davpath.Root}, props.Move{Src: davpath.Must("/a"), Dst: davpath.Must("/b")}); err != nil {
		t.Fatal(err)
	}
	patch(t, s, at("/a"), []props.Change{{Remove: true, Property: prop("x", "")}})
	if err := s.Delete("unknown"); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("what changes nothing has created the file")
	}

	// If it cannot be created, that request fails, and the next one tries again.
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Patch(t.Context(), at("/a"), set("x", "1")); err == nil {
		t.Error("Patch with no place for the file: got no error")
	}
	if got := value(t, s, at("/a")); got != "" {
		t.Errorf("after that /a is %q", got)
	}
	os.Remove(dir)
	patch(t, s, at("/a"), set("x", "1"))
	if got := value(t, s, at("/a")); got != "1" {
		t.Errorf("/a is %q", got)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]fs.FileMode{dir: fs.ModeDir | 0o700, file: 0o600} {
			if info, err := os.Stat(name); err != nil || info.Mode() != want {
				t.Errorf("%s: got %v, %v, want mode %v", name, info.Mode(), err, want)
			}
		}
	}
}

// A process whose file another one has created first does not write to it.
func TestLazyTwice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	one, two := start(t, file, &Options{Lazy: true}), start(t, file, &Options{Lazy: true})
	patch(t, one, at("/a"), set("x", "1"))
	var inUse *InUseError
	if err := two.Patch(t.Context(), at("/a"), set("x", "2")); !errors.As(err, &inUse) {
		t.Errorf("got %v, want a InUseError", err)
	}
	one.Close()
	patch(t, two, at("/b"), set("x", "2"))
	if a, b := value(t, two, at("/a")), value(t, two, at("/b")); a != "1" || b != "2" {
		t.Errorf("got %q and %q, want what both have written", a, b)
	}
}

func TestReadOnly(t *testing.T) {
	file := filename(t)
	if _, err := Open(file, &Options{ReadOnly: true, Lazy: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("where nothing is: got %v, want %v", err, fs.ErrNotExist)
	}
	w := start(t, file, nil)
	patch(t, w, at("/a"), set("x", "1"))
	w.Close()
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, file, &Options{ReadOnly: true})
	if got := value(t, s, at("/a")); got != "1" {
		t.Errorf("/a is %q, want 1", got)
	}
	if err := s.Update(t.Context(), props.Delete{Path: davpath.Must("/b")}); err != nil {
		t.Errorf("what changes nothing: %v", err)
	}
	for _, err := range []error{s.Patch(t.Context(), at("/a"), set("x", "2")), s.Put(locks.Lock{Token: "t"})} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("a change: got %v, want %v", err, syscall.EROFS)
		}
	}
	s.Close()
	after, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file is another one afterwards (%v)", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
		t.Errorf("left are %v, want the file alone", left)
	}
}

func filename(t testing.TB) string { return filepath.Join(t.TempDir(), "state") }

func TestNewer(t *testing.T) {
	file := filled(t, 1)
	s := start(t, file, nil)
	err := s.state.Load().db.Update(func(tx *bbolt.Tx) error {
		value := newValue()
		value[4] = format + 1
		return tx.Bucket(metaBucket).Put(headerKey, seal(headerKey, append(value, "of a form that nobody knows yet"...)))
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, o := range []*Options{nil, {ReadOnly: true}} {
		if _, err := Open(file, o); err == nil || !strings.Contains(err.Error(), fmt.Sprint("has format ", format+1)) || errors.As(err, new(*DamagedError)) {
			t.Errorf("got %v, want that it has format %d", err, format+1)
		}
	}
}

// A bbolt file of another program.
func TestForeign(t *testing.T) {
	file := filename(t)
	db, err := bbolt.Open(file, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("theirs"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	var damaged *DamagedError
	if _, err := Open(file, nil); !errors.As(err, &damaged) {
		t.Errorf("got %v, want a DamagedError", err)
	}
}
