package faultfs_test

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"testing"

	"github.com/spf13/afero"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/server/davpath"
)

// bulk counts the calls of Bulk.
type bulk struct {
	fsbackend.Backend
	copied, removed, searched int
}

func (b *bulk) CopyTree(context.Context, davpath.Path, davpath.Path, func(davpath.Path)) bool {
	b.copied++
	return true
}

func (b *bulk) RemoveTree(context.Context, davpath.Path, func(davpath.Path)) bool {
	b.removed++
	return true
}

func (b *bulk) Exceeding(_ context.Context, p davpath.Path, _, _ int) (davpath.Path, bool, error) {
	b.searched++
	return p, true, nil
}

func (b *bulk) Undeletable(context.Context, davpath.Path) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("inner", fs.ErrPermission) }
}

// An operation in bulk would ignore rules, so it is refused if there is one for a part of the tree.
func TestBulk(t *testing.T) {
	for _, tt := range []struct {
		rule         string
		copy, remove bool // of /c to /x, of /c
	}{
		{"", true, true},
		{"/other/f", true, true},
		{"/cc", true, true},
		{"/", true, true},
		{"/c", false, false},
		{"/c/d/f", false, false},
		{"/c/*", false, false},
		{"/**", false, false},
		{"/x/f", false, true},
	} {
		inner := &bulk{Backend: memory.New(nil).Backend()}
		f := faultfs.New(inner)
		if tt.rule != "" {
			f.Fail(faultfs.Commit, tt.rule, errFault)
		}
		if got := f.CopyTree(ctx, at("/c"), at("/x"), nil); got != tt.copy || inner.copied > 0 != tt.copy {
			t.Errorf("rule for %q: CopyTree = %v, want %v", tt.rule, got, tt.copy)
		}
		if got := f.RemoveTree(ctx, at("/c"), nil); got != tt.remove || inner.removed > 0 != tt.remove {
			t.Errorf("rule for %q: RemoveTree = %v, want %v", tt.rule, got, tt.remove)
		}
		_, got, err := f.Exceeding(ctx, at("/c"), 0, 0)
		if got != tt.remove || inner.searched > 0 != tt.remove || errors.Is(err, errors.ErrUnsupported) == tt.remove {
			t.Errorf("rule for %q: Exceeding = %v, %v, want %v", tt.rule, got, err, tt.remove)
		}
	}
}

// Undeletable yields the members of the rules and those of the inner back end.
func TestUndeletable(t *testing.T) {
	f := faultfs.New(&bulk{Backend: memory.New(nil).Backend()})
	for _, name := range []string{"/c", "/c/d"} {
		if err := mkdir(f, name); err != nil {
			t.Fatal(err)
		}
	}
	f.Fail(faultfs.Undeletable, "/c/d", errFault)
	got := map[string]error{}
	for member, err := range f.Undeletable(ctx, at("/c")) {
		got[member] = err
	}
	if len(got) != 2 || got["inner"] != fs.ErrPermission || !errors.Is(got["d"], errFault) {
		t.Errorf("Undeletable yields %v", got)
	}
}

// Around a back end without Bulk the wrapper refuses work in bulk.
func TestWithoutBulk(t *testing.T) {
	f := faultfs.New(fsbackend.New(afero.NewMemMapFs()))
	if err := mkdir(f, "/c"); err != nil {
		t.Fatal(err)
	}
	if f.CopyTree(ctx, at("/"), at("/c"), nil) || f.RemoveTree(ctx, at("/c"), nil) || undeletable(f, "/") != nil {
		t.Error("something was done that the inner back end cannot do")
	}
	if _, ok, err := f.Exceeding(ctx, at("/"), 0, 0); ok || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Exceeding = %v, %v, want %v", ok, err, errors.ErrUnsupported)
	}
}
