package boltprops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dav207/props"
	"dav207/server/davpath"
)

// On a full disk a change fails as a whole, with the error that becomes 507, and others do not fail
// with it. When there is space again, changes succeed.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "sub", "state")
	s, err := Open(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	content := strings.Repeat("x", 50<<10)
	written := 0
	for ; written < 1000 && err == nil; written++ {
		err = s.Patch(t.Context(), at(fmt.Sprint("/", written)), set("x", content))
	}
	if written--; !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("after %d changes: got %v, want %v", written, err, syscall.ENOSPC)
	}
	check := func(when string) {
		t.Helper()
		n := 0
		for e, err := range s.All(t.Context(), davpath.Root) {
			if err != nil || string(e.Properties[0].InnerXML) != content {
				t.Errorf("%s: %s, %v", when, e.Path, err)
			}
			n++
		}
		if n != written {
			t.Errorf("%s there are %d entries, want the %d that were acknowledged", when, n, written)
		}
	}
	check("on the full disk")
	if err := s.Update(t.Context(), props.Delete{Path: davpath.Must("/none")}); err != nil {
		t.Errorf("what changes nothing: %v", err)
	}
	// A large change does not fail a small one in the same commit.
	small := at("/0")
	errs := commitTogether(s,
		func(t *txn) error { return t.patch(at("/large"), set("x", strings.Repeat("x", 1<<20))) },
		func(t *txn) error { return t.patch(small, set("x", "")) })
	if !errors.Is(errs[0], syscall.ENOSPC) || errs[1] != nil {
		t.Errorf("a large one and a small one: got %v, want %v for the large one alone", errs, syscall.ENOSPC)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	patch(t, s, small, set("x", content))
	check("with room again")
	if err := s.Patch(context.Background(), at("/more"), set("x", content)); err != nil {
		t.Errorf("with room again: %v", err)
	}
	written++
	s.Close()
	if s, err = Open(file, nil); err != nil {
		t.Fatal(err)
	}
	check("opened again")
	s.Close()

	// If there is no space for the first page, no file remains.
	if err := os.WriteFile(ballast, make([]byte, 3<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	lazy, err := Open(filepath.Join(dir, "sub", "other"), &Options{Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := lazy.Patch(t.Context(), small, set("x", "1")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("creating: got %v, want %v", err, syscall.ENOSPC)
	}
	if err := errors.Join(lazy.Put(someLocks[0]), lazy.Sync(t.Context(), true)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a lock: got %v, want %v", err, syscall.ENOSPC)
	}
	os.Remove(ballast)
	patch(t, lazy, small, set("x", "1"))
	lazy.Close()
	left, _ := os.ReadDir(filepath.Join(dir, "sub"))
	if len(left) != 2 {
		t.Errorf("left are %v, want the two states", left)
	}
}
