package faultfs_test

import (
	"context"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend/faultfs"
)

// together is a file system that does many things at once.
type together struct {
	webdav.FileSystem
	copied, trees, removed int
}

func (f *together) CopyMembers(_ context.Context, src, dst string, names []string, copied []bool) {
	f.copied++
	for i := range copied {
		copied[i] = true
	}
}

func (f *together) CopyTree(context.Context, string, string, func(string)) bool {
	f.trees++
	return true
}

func (f *together) RemoveTree(context.Context, string, func(string)) bool {
	f.removed++
	return true
}

// What is done at once passes every rule by, so it is done only where there is none for any of it.
func TestTogether(t *testing.T) {
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
		inner := &together{FileSystem: webdav.NewMemFS()}
		f := faultfs.New(inner)
		if tt.rule != "" {
			f.Fail(faultfs.Commit, tt.rule, errFault)
		}
		copied := make([]bool, 2)
		f.CopyMembers(ctx, "/c", "/x", []string{"1", "2"}, copied)
		if got := inner.copied == 1 && copied[0] && copied[1]; got != tt.copy || inner.copied > 0 != tt.copy {
			t.Errorf("rule for %q: copied at once: %v, want %v", tt.rule, got, tt.copy)
		}
		if got := f.CopyTree(ctx, "/c", "/x", nil); got != tt.copy || inner.trees > 0 != tt.copy {
			t.Errorf("rule for %q: copied as a tree: %v, want %v", tt.rule, got, tt.copy)
		}
		if got := f.RemoveTree(ctx, "/c", nil); got != tt.remove || inner.removed > 0 != tt.remove {
			t.Errorf("rule for %q: removed at once: %v, want %v", tt.rule, got, tt.remove)
		}
	}
	f := faultfs.New(webdav.NewMemFS())
	copied := make([]bool, 1)
	if f.CopyMembers(ctx, "/c", "/x", []string{"1"}, copied); copied[0] || f.CopyTree(ctx, "/c", "/x", nil) || f.RemoveTree(ctx, "/c", nil) {
		t.Error("something was done that the inner file system cannot do")
	}
}
