//go:build unix && !solaris && !aix

package fsbackend_test

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

const atWork = "DAV207_TEST_AT_WORK" // the directory that TestOtherProcess works on

// TestOtherProcess is the other process of TestSweepBesideAnotherProcess.
func TestOtherProcess(t *testing.T) {
	dir := os.Getenv(atWork)
	if dir == "" {
		t.Skip("only for TestSweepBesideAnotherProcess")
	}
	d, err := fsbackend.Root(dir)
	must(t, err)
	w, _, err := d.Stage(ctx, "/upload")
	must(t, err)
	must2(io.WriteString(w, "half of it"))
	holder := "/" + davpath.TempName()
	must(t, d.Mkdir(ctx, holder, 0o777))
	must(t, d.Rename(ctx, "/replaced", holder+"/replaced"))
	fmt.Println("at work")
	io.Copy(io.Discard, os.Stdin) // until it is killed
}

// Two servers may serve one directory, one of which starts while the other is at work: what that has aside, however old, is not
// left over until it is dead.
func TestSweepBesideAnotherProcess(t *testing.T) {
	d, root, _ := served(t)
	write(t, filepath.Join(root, "replaced"), "content")
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOtherProcess$", "-test.v")
	other.Env = append(os.Environ(), atWork+"="+root)
	in, err := other.StdinPipe()
	must(t, err)
	defer in.Close()
	out, err := other.StdoutPipe()
	must(t, err)
	must(t, other.Start())
	defer other.Process.Kill()
	for lines := bufio.NewScanner(out); ; {
		if !lines.Scan() {
			t.Fatal("the other process did not begin: ", other.Wait())
		}
		if lines.Text() == "at work" {
			break
		}
	}
	old := time.Now().Add(-24 * time.Hour)
	must(t, filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Chtimes(p, old, old)
		}
		return err
	}))
	asides := func() (n int) {
		entries, err := os.ReadDir(root)
		must(t, err)
		for _, e := range entries {
			if davpath.IsTemp(e.Name()) {
				n++
			}
		}
		return n
	}
	before := asides()
	must(t, d.Sweep(ctx, func(name string) { t.Errorf("swept %s, at which another process is at work", name) }))
	if got := asides(); got != before || before != 2 {
		t.Errorf("%d are aside, before it were %d, want 2", got, before)
	}
	must(t, other.Process.Kill())
	other.Wait()
	n := 0
	must(t, d.Sweep(ctx, func(string) { n++ }))
	if got := asides(); got != 0 || n != 2 {
		t.Errorf("%d are aside after the other process died, %d were dealt with", got, n)
	}
	if got := read(t, filepath.Join(root, "replaced")); got != "content" {
		t.Errorf("what was to be replaced holds %q", got)
	}
}

// What was moved aside gets its name again only where nothing has that name, and where it is clear what it was.
func TestSweepRestores(t *testing.T) {
	const aside = ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY2"
	for _, tt := range []struct {
		rule   string
		before []string // directories end in a slash
		want   string
		now    bool // all of it happened since this process started
	}{
		{"a collection", []string{aside + "/c/f"}, "c c/f", false},
		{"a file", []string{aside + "/f"}, "f", false},
		{"deeper", []string{"d/" + aside + "/c/f"}, "d d/c d/c/f", false},
		{"what replaced it has come", []string{aside + "/c/f", "c/new"}, "c c/new", false},
		{"something has come, maybe because it was not there", []string{aside + "/c/f", "c/new"}, "c c/new c.recovered c.recovered/f", true},
		{"again", []string{aside + "/f", "f", "f.recovered"}, "f f.recovered f.recovered-2", true},
		{"just now", []string{aside + "/c/f"}, "c c/f", true},
		{"nothing was moved yet", []string{aside + "/"}, "", false},
		{"nothing was moved yet, just now", []string{aside + "/"}, aside, true},
		{"more than one: not one that was moved", []string{aside + "/c/f", aside + "/d"}, "", false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			d, root, _ := served(t)
			for _, name := range tt.before {
				p := filepath.Join(root, name)
				if strings.HasSuffix(name, "/") {
					must(t, os.MkdirAll(p, 0o777))
					continue
				}
				must(t, os.MkdirAll(filepath.Dir(p), 0o777))
				write(t, p, name)
			}
			if !tt.now {
				defer fsbackend.StartLater()()
				old := time.Now().Add(-24 * time.Hour)
				must(t, filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
					if err == nil {
						err = os.Chtimes(p, old, old)
					}
					return err
				}))
			}
			must(t, d.Sweep(ctx, nil))
			var left []string
			must(t, filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
				if rel, _ := filepath.Rel(root, p); rel != "." {
					left = append(left, filepath.ToSlash(rel))
				}
				return err
			}))
			if got := strings.Join(left, " "); got != tt.want {
				t.Errorf("left: %s\nwant: %s", got, tt.want)
			}
		})
	}
}

// What is abandoned is not kept open until the process ends: who sweeps next finds it, and gives it its name again.
func TestAbandon(t *testing.T) {
	d, root, _ := served(t)
	write(t, filepath.Join(root, "f"), "content")
	holder := "/" + davpath.TempName()
	must(t, d.Mkdir(ctx, holder, 0o777))
	must(t, d.Rename(ctx, "/f", holder+"/f"))
	locked := func() bool {
		f, err := os.Open(filepath.Join(root, holder))
		must(t, err)
		defer f.Close()
		return !fsbackend.Flock(f)
	}
	if !locked() {
		t.Error("what somebody is at work on is not locked")
	}
	d.Abandon(ctx, holder)
	if locked() {
		t.Error("what was abandoned is still locked")
	}
}

// Who serves a tree alone need not wait until what a killed process left is old; what this process is at work on, and what
// another one holds all the same, stays.
func TestSweepAlone(t *testing.T) {
	d, root, _ := served(t)
	const left, moved, held = ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY2", ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY3", ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY4"
	must(t, os.MkdirAll(filepath.Join(root, "d", moved, "c"), 0o777))
	for _, f := range []string{left, "d/" + left, "d/" + moved + "/c/f", held, ".dav207-mine"} {
		write(t, filepath.Join(root, f), f)
	}
	other, err := os.Open(filepath.Join(root, held))
	must(t, err)
	defer other.Close()
	if !fsbackend.Flock(other) {
		t.Fatal("cannot lock")
	}
	w, commit, err := d.Stage(ctx, "/upload")
	must(t, err)
	defer w.Close()
	holder := "/" + davpath.TempName()
	must(t, d.Mkdir(ctx, holder, 0o777))
	must(t, d.Sweep(ctx, func(name string) {
		if name != "/d/"+moved { // which nobody is at work on any more
			t.Errorf("Sweep took %s, which is young", name)
		}
	}))
	var heard []string
	must(t, d.SweepAlone(ctx, func(name string) { heard = append(heard, name) }))
	slices.Sort(heard)
	if got, want := strings.Join(heard, " "), "/"+left+" /d/"+left; got != want {
		t.Errorf("told of %s, want %s", got, want)
	}
	must(t, commit())
	must(t, d.Remove(ctx, holder))
	if got := read(t, filepath.Join(root, "d", "c", "f")); got != "d/"+moved+"/c/f" {
		t.Errorf("what was moved aside holds %q", got)
	}
	for _, name := range []string{held, ".dav207-mine", "upload"} {
		if _, err := os.Lstat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
}
