package fsbackend_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/fsbackend"
)

var ctx = context.Background()

// served makes a directory with "outside" and "root" in it, and serves the latter. Both are returned as host paths.
func served(t *testing.T) (d *fsbackend.Disk, root, outside string) {
	t.Helper()
	base := t.TempDir()
	root, outside = filepath.Join(base, "root"), filepath.Join(base, "outside")
	for _, dir := range []string{root, outside} {
		must(t, os.Mkdir(dir, 0o777))
	}
	write(t, filepath.Join(outside, "secret"), "secret")
	d, err := fsbackend.Root(root)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d, root, outside
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o666))
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func symlink(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Skip("no symbolic links here:", err)
	}
}

// stage writes content through the disk.
func stage(d *fsbackend.Disk, name, content string) error {
	w, commit, err := d.Stage(ctx, name)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.WriteString(w, content); err != nil {
		return err
	}
	return commit()
}

func readAll(d *fsbackend.Disk, name string) (string, error) {
	f, err := d.OpenFile(ctx, name, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}

func create(d *fsbackend.Disk, name string) error {
	f, err := d.OpenFile(ctx, name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	return f.Close()
}

// nothing is left aside in any of the directories.
func noneAside(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		left, err := filepath.Glob(filepath.Join(dir, ".dav207-*"))
		must(t, err)
		if len(left) > 0 {
			t.Errorf("left aside: %q", left)
		}
	}
}

// The server tells the log what failed; nobody is told where on the host.
func TestErrorsHideTheHost(t *testing.T) {
	d, root, _ := served(t)
	must(t, os.Mkdir(filepath.Join(root, "d"), 0o777))
	write(t, filepath.Join(root, "d", "f"), "x")
	symlink(t, "../outside/secret", filepath.Join(root, "out"))
	dir, err := d.OpenFile(ctx, "/d", os.O_RDONLY, 0)
	must(t, err)
	lister := dir.(interface {
		Readdirnames(int) ([]string, error)
		Lstat(string) (fs.FileInfo, error)
	})
	_, lstatErr := lister.Lstat("none")
	_, readErr := dir.Read(nil)
	must(t, dir.Close())
	_, namesErr := lister.Readdirnames(1)
	_, closedErr := lister.Lstat("f")
	_, statErr := d.Stat(ctx, "/none")
	_, openErr := d.OpenFile(ctx, "/none", os.O_RDONLY, 0)
	for what, err := range map[string]error{
		"Stat": statErr, "open": openErr, "Lstat of a member": lstatErr, "Read of a directory": readErr,
		"Readdirnames after Close": namesErr, "Lstat after Close": closedErr,
		"Mkdir": d.Mkdir(ctx, "/none/x", 0o777), "create": create(d, "/none/x"), "create out": create(d, "/out"),
		"Stage": stage(d, "/d", ""), "Stage out": stage(d, "/out", ""), "Remove": d.Remove(ctx, "/d"),
		"Rename": d.Rename(ctx, "/none", "/x"), "Rename into nothing": d.Rename(ctx, "/d", "/none/x"),
		"Chtimes": d.Chtimes(ctx, "/none", time.Now()), "CopyFile": d.CopyFile(ctx, "/none", "/x"),
		"CopyFile onto a directory": d.CopyFile(ctx, "/d/f", "/d"),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		} else if strings.Contains(err.Error(), filepath.Dir(root)) || strings.Contains(err.Error(), "dav207-") {
			t.Errorf("%s: %q tells a path of the host", what, err)
		}
		var pathErr *fs.PathError
		var linkErr *os.LinkError
		if !errors.As(err, &pathErr) && !errors.As(err, &linkErr) {
			t.Errorf("%s: %T, want *fs.PathError", what, err)
		}
	}
}

