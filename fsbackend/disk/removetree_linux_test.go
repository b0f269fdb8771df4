package disk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"dav207/server/davpath"
)

func TestRemoveTree(t *testing.T) {
	temp := davpath.TempName()
	for _, tt := range []struct {
		what string
		tree []string // "d/" a directory, "l -> x" a link
		left []string
		went []string // nil where all of it did
	}{
		{"everything", []string{"1", "a/2", "a/b/3", "a/empty/", "z"}, nil, nil},
		{"links are removed and not followed", []string{"file -> ../keep/f", "dir -> ../keep", "broken -> nowhere", "out -> /"}, nil, nil},
		{"a temp file stays with its collections, and the rest goes",
			[]string{"1", "a/" + temp, "a/2", "b/3", "c"}, []string{"a/", "a/" + temp}, []string{"/d/1", "/d/a/2", "/d/b", "/d/c"}},
		{"so does what is called alike", []string{"a/.dav207-notes/thesis", "a/.DAV207", "b"},
			[]string{"a/", "a/.DAV207", "a/.dav207-notes/", "a/.dav207-notes/thesis"}, []string{"/d/b"}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			b, root, _ := served(t)
			must(t, os.Mkdir(filepath.Join(root, "keep"), 0o777))
			write(t, filepath.Join(root, "keep", "f"), "kept")
			for _, name := range tt.tree {
				name, target, isLink := strings.Cut(name, " -> ")
				p := filepath.Join(root, "d", name)
				must(t, os.MkdirAll(filepath.Dir(p), 0o777))
				switch {
				case isLink:
					symlink(t, target, p)
				case strings.HasSuffix(name, "/"):
					must(t, os.Mkdir(p, 0o777))
				default:
					write(t, p, name)
				}
			}
			var went []string
			gone := b.RemoveTree(ctx, davpath.Must("/d"), func(p davpath.Path) { went = append(went, p.String()) })
			if want := tt.left == nil; gone != want || !slices.Equal(went, tt.went) {
				t.Errorf("RemoveTree = %v, went %q, want %v, %q", gone, went, want, tt.went)
			}
			if got := allBelow(t, filepath.Join(root, "d")); !slices.Equal(got, tt.left) {
				t.Errorf("left is %q, want %q", got, tt.left)
			}
			if got := read(t, filepath.Join(root, "keep", "f")); got != "kept" {
				t.Errorf("what a link leads to holds %q", got)
			}
		})
	}
}

// What is no tree, and what lies too deep, is left, and so is everything once the request is gone.
func TestRemoveTreeLeaves(t *testing.T) {
	b, root, outside := served(t)
	write(t, filepath.Join(root, "file"), "x")
	symlink(t, ".", filepath.Join(root, "link"))
	symlink(t, outside, filepath.Join(root, "out"))
	never := func(p davpath.Path) { t.Errorf("%s went", p) }
	for _, name := range []string{"/file", "/link", "/out", "/none", "/file/x", "/out/x", "/"} {
		if b.RemoveTree(ctx, davpath.Must(name), never) {
			t.Errorf("%q is gone", name)
		}
	}
	must(t, os.MkdirAll(filepath.Join(root, "d", "e"), 0o777))
	over, cancel := context.WithCancel(ctx)
	cancel()
	if b.RemoveTree(over, davpath.Must("/d"), never) {
		t.Error("removed after the request was gone")
	}
	deep := filepath.Join(root, "d", strings.Repeat("e/", 200))
	must(t, os.MkdirAll(deep, 0o777))
	write(t, filepath.Join(root, "d", "f"), "x")
	var went []string
	if b.RemoveTree(ctx, davpath.Must("/d"), func(p davpath.Path) { went = append(went, p.String()) }) || !slices.Equal(went, []string{"/d/f"}) {
		t.Errorf("went %q, want only the file", went)
	}
	if _, err := os.Stat(deep); err != nil {
		t.Error(err)
	}
	if got, want := namesIn(t, outside), []string{"secret"}; !slices.Equal(got, want) {
		t.Errorf("outside is %q, want %q", got, want)
	}
}

// Somebody on the host puts links in the place of directories while the tree is removed: what they
// lead to is not touched.
func TestRemoveTreeFollowsNoLinkInARace(t *testing.T) {
	b, root, outside := served(t)
	const many = 200
	link := filepath.Join(root, "link")
	for range 4 {
		must(t, os.Mkdir(filepath.Join(root, "d"), 0o777))
		for i := range many {
			must(t, os.MkdirAll(filepath.Join(root, "d", fmt.Sprint(i), "below"), 0o777))
		}
		var stop atomic.Bool
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for i := 0; !stop.Load(); i = (i + 1) % many {
				os.Symlink(outside, link)
				unix.Renameat2(unix.AT_FDCWD, link, unix.AT_FDCWD, filepath.Join(root, "d", fmt.Sprint(i)), unix.RENAME_EXCHANGE)
				os.RemoveAll(link)
			}
		}()
		for !b.RemoveTree(ctx, davpath.Must("/d"), func(davpath.Path) {}) {
		}
		stop.Store(true)
		<-ended
	}
	if got, want := namesIn(t, outside), []string{"secret"}; !slices.Equal(got, want) {
		t.Errorf("outside is %q, want %q", got, want)
	}
}
