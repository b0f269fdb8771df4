package fsbackend_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/fsbackend"
)

// On a full volume the old content stays and nothing is left aside.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("cannot mount a small volume:", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	d, err := fsbackend.Root(dir)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	must(t, stage(d, "/f", "old"))
	must(t, stage(d, "/big", strings.Repeat("x", 40<<10)))
	if err := stage(d, "/f", strings.Repeat("y", 40<<10)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Stage = %v, want %v", err, syscall.ENOSPC)
	}
	if err := d.CopyFile(ctx, "/big", "/f"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("CopyFile = %v, want %v", err, syscall.ENOSPC)
	}
	if got := read(t, filepath.Join(dir, "f")); got != "old" {
		t.Errorf("content = %.10q, want what was there", got)
	}
	noneAside(t, dir)
	if used, available, err := d.Space(ctx, "/f"); used+available != 64<<10 || used < 40<<10 || err != nil {
		t.Errorf("Space = %d, %d, %v", used, available, err)
	}
	// Another volume inside of the tree: the engine has to copy, and must be told.
	if err := os.Mkdir(filepath.Join(dir, "m"), 0o777); err == nil &&
		syscall.Mount("none", filepath.Join(dir, "m"), "tmpfs", 0, "size=64k") == nil {
		t.Cleanup(func() { syscall.Unmount(filepath.Join(dir, "m"), syscall.MNT_DETACH) })
		if err := d.Rename(ctx, "/f", "/m/f"); !errors.Is(err, syscall.EXDEV) {
			t.Errorf("Rename to another volume = %v, want %v", err, syscall.EXDEV)
		}
		if err := d.CopyFile(ctx, "/f", "/m/f"); err != nil {
			t.Errorf("CopyFile to another volume: %v", err)
		}
	}
}

func TestCreationTime(t *testing.T) {
	d, _, _ := served(t)
	begin := time.Now().Add(-time.Minute)
	must(t, d.Mkdir(ctx, "/d", 0o777))
	must(t, stage(d, "/d/f", "x"))
	for _, name := range []string{"/d", "/d/f"} {
		born := func() time.Time {
			return must2(d.Stat(ctx, name)).(interface{ CreationTime() time.Time }).CreationTime()
		}
		was := born()
		if was.IsZero() {
			t.Skip("this file system does not know")
		}
		if was.Before(begin) || was.After(time.Now().Add(time.Minute)) {
			t.Errorf("%s was created at %v", name, was)
		}
		must(t, d.Chtimes(ctx, name, time.Unix(1e9, 0)))
		if got := born(); !got.Equal(was) {
			t.Errorf("%s was created at %v after its time was set, %v before", name, got, was)
		}
	}
}
