package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/server/davpath"
)

// On a full volume the old content stays and no temp file is left.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("cannot mount a small volume:", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	b := open(t, dir, nil).b
	must(t, put(b, "/f", "old"))
	must(t, put(b, "/big", strings.Repeat("x", 40<<10)))
	if err := put(b, "/f", strings.Repeat("y", 40<<10)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Create = %v, want %v", err, syscall.ENOSPC)
	}
	if err := b.CopyFile(ctx, davpath.Must("/big"), davpath.Must("/f")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("CopyFile = %v, want %v", err, syscall.ENOSPC)
	}
	if got := read(t, filepath.Join(dir, "f")); got != "old" {
		t.Errorf("content = %.10q, want what was there", got)
	}
	noTemps(t, dir)
	if used, available, err := b.Usage(ctx, davpath.Must("/f")); used+available != 64<<10 || used < 40<<10 || err != nil {
		t.Errorf("Usage = %d, %d, %v", used, available, err)
	}
	// Another volume inside of the tree: the caller has to copy instead.
	if err := os.Mkdir(filepath.Join(dir, "m"), 0o777); err == nil &&
		syscall.Mount("none", filepath.Join(dir, "m"), "tmpfs", 0, "size=64k") == nil {
		t.Cleanup(func() { syscall.Unmount(filepath.Join(dir, "m"), syscall.MNT_DETACH) })
		if err := b.Rename(ctx, davpath.Must("/f"), davpath.Must("/m/f")); !errors.Is(err, syscall.EXDEV) {
			t.Errorf("Rename to another volume = %v, want %v", err, syscall.EXDEV)
		}
		if err := b.CopyFile(ctx, davpath.Must("/f"), davpath.Must("/m/f")); err != nil {
			t.Errorf("CopyFile to another volume: %v", err)
		}
	}
}

func TestCreationTime(t *testing.T) {
	b, _, _ := served(t)
	begin := time.Now().Add(-time.Minute)
	must(t, b.Mkdir(ctx, davpath.Must("/d")))
	must(t, put(b, "/d/f", "x"))
	for _, name := range []string{"/d", "/d/f"} {
		born := func() time.Time {
			return must2(b.Stat(ctx, davpath.Must(name))).Birth
		}
		was := born()
		if was.IsZero() {
			t.Skip("this file system does not know")
		}
		if was.Before(begin) || was.After(time.Now().Add(time.Minute)) {
			t.Errorf("%s was created at %v", name, was)
		}
		must(t, b.SetModTime(ctx, davpath.Must(name), time.Unix(1e9, 0)))
		if got := born(); !got.Equal(was) {
			t.Errorf("%s was created at %v after its time was set, %v before", name, got, was)
		}
	}
}
