package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// On a disk that is mounted read-only properties and locks are shown as they were kept, and a
// change is refused as such.
func TestStateOnReadOnlyMount(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("a disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	serving(t, dir, mark(t))
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	said := serving(t, dir, func(base string) {
		if !has(t, base+"f", askMark, ">kept<") || !has(t, base+"f", askLock, "activelock") {
			t.Error("the property or the lock is not shown")
		}
		change := strings.ReplaceAll(setMark, "kept", "changed")
		if code, _ := do(t, "PROPPATCH", base+"f", change); code != 423 {
			t.Errorf("PROPPATCH of what is locked = %d, want 423", code)
		}
		if code, body := do(t, "PROPPATCH", base, change); code != 207 || !strings.Contains(body, "403 Forbidden") {
			t.Errorf("PROPPATCH = %d %s, want 403 for the property", code, body)
		}
	})
	if !strings.Contains(said, "shown as they were kept") {
		t.Errorf("the log is %q, want a warning", said)
	}
	refused(t, 1, "cannot be written to", "serve", t.TempDir(), "--state", filepath.Join(dir, ".dav207", "state.db"), "--addr", "127.0.0.1:0")
}
