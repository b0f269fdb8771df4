package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"dav207/server/davpath"
)

const nobody = 65534

// What FS_IOC_SETFLAGS takes, from linux/fs.h.
const (
	flagImmutable  = 0x10
	flagAppendOnly = 0x20
)

// asNobody runs f, and what it does on its own thread, as a user who is not root.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	as := func(uid int) {
		t.Helper()
		// By hand: package syscall would change every thread.
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			t.Fatal(errno)
		}
	}
	as(nobody)
	defer as(0)
	f()
}

// What Undeletable yields is what then cannot be removed, and nothing else is.
func TestUndeletable(t *testing.T) {
	b, root, _ := served(t)
	at := func(name string) string { return filepath.Join(root, name) }
	for _, dir := range []string{"free/full", "fixed", "sticky/dir", "own/closed", "own/open", "empty", "held", "attr", "mount/m", "blind/fixed"} {
		must(t, os.MkdirAll(at(dir), 0o777))
	}
	for _, f := range []string{"free/f", "free/full/f", "fixed/a", "fixed/b", "sticky/theirs", "sticky/mine", "own/closed/f", "held/f", "attr/fixed", "attr/log", "attr/free", "blind/fixed/f"} {
		write(t, at(f), "x")
	}
	symlink(t, "none", at("free/link"))
	root0 := os.Geteuid() == 0
	if root0 {
		must(t, filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
			if err == nil && !strings.Contains(p, "sticky") {
				err = os.Lchown(p, nobody, nobody)
			}
			return err
		}))
		must(t, os.Chown(at("sticky/mine"), nobody, nobody))
	}
	for dir, mode := range map[string]fs.FileMode{"fixed": 0o555, "sticky": 0o777 | fs.ModeSticky, "own/closed": 0o300, "empty": 0o555,
		"blind": 0o311, "blind/fixed": 0o555} {
		must(t, os.Chmod(at(dir), mode))
		t.Cleanup(func() { os.Chmod(at(dir), 0o777) })
	}
	want := map[string]string{"free": "", "free/full": "", "own": "closed", "fixed": "a b", "empty": "", "none": "", "free/f": "", "blind/fixed": "f"}
	if os.Geteuid() == 0 {
		want["sticky"] = "dir theirs"
		if attribute(t, at("attr/fixed"), flagImmutable) && attribute(t, at("attr/log"), flagAppendOnly) {
			want["attr"] = "fixed log"
		}
		if attribute(t, at("held"), flagAppendOnly) {
			want["held"] = "f"
		}
		if syscall.Mount("none", at("mount/m"), "tmpfs", 0, "size=64k") == nil {
			t.Cleanup(func() { syscall.Unmount(at("mount/m"), syscall.MNT_DETACH) })
			want["mount"] = "m"
		}
	}
	for dir, want := range want {
		var got []string
		asNobody(t, func() {
			for name, err := range b.Undeletable(ctx, davpath.Must("/"+dir)) {
				got = append(got, name)
				if at := (*fs.PathError)(nil); !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EBUSY) || !errors.As(err, &at) {
					t.Errorf("%s/%s: %v, want that it is not permitted", dir, name, err)
				}
				// An unreadable directory can be removed itself; what is in it cannot be found.
				if fi, _ := b.Lstat(ctx, davpath.Must("/"+dir+"/"+name)); fi != nil && fi.IsDir() && dir == "own" {
					continue
				}
				if err := b.Remove(ctx, davpath.Must("/"+dir+"/"+name)); err == nil {
					t.Errorf("%s/%s could be removed", dir, name)
				}
			}
		})
		slices.Sort(got)
		if fmt.Sprint(got) != fmt.Sprint(strings.Fields(want)) {
			t.Errorf("in %s there are %q, want %s", dir, got, want)
		}
	}
	if root0 { // for root only what nobody may remove
		for name := range b.Undeletable(ctx, davpath.Must("/fixed")) {
			t.Errorf("root cannot remove fixed/%s", name)
		}
	}
}

// attribute sets what chattr(1) sets, until the test ends.
func attribute(t *testing.T, name string, flag int) bool {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	before, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, before|flag)
	}
	if err != nil {
		f.Close()
		return false
	}
	t.Cleanup(func() {
		unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, before)
		f.Close()
	})
	return true
}
