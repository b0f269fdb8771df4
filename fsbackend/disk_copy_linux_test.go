package fsbackend_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dav207/fsbackend"
)

// copyMembers copies files of one collection into another and returns the names of those that were.
func copyMembers(ctx context.Context, d *fsbackend.Disk, src, dst string, names ...string) (done []string) {
	copied := make([]bool, len(names))
	d.CopyMembers(ctx, src, dst, names, copied)
	for i, name := range names {
		if copied[i] {
			done = append(done, name)
		}
	}
	return done
}

// Of the directories above a file only the permission to search is needed, to change it as to read
// it, whether the change waits for the disk or not. So the system finds it with one call, and
// os.Root does not open each of them.
func TestBelowWhatCannotBeListed(t *testing.T) {
	for _, sync := range []bool{false, true} {
		d, root, _ := served(t)
		d.Sync = sync
		at := func(name string) string { return filepath.Join(root, name) }
		must(t, os.MkdirAll(at("blind/d"), 0o777))
		for _, f := range []string{"blind/d/f", "blind/d/there", "blind/d/old"} {
			write(t, at(f), f)
		}
		for _, f := range []string{"blind", "blind/d", "blind/d/f", "blind/d/there", "blind/d/old"} {
			if os.Geteuid() == 0 {
				must(t, os.Chown(at(f), nobody, nobody))
			}
		}
		must(t, os.Chmod(at("blind"), 0o311))
		t.Cleanup(func() { os.Chmod(at("blind"), 0o777) })
		when := time.Unix(1e9, 0)
		for _, op := range []struct {
			name string
			do   func() error
		}{
			{"copy", func() error { return d.CopyFile(ctx, "/blind/d/f", "/blind/d/new") }},
			{"copy over a file", func() error { return d.CopyFile(ctx, "/blind/d/f", "/blind/d/there") }},
			{"mkdir", func() error { return d.Mkdir(ctx, "/blind/d/made", 0o777) }},
			{"move", func() error { return d.Rename(ctx, "/blind/d/old", "/blind/d/made/moved") }},
			{"chtimes", func() error { return d.Chtimes(ctx, "/blind/d/made/moved", when) }},
			{"write", func() error {
				w, commit, err := d.Stage(ctx, "/blind/d/written")
				if err != nil {
					return err
				}
				defer w.Close()
				return commit()
			}},
			{"remove", func() error { return d.Remove(ctx, "/blind/d/written") }},
			{"mkdir again", func() error { return d.Mkdir(ctx, "/blind/d/empty", 0o777) }},
			{"remove all", func() error { return d.RemoveAll(ctx, "/blind/d/empty") }},
		} {
			asNobody(t, func() {
				if err := op.do(); err != nil {
					t.Errorf("%s with Sync %v: %v", op.name, sync, err)
				}
			})
		}
		asNobody(t, func() {
			if err := d.CopyFile(ctx, "/blind/d/f", "/blind/d/f"); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("a copy onto itself is %v, want %v", err, fs.ErrInvalid)
			}
		})
		for name, want := range map[string]string{"new": "blind/d/f", "there": "blind/d/f", "f": "blind/d/f", "made/moved": "blind/d/old"} {
			if got := read(t, at("blind/d/"+name)); got != want {
				t.Errorf("%s holds %q, want %q", name, got, want)
			}
		}
		if fi := must2(os.Stat(at("blind/d/made/moved"))); !fi.ModTime().Truncate(time.Second).Equal(when) {
			t.Errorf("its time is %v, want %v", fi.ModTime(), when)
		}
		if got := names(t, at("blind/d")); !slices.Equal(got, []string{"f", "made", "new", "there"}) {
			t.Errorf("there is %q", got)
		}
	}
}

