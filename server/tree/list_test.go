package tree_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"

	"golang.org/x/net/webdav"

	"dav207/server/davpath"
	"dav207/server/tree"
)

// aLook is a file system whose directories have their members looked at one by one, by look.
type aLook struct {
	webdav.FileSystem
	look func(webdav.File, string) (fs.FileInfo, error)
}

func (f *aLook) OpenFile(ctx context.Context, name string, flag int, perm os.FileMode) (webdav.File, error) {
	d, err := f.FileSystem.OpenFile(ctx, name, flag, perm)
	return &aLookDir{d, f}, err
}

type aLookDir struct {
	webdav.File
	fs *aLook
}

func (d *aLookDir) Readdirnames(n int) ([]string, error) {
	return d.File.(tree.NameLister).Readdirnames(n)
}

func (d *aLookDir) Lstat(name string) (fs.FileInfo, error) { return d.fs.look(d.File, name) }

// Where a look is slow what was seen is given out before a whole batch was looked at: a client waits half a minute, not longer.
func TestSlowLooks(t *testing.T) {
	files := disk(t)
	fill(t, files, "/c/")
	for i := range 100 {
		fill(t, files, fmt.Sprintf("/c/m%03d=x", i))
	}
	looks := 0
	e := &tree.Tree{FS: &aLook{files, func(d webdav.File, name string) (fs.FileInfo, error) {
		time.Sleep(40 * time.Millisecond)
		looks++
		return d.(tree.NameLister).Lstat(name)
	}}}
	r, err := e.Stat(t.Context(), davpath.Must("/c"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for m, err := range e.Walk(t.Context(), r, tree.One) {
		if err != nil {
			t.Fatal(m.Path, err)
		}
		if seen++; seen == 2 {
			break
		}
	}
	if looks > 10 {
		t.Errorf("the first member came after %d looks", looks)
	}
}

// A listing uses the memory of infos again, but only of those that were made for it: a file system may keep its own.
func TestInfosThatAreKept(t *testing.T) {
	files := disk(t)
	fillLarge(t, files)
	kept := make(map[string]fs.FileInfo)
	keeping := &tree.Tree{FS: &aLook{files, func(d webdav.File, name string) (fs.FileInfo, error) {
		info, err := d.(tree.NameLister).Lstat(name)
		kept[name] = info
		return info, err
	}}}
	for _, e := range []*tree.Tree{keeping, {FS: files}} {
		r, err := e.Stat(t.Context(), davpath.Must("/c"))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			for m, err := range e.Walk(t.Context(), r, tree.One) {
				if err != nil {
					t.Fatal(m.Path, err)
				}
			}
		}
	}
	for name, info := range kept {
		if info.Name() != name {
			t.Fatalf("the info of %s is that of %s", name, info.Name())
		}
	}
}

// failing is a disk on which nothing in /f can be looked at.
type failing struct{ webdav.FileSystem }

func (f failing) OpenFile(ctx context.Context, name string, flag int, perm os.FileMode) (webdav.File, error) {
	d, err := f.FileSystem.OpenFile(ctx, name, flag, perm)
	if name != "/f" {
		return d, err
	}
	return &failingDir{d}, err
}

type failingDir struct{ webdav.File }

func (d *failingDir) Readdirnames(n int) ([]string, error) {
	return d.File.(tree.NameLister).Readdirnames(n)
}

func (d *failingDir) Lstat(string) (fs.FileInfo, error) { return nil, fs.ErrPermission }

func (d *failingDir) LstatAll(_ []string, _ []fs.FileInfo, errs []error) {
	for i := range errs {
		errs[i] = fs.ErrPermission
	}
}

// A member that cannot be looked at has no info: not that of another one, which was looked at before in the same memory.
func TestNoInfoOfOthers(t *testing.T) {
	files := disk(t)
	fill(t, files, "/c/ /f/")
	for i := range 300 {
		fill(t, files, fmt.Sprintf("/c/d%d/ /f/f%d=x", i, i))
	}
	e := &tree.Tree{FS: failing{files}}
	for range 3 {
		for _, name := range []string{"/c", "/f"} {
			r, err := e.Stat(t.Context(), davpath.Must(name))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for m, err := range e.Walk(t.Context(), r, tree.One) {
				if n++; n > 1 && (err != nil) != (name == "/f") || err != nil && m.Info != nil {
					t.Fatalf("%s: info %v, error %v", m.Path, m.Info, err)
				}
			}
			if n != 301 {
				t.Fatalf("%s: %d resources, want 301", name, n)
			}
		}
	}
}
