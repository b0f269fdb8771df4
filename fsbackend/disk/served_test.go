package disk

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

var ctx = context.Background()

// served makes a directory with "outside" and "served" in it, and serves the latter. Both are
// returned as paths of the host.
func served(t *testing.T) (b *backend, root, outside string) {
	t.Helper()
	base := t.TempDir()
	root, outside = filepath.Join(base, "served"), filepath.Join(base, "outside")
	for _, dir := range []string{root, outside} {
		must(t, os.Mkdir(dir, 0o777))
	}
	write(t, filepath.Join(outside, "secret"), "secret")
	return open(t, root, nil).b, root, outside
}

// open serves a directory until the test ends.
func open(t *testing.T, dir string, o *Options) *Fs {
	t.Helper()
	f, err := Open(dir, o)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// inBothModes runs a test with what the kernel does directly, and with os.Root doing everything.
func inBothModes(t *testing.T, test func(t *testing.T, noKernel bool)) {
	t.Run("kernel", func(t *testing.T) { test(t, false) })
	t.Run("os.Root", func(t *testing.T) { test(t, true) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
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

// namesIn lists a directory of the host.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// allBelow lists what is below a directory of the host, in the order of a walk; nothing where
// that is gone.
func allBelow(t *testing.T, dir string) (found []string) {
	t.Helper()
	filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || p == dir {
			return nil
		}
		rel, err := filepath.Rel(dir, p)
		must(t, err)
		if e.IsDir() {
			rel += "/"
		}
		found = append(found, rel)
		return nil
	})
	return found
}

// put uploads a file with one Write.
func put(b fsbackend.Backend, name, content string) error {
	u, err := b.Create(ctx, davpath.Must(name))
	if err != nil {
		return err
	}
	defer u.Close()
	if _, err := io.WriteString(u, content); err != nil {
		return err
	}
	_, err = u.Commit(ctx)
	return err
}

// get reads a file.
func get(b fsbackend.Backend, name string) (string, error) {
	f, err := b.Open(ctx, davpath.Must(name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	return string(content), err
}

// list lists a collection with an info of each member.
func list(b fsbackend.Backend, name string) ([]fsbackend.Info, error) {
	d, err := b.OpenDir(ctx, davpath.Must(name))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Names()
	if err != nil {
		return nil, err
	}
	infos, errs := make([]fsbackend.Info, len(names)), make([]error, len(names))
	d.Lstat(names, infos, errs)
	for _, err := range errs {
		if err != nil {
			return infos, err
		}
	}
	return infos, nil
}

// noTemps checks that no temp files are left in any of the directories.
func noTemps(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		left, err := filepath.Glob(filepath.Join(dir, davpath.TempPrefix+"*"))
		must(t, err)
		if len(left) > 0 {
			t.Errorf("temp files are left: %q", left)
		}
	}
}

func tag(t *testing.T, info *fsbackend.Info) string {
	t.Helper()
	etag, err := info.ETag(ctx)
	must(t, err)
	return etag
}