func TestOpenedFileIsTheSystems(t *testing.T) {
	d, root, _ := served(t)
	write(t, filepath.Join(root, "f"), "file")
	f, err := d.OpenFile(ctx, "/f", os.O_RDONLY, 0)
	must(t, err)
	defer f.Close()
	if _, ok := f.(syscall.Conn); !ok {
		t.Errorf("opened %T: sendfile wants a syscall.Conn", f)
	}
	raw := must2(os.Stat(filepath.Join(root, "f")))
	fi, err := d.Stat(ctx, "/f")
	must(t, err)
	want, ok := fsbackend.ETag(fi)
	if !ok {
		t.Fatal("no ETag")
	}
	if got, ok := fsbackend.ETag(raw); got != want || !ok {
		t.Errorf("ETag from package os = %s, %v, want %s", got, ok, want)
	}
	opened := must2(f.Stat())
	if got, ok := fsbackend.ETag(opened); got != want || !ok || opened.Name() != "f" {
		t.Errorf("ETag of %s by the handle = %s, %v, want %s", opened.Name(), got, ok, want)
	}
	same := fi.(interface{ SameFile(fs.FileInfo) bool })
	if !same.SameFile(raw) {
		t.Error("SameFile does not know the info of package os")
	}
	if other, _ := d.Stat(ctx, "/"); same.SameFile(other) {
		t.Error("SameFile takes the root for the file")
	}
	if runtime.GOOS != "windows" {
		must(t, os.Chmod(filepath.Join(root, "f"), 0o600))
		must(t, os.Rename(filepath.Join(root, "f"), filepath.Join(root, "g")))
		fi, err := d.Stat(ctx, "/g")
		must(t, err)
		if got, _ := fsbackend.ETag(fi); got != want {
			t.Errorf("ETag after chmod and rename = %s, want %s", got, want)
		}
	}
	if _, ok := fsbackend.ETag(must2(d.Stat(ctx, "/"))); ok {
		t.Error("a directory has an ETag")
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestSweep(t *testing.T) {
	d, root, outside := served(t)
	old := time.Now().Add(-24 * time.Hour)
	const left, moved, fresh, foreign = ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY2", ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY3",
		".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY4", ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY5"
	const killed = ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY7" // holds what a killed process was about to replace
	for _, dir := range []string{"d/e", ".dav207", ".dav207-notes", left + "/sub", left + "/other", "collection/x", killed + "/replaced/x"} {
		must(t, os.MkdirAll(filepath.Join(root, dir), 0o777))
	}
	for _, f := range []string{
		"f", ".dav207/state", "d/" + left, "d/e/" + left, left + "/sub/f", foreign,
		// Names that only look alike are somebody's own.
		".dav207-notes/thesis", ".dav207-left", ".DAV207-ABCDEFGHIJKLMNOPQRSTUVWXY2", "dav207-x", "d/.dav207",
	} {
		write(t, filepath.Join(root, f), f)
	}
	write(t, filepath.Join(outside, left), "x")
	symlink(t, "../outside", filepath.Join(root, "out"))
	symlink(t, "f", filepath.Join(root, ".dav207-ABCDEFGHIJKLMNOPQRSTUVWXY6"))
	must(t, filepath.WalkDir(filepath.Dir(root), func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Type() != fs.ModeSymlink {
			err = os.Chtimes(p, old, old)
		}
		return err
	}))
	// What somebody is at work on must stay: an upload, a collection that was moved aside with its old times, a new
	// file, and the upload of another process, however long it pauses.
	w, commit, err := d.Stage(ctx, "/upload")
	must(t, err)
	must(t, d.Rename(ctx, "/collection", "/"+moved))
	write(t, filepath.Join(root, fresh), "another process just made it")
	other, err := os.Open(filepath.Join(root, foreign))
	must(t, err)
	defer other.Close()
	if !fsbackend.Flock(other) {
		t.Fatal("cannot lock")
	}

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := d.Sweep(cancelled, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Sweep = %v, want %v", err, context.Canceled)
	}
	defer fsbackend.SetSettled(0)()
	var heard []string
	must(t, d.Sweep(ctx, func(name string) { heard = append(heard, name) }))
	slices.Sort(heard)
	if got, want := strings.Join(heard, " "), "/"+left+" /"+killed+" /d/"+left+" /d/e/"+left; got != want {
		t.Errorf("told of %s, want %s", got, want)
	}
	must(t, commit())
	must(t, w.Close())
	var stays []string
	must(t, filepath.WalkDir(filepath.Dir(root), func(p string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(filepath.Dir(root), p)
		stays = append(stays, filepath.ToSlash(rel))
		return err
	}))
	want := ". outside outside/" + left + " outside/secret root root/.DAV207-ABCDEFGHIJKLMNOPQRSTUVWXY2 root/.dav207 root/.dav207/state " +
		"root/" + moved + " root/" + moved + "/x root/" + fresh + " root/" + foreign + " root/.dav207-ABCDEFGHIJKLMNOPQRSTUVWXY6 " +
		"root/.dav207-left root/.dav207-notes root/.dav207-notes/thesis root/d root/d/.dav207 root/d/e root/dav207-x root/f root/out root/replaced root/replaced/x root/upload"
	if got := strings.Join(stays, " "); got != want {
		t.Errorf("left: %s\nwant: %s", got, want)
	}
}

func TestDeepTree(t *testing.T) {
	d, _, _ := served(t)
	name := ""
	for range 30 { // beyond PATH_MAX, where a path is given to the system in one piece
		name += "/" + strings.Repeat("n", 200)
		must(t, d.Mkdir(ctx, name, 0o777))
	}
	must(t, stage(d, name+"/f", "deep"))
	if got, err := readAll(d, name+"/f"); got != "deep" || err != nil {
		t.Errorf("content = %q, %v", got, err)
	}
	must(t, d.Sweep(ctx, nil))
	must(t, d.RemoveAll(ctx, "/"+strings.Repeat("n", 200)))
}

func BenchmarkListing(b *testing.B) {
	dir := b.TempDir()
	for i := range 10_000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o666); err != nil {
			b.Fatal(err)
		}
	}
	d, err := fsbackend.Root(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	b.ReportAllocs()
	for b.Loop() {
		f, err := d.OpenFile(ctx, "/", os.O_RDONLY, 0)
		if err != nil {
			b.Fatal(err)
		}
		infos, err := f.Readdir(-1)
		if err != nil || len(infos) != 10_000 {
			b.Fatal(len(infos), err)
		}
		f.Close()
	}
}