// Many files are copied at once, each whole, with its permissions and with a time that no other one has.
func TestCopyMembers(t *testing.T) {
	d, root, _ := served(t)
	must(t, os.Mkdir(filepath.Join(root, "src"), 0o777))
	must(t, os.Mkdir(filepath.Join(root, "dst"), 0o777))
	want := map[string]string{}
	var names []string
	for i, size := range []int{0, 1, 4096, fsbackend.CopyBuffer - 1, fsbackend.CopyBuffer, fsbackend.CopyBuffer + 1, 3 << 20} {
		for j, perm := range []fs.FileMode{0o644, 0o666, 0o600, 0o444, 0o750} {
			name := fmt.Sprintf("f %d<%d>\n", size, j)
			content := strings.Repeat(string(rune('a'+i)), size)
			p := filepath.Join(root, "src", name)
			write(t, p, content)
			must(t, os.Chmod(p, perm))
			names, want[name] = append(names, name), content
		}
	}
	if got := copyMembers(ctx, d, "/src", "/dst", names...); !slices.Equal(got, names) {
		t.Fatalf("copied %d of %d", len(got), len(names))
	}
	times := map[time.Time]string{}
	for _, name := range names {
		if got := read(t, filepath.Join(root, "dst", name)); got != want[name] {
			t.Errorf("%q holds %d bytes, want %d", name, len(got), len(want[name]))
		}
		from, err := os.Stat(filepath.Join(root, "src", name))
		must(t, err)
		to, err := os.Stat(filepath.Join(root, "dst", name))
		must(t, err)
		if from.Mode() != to.Mode() {
			t.Errorf("%q has %v, want %v", name, to.Mode(), from.Mode())
		}
		if other, taken := times[to.ModTime()]; taken {
			t.Errorf("%q and %q have one time", name, other)
		}
		times[to.ModTime()] = name
	}
	noneAside(t, filepath.Join(root, "dst"))
}

// What is not a file of the collection, or has no room under its name, is left for who copies one by one, and nothing of it is
// seen.
func TestCopyMembersLeaves(t *testing.T) {
	d, root, outside := served(t)
	for _, dir := range []string{"src", "dst", "src/dir"} {
		must(t, os.Mkdir(filepath.Join(root, dir), 0o777))
	}
	for _, name := range []string{"a", "taken", "takenlink", "z"} {
		write(t, filepath.Join(root, "src", name), "new "+name)
	}
	write(t, filepath.Join(root, "src", "dir", "inner"), "inner")
	write(t, filepath.Join(root, "dst", "taken"), "old")
	symlink(t, "../elsewhere", filepath.Join(root, "dst", "takenlink"))
	symlink(t, "a", filepath.Join(root, "src", "link"))
	must(t, syscall.Mkfifo(filepath.Join(root, "src", "fifo"), 0o666))
	got := copyMembers(ctx, d, "/src", "/dst", "a", "taken", "takenlink", "link", "fifo", "dir", "none", "dir/inner", "../dst/taken", "..", ".", "", "z")
	if want := []string{"a", "z"}; !slices.Equal(got, want) {
		t.Errorf("copied %q, want %q", got, want)
	}
	if got, want := names(t, filepath.Join(root, "dst")), []string{"a", "taken", "takenlink", "z"}; !slices.Equal(got, want) {
		t.Errorf("there is %q, want %q", got, want)
	}
	if got := read(t, filepath.Join(root, "dst", "taken")); got != "old" {
		t.Errorf("what was there holds %q", got)
	}
	symlink(t, outside, filepath.Join(root, "out"))
	for _, dir := range []string{"/none", "/src/a", "/out", "/nul\x00"} {
		if got := copyMembers(ctx, d, "/src", dir, "z"); len(got) > 0 {
			t.Errorf("copied to %q: %q", dir, got)
		}
		if got := copyMembers(ctx, d, dir, "/dst", "secret"); len(got) > 0 {
			t.Errorf("copied from %q: %q", dir, got)
		}
	}
	if got, want := names(t, outside), []string{"secret"}; !slices.Equal(got, want) {
		t.Errorf("outside is %q, want %q", got, want)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	must(t, os.Mkdir(filepath.Join(root, "late"), 0o777))
	if got := copyMembers(over, d, "/src", "/late", "a", "z"); len(got) > 0 {
		t.Errorf("copied when nobody wanted it any more: %q", got)
	}
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Where the system does not give a name to a file that is known by its handle, its number in /proc does.
func TestLinkByNumber(t *testing.T) {
	dir := t.TempDir()
	at, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(at)
	f, err := unix.Openat(at, ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o666)
	if err != nil {
		t.Skip("no files without a name here:", err)
	}
	defer unix.Close(f)
	unix.Write(f, []byte("whole"))
	must(t, fsbackend.LinkByNumber(f, at, "name"))
	if got := read(t, filepath.Join(dir, "name")); got != "whole" {
		t.Errorf("it holds %q", got)
	}
	if err := fsbackend.LinkByNumber(f, at, "name"); err != unix.EEXIST {
		t.Errorf("over something: %v, want %v", err, unix.EEXIST)
	}
}
