package disk

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/server/davpath"
)

// Names that davpath.TempName could have made.
const (
	temp2 = ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY2"
	temp3 = ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY3"
	temp4 = ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY4"
	temp5 = ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY5"
	temp6 = ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY6"
	temp7 = ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY7"
)

// anyAge lets CleanTemp take what is young, until the test ends.
func anyAge(t *testing.T) {
	before := minTempAge
	minTempAge = 0
	t.Cleanup(func() { minTempAge = before })
}

// startLater makes everything that is there older than this process, until the test ends.
func startLater(t *testing.T) {
	before := liveTemps.started
	liveTemps.started = time.Now().Add(time.Hour)
	t.Cleanup(func() { liveTemps.started = before })
}

// countLive returns how many temp files this process works on.
func countLive() (n int) {
	liveTemps.live.Range(func(any, any) bool {
		n++
		return true
	})
	return n
}

// makeOld gives all that is in dir the times of yesterday.
func makeOld(t *testing.T, dir string) {
	t.Helper()
	old := time.Now().Add(-24 * time.Hour)
	must(t, filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Type() != fs.ModeSymlink {
			err = os.Chtimes(p, old, old)
		}
		return err
	}))
}

// makeTree makes files that hold their name, and directories, whose names end in a slash.
func makeTree(t *testing.T, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		p := filepath.Join(root, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(p, 0o777))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(p), 0o777))
		write(t, p, name)
	}
}

func TestCleanTemp(t *testing.T) {
	b, root, outside := served(t)
	f := &Fs{b}
	const left, moved, fresh, foreign = temp2, temp3, temp4, temp5
	const killed = temp7 // holds what a killed process was about to replace
	makeTree(t, root, "d/e/", left+"/sub/f", left+"/other/", "collection/x/", killed+"/replaced/x/",
		"f", ".dav207/state", "d/"+left, "d/e/"+left, foreign,
		// Names that only look alike are somebody's own.
		".dav207-notes/thesis", ".dav207-left", ".DAV207-ABCDEFGHIJKLMNOPQRSTUVWXY2", "dav207-x", "d/.dav207")
	write(t, filepath.Join(outside, left), "x")
	symlink(t, "../outside", filepath.Join(root, "out"))
	symlink(t, "f", filepath.Join(root, temp6))
	makeOld(t, filepath.Dir(root))
	// What somebody works on must stay: an upload, a collection that was moved to a temp name
	// with its old times, a new file, and the upload of another process, however long it pauses.
	u, err := b.Create(ctx, davpath.Must("/upload"))
	must(t, err)
	defer u.Close()
	must2(io.WriteString(u, "uploaded"))
	must(t, b.Rename(ctx, davpath.Must("/collection"), davpath.Must("/"+moved)))
	t.Cleanup(func() { liveTemps.remove(moved) }) // other tests have the same names
	write(t, filepath.Join(root, fresh), "another process just made it")
	other, err := os.Open(filepath.Join(root, foreign))
	must(t, err)
	defer other.Close()
	if !flock(other) {
		t.Fatal("cannot lock")
	}

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := f.CleanTemp(cancelled, false, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("CleanTemp = %v, want %v", err, context.Canceled)
	}
	anyAge(t)
	var dealt []string
	must(t, f.CleanTemp(ctx, false, func(name string) { dealt = append(dealt, name) }))
	slices.Sort(dealt)
	if got, want := strings.Join(dealt, " "), "/"+left+" /"+killed+" /d/"+left+" /d/e/"+left; got != want {
		t.Errorf("dealt with %s, want %s", got, want)
	}
	must2(u.Commit(ctx))
	if got := read(t, filepath.Join(root, "upload")); got != "uploaded" {
		t.Errorf("the upload holds %q", got)
	}
	want := []string{"outside/", "outside/" + left, "outside/secret", "served/", "served/.DAV207-ABCDEFGHIJKLMNOPQRSTUVWXY2", "served/.dav207/", "served/.dav207/state",
		"served/" + moved + "/", "served/" + moved + "/x/", "served/" + fresh, "served/" + foreign, "served/" + temp6,
		"served/.dav207-left", "served/.dav207-notes/", "served/.dav207-notes/thesis", "served/d/", "served/d/.dav207", "served/d/e/", "served/dav207-x", "served/f", "served/out",
		"served/replaced/", "served/replaced/x/", "served/upload"}
	if got := allBelow(t, filepath.Dir(root)); !slices.Equal(got, want) {
		t.Errorf("left: %s\nwant: %s", got, want)
	}
}

