package tree_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/server/davpath"
	"dav207/server/tree"
)

// large is a collection of so many members that they are looked at ahead of their use.
const large = 1000

func fillLarge(t *testing.T, files webdav.FileSystem) (want []string) {
	t.Helper()
	want = []string{"/c"}
	fill(t, files, "/c/")
	for i := range large {
		name := fmt.Sprintf("/c/m%03d", i)
		fill(t, files, name+"=x")
		want = append(want, name)
	}
	return want
}

// A large collection is listed like a small one: everything once, in order; and whoever stops may stop anywhere.
func TestLargeCollection(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			files := b.open(t)
			want := fillLarge(t, files)
			e := &tree.Tree{FS: files}
			for _, n := range []int{1, 2, 256, 257, 258, 600, large, large + 1} {
				r, err := e.Stat(t.Context(), davpath.Must("/c"))
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for m, err := range e.Walk(t.Context(), r, tree.Infinity) {
					if err != nil {
						t.Fatal(m.Path, err)
					}
					if m.Info.Name() != m.Path.Name() {
						t.Fatalf("%s has the info of %s", m.Path, m.Info.Name())
					}
					if got = append(got, m.Path.String()); len(got) == n {
						break
					}
				}
				if !slices.Equal(got, want[:n]) {
					t.Errorf("the first %d: got %d, from %s to %s", n, len(got), got[0], got[len(got)-1])
				}
			}
		})
	}
}

// A file system that panics fails who asked, wherever it is looked at from: there is one who recovers.
func TestLookAheadPanics(t *testing.T) {
	files := disk(t)
	fillLarge(t, files)
	e := &tree.Tree{FS: &panicky{files}}
	defer func() {
		if got := recover(); got != "a bug" {
			t.Errorf("recovered %v, want the panic of the file system", got)
		}
	}()
	r, err := e.Stat(t.Context(), davpath.Must("/c"))
	if err != nil {
		t.Fatal(err)
	}
	for range e.Walk(t.Context(), r, tree.One) {
	}
	t.Error("the walk ended well")
}

type panicky struct{ webdav.FileSystem }

func (p *panicky) OpenFile(ctx context.Context, name string, flag int, perm os.FileMode) (webdav.File, error) {
	f, err := p.FileSystem.OpenFile(ctx, name, flag, perm)
	return &panickyDir{f}, err
}

type panickyDir struct{ webdav.File }

func (d *panickyDir) Readdirnames(n int) ([]string, error) {
	return d.File.(tree.NameLister).Readdirnames(n)
}

func (d *panickyDir) Lstat(name string) (fs.FileInfo, error) {
	if name == "m600" {
		panic("a bug")
	}
	return d.File.(tree.NameLister).Lstat(name)
}
