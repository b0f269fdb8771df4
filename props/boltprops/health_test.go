package boltprops

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"dav207/server/locks"
)

// Check says whether the file works, and Size how large it is, as it comes into being, grows, goes
// away and comes back.
func TestCheckAndSize(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	s := start(t, file, &Options{Lazy: true})
	check := func(when string, want error) {
		t.Helper()
		if err := s.Check(t.Context()); !errors.Is(err, want) {
			t.Errorf("%s: Check: %v, want %v", when, err, want)
		}
		info, err := os.Stat(file)
		if err == nil && s.Size() != info.Size() {
			t.Errorf("%s: Size = %d, want %d", when, s.Size(), info.Size())
		}
	}
	check("before the first change", nil)
	if s.Size() != 0 {
		t.Errorf("Size without a file = %d", s.Size())
	}
	patch(t, s, at("/a"), set("x", "1"))
	check("with a property", nil)
	patch(t, s, at("/a"), set("x", string(make200('x'))))
	for i := range 200 {
		patch(t, s, at("/b"+string(rune('a'+i%26))), set("x"+string(rune('a'+i/26)), string(make200('x'))))
	}
	check("larger", nil)
	if err := os.Rename(file, file+".away"); err != nil {
		t.Skip(err) // Windows
	}
	check("gone", fs.ErrNotExist)
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); !errors.Is(err, errFileMissing) {
		t.Errorf("replaced: Check: %v, want %v", err, errFileMissing)
	}
	s.Put(locks.Lock{Token: "t", Root: at("/a")})
	if err := s.Flush(t.Context()); err == nil {
		t.Error("a lock was written to a file that is gone")
	}
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err == nil {
		t.Error("a lock is not written, and Check says nothing")
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("back", nil)
	s.Close()
	check("closed", ErrClosed)
}