// What was moved to a temp name gets its name again only where nothing has that name, and where
// it is clear what it was.
func TestCleanTempRestores(t *testing.T) {
	if !locksFiles {
		t.Skip("nothing young is touched here")
	}
	for _, tt := range []struct {
		rule   string
		before []string // directories end in a slash
		want   string
		now    bool // all of it happened since this process started
	}{
		{"a collection", []string{temp2 + "/c/f"}, "c/ c/f", false},
		{"a file", []string{temp2 + "/f"}, "f", false},
		{"deeper", []string{"d/" + temp2 + "/c/f"}, "d/ d/c/ d/c/f", false},
		{"what replaced it has come", []string{temp2 + "/c/f", "c/new"}, "c/ c/new", false},
		{"something has come, maybe because it was not there", []string{temp2 + "/c/f", "c/new"}, "c/ c/new c.recovered/ c.recovered/f", true},
		{"again", []string{temp2 + "/f", "f", "f.recovered"}, "f f.recovered f.recovered-2", true},
		{"just now", []string{temp2 + "/c/f"}, "c/ c/f", true},
		{"nothing was moved yet", []string{temp2 + "/"}, "", false},
		{"nothing was moved yet, just now", []string{temp2 + "/"}, temp2 + "/", true},
		{"more than one: not one that was moved", []string{temp2 + "/c/f", temp2 + "/d"}, "", false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			b, root, _ := served(t)
			makeTree(t, root, tt.before...)
			if !tt.now {
				startLater(t)
				makeOld(t, root)
			}
			must(t, (&Fs{b}).CleanTemp(ctx, false, nil))
			if got := strings.Join(allBelow(t, root), " "); got != tt.want {
				t.Errorf("left: %s\nwant: %s", got, tt.want)
			}
		})
	}
}

// A process that serves a tree alone need not wait until what a killed process left is old; what
// this process works on, and what another one holds all the same, stays.
func TestCleanTempExclusive(t *testing.T) {
	if !locksFiles {
		t.Skip("nothing tells of other processes here")
	}
	b, root, _ := served(t)
	f := &Fs{b}
	const left, moved, held = temp2, temp3, temp4
	makeTree(t, root, left, "d/"+left, "d/"+moved+"/c/f", held, ".dav207-mine")
	other, err := os.Open(filepath.Join(root, held))
	must(t, err)
	defer other.Close()
	if !flock(other) {
		t.Fatal("cannot lock")
	}
	u, err := b.Create(ctx, davpath.Must("/upload"))
	must(t, err)
	defer u.Close()
	must2(io.WriteString(u, "x"))
	temp := davpath.Must("/" + davpath.TempName())
	must(t, b.Mkdir(ctx, temp))
	must(t, f.CleanTemp(ctx, false, func(name string) {
		if name != "/d/"+moved { // on which nobody works any more
			t.Errorf("CleanTemp took %s, which is young", name)
		}
	}))
	var dealt []string
	must(t, f.CleanTemp(ctx, true, func(name string) { dealt = append(dealt, name) }))
	slices.Sort(dealt)
	if got, want := strings.Join(dealt, " "), "/"+left+" /d/"+left; got != want {
		t.Errorf("dealt with %s, want %s", got, want)
	}
	must2(u.Commit(ctx))
	must(t, b.Remove(ctx, temp))
	if got := read(t, filepath.Join(root, "d", "c", "f")); got != "d/"+moved+"/c/f" {
		t.Errorf("what was moved to a temp name holds %q", got)
	}
	for _, name := range []string{held, ".dav207-mine", "upload"} {
		if _, err := os.Lstat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
}

// What this process has no name for any more is free for CleanTemp at once: an upload that was
// discarded or committed, a temp directory that was removed or has got another name.
func TestLiveTempsEnd(t *testing.T) {
	inBothModes(t, func(t *testing.T, noKernel bool) {
		b, root, _ := served(t)
		b.noKernel = noKernel
		at := davpath.Must
		before := countLive()
		for _, end := range []func(u interface{ Close() error }, commit func()){
			func(u interface{ Close() error }, _ func()) { u.Close() },
			func(_ interface{ Close() error }, commit func()) { commit() },
		} {
			u, err := b.Create(ctx, at("/f"))
			must(t, err)
			if got := allBelow(t, root); slices.ContainsFunc(got, davpath.IsTemp) {
				t.Errorf("before anything was written there is %q", got)
			}
			must2(io.WriteString(u, "x"))
			end(u, func() { must2(u.Commit(ctx)) })
			must(t, u.Close())
			noTemps(t, root)
		}
		temps := []davpath.Path{at("/" + davpath.TempName()), at("/" + davpath.TempName()), at("/" + davpath.TempName())}
		for _, temp := range temps {
			must(t, b.Mkdir(ctx, temp))
		}
		if err := b.Mkdir(ctx, temps[0].Child("none").Child(davpath.TempName())); err == nil {
			t.Error("Mkdir below nothing: no error")
		}
		if err := b.Rename(ctx, at("/none"), at("/"+davpath.TempName())); err == nil {
			t.Error("Rename of nothing: no error")
		}
		must(t, b.Rename(ctx, temps[0], at("/named")))
		must(t, b.Remove(ctx, temps[1]))
		b.RemoveTree(ctx, temps[2], func(davpath.Path) {})
		b.Remove(ctx, temps[2]) // where there is no RemoveTree
		if got := countLive(); got != before {
			t.Errorf("%d temp names are live, want %d as before", got, before)
		}
	})
}
