package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dav207/server/davpath"
)

// Of the directories above a file only the permission to search is needed, to change it as to read
// it, whether the change waits for the disk or not. So the system finds it with one call, and
// os.Root does not open each of them.
func TestBelowWhatCannotBeListed(t *testing.T) {
	for _, sync := range []bool{false, true} {
		b, root, _ := served(t)
		b.sync = sync
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
			{"copy", func() error { return b.CopyFile(ctx, davpath.Must("/blind/d/f"), davpath.Must("/blind/d/new")) }},
			{"copy over a file", func() error { return b.CopyFile(ctx, davpath.Must("/blind/d/f"), davpath.Must("/blind/d/there")) }},
			{"mkdir", func() error { return b.Mkdir(ctx, davpath.Must("/blind/d/made")) }},
			{"move", func() error { return b.Rename(ctx, davpath.Must("/blind/d/old"), davpath.Must("/blind/d/made/moved")) }},
			{"chtimes", func() error { return b.SetModTime(ctx, davpath.Must("/blind/d/made/moved"), when) }},
			{"upload", func() error { return put(b, "/blind/d/written", "") }},
			{"remove", func() error { return b.Remove(ctx, davpath.Must("/blind/d/written")) }},
			{"mkdir again", func() error { return b.Mkdir(ctx, davpath.Must("/blind/d/empty")) }},
			{"remove a directory", func() error { return b.Remove(ctx, davpath.Must("/blind/d/empty")) }},
		} {
			asNobody(t, func() {
				if err := op.do(); err != nil {
					t.Errorf("%s with Sync %v: %v", op.name, sync, err)
				}
			})
		}
		asNobody(t, func() {
			if err := b.CopyFile(ctx, davpath.Must("/blind/d/f"), davpath.Must("/blind/d/f")); !errors.Is(err, fs.ErrInvalid) {
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
		if got := namesIn(t, at("blind/d")); !slices.Equal(got, []string{"f", "made", "new", "there"}) {
			t.Errorf("there is %q", got)
		}
	}
}

// Many files are copied at once, each whole, with its permissions and with a time that no other one
// has.
func TestCopyFiles(t *testing.T) {
	b, root, _ := served(t)
	must(t, os.Mkdir(filepath.Join(root, "src"), 0o777))
	must(t, os.Mkdir(filepath.Join(root, "dst"), 0o777))
	want := map[string]string{}
	var names []string
	for i, size := range []int{0, 1, 4096, copyBuffer - 1, copyBuffer, copyBuffer + 1, 3 << 20} {
		for j, perm := range []fs.FileMode{0o644, 0o666, 0o600, 0o444, 0o750} {
			name := fmt.Sprintf("f %d<%d>\n", size, j)
			content := strings.Repeat(string(rune('a'+i)), size)
			p := filepath.Join(root, "src", name)
			write(t, p, content)
			must(t, os.Chmod(p, perm))
			names, want[name] = append(names, name), content
		}
	}
	if !b.CopyTree(ctx, davpath.Must("/src"), davpath.Must("/dst"), func(p davpath.Path) { t.Errorf("%s was left", p) }) {
		t.Fatal("CopyTree did not begin")
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
	noTemps(t, filepath.Join(root, "dst"))
}

// Where the system does not give a name to a file that is known by its handle, its number in
// /proc does.
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
	must(t, linkByNumber(f, at, "name"))
	if got := read(t, filepath.Join(dir, "name")); got != "whole" {
		t.Errorf("it holds %q", got)
	}
	if err := linkByNumber(f, at, "name"); err != unix.EEXIST {
		t.Errorf("over something: %v, want %v", err, unix.EEXIST)
	}
}
