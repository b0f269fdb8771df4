package tree_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"dav207/fsbackend"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// large is a number of members for which a listing reads ahead.
const large = 1000

func fillLarge(t *testing.T, files fsbackend.Backend) (want []string) {
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

// A large collection is listed like a small one: every member once, in order. The caller may stop
// at any member.
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

// A back end that panics while a listing reads ahead fails the request: the panic reaches the
// caller, which can recover.
func TestPrefetchPanics(t *testing.T) {
	files := openDisk(t)
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
	t.Error("the walk ended without a panic")
}

type panicky struct{ fsbackend.Backend }

func (p *panicky) OpenDir(ctx context.Context, at davpath.Path) (fsbackend.Dir, error) {
	d, err := p.Backend.OpenDir(ctx, at)
	return &panickyDir{d}, err
}

type panickyDir struct{ fsbackend.Dir }

func (d *panickyDir) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	if slices.Contains(names, "m600") {
		panic("a bug")
	}
	d.Dir.Lstat(names, infos, errs)
}
