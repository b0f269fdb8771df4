package disk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"dav207/server/davpath"
)

// copyTree copies what is below src into a new dst and returns what was left.
func copyTree(t *testing.T, ctx context.Context, b *backend, root, src, dst string) (left []string, begun bool) {
	t.Helper()
	must(t, os.Mkdir(filepath.Join(root, dst), 0o777))
	begun = b.CopyTree(ctx, davpath.Must(src), davpath.Must(dst), func(p davpath.Path) { left = append(left, p.String()) })
	return left, begun
}

func TestCopyTree(t *testing.T) {
	temp := davpath.TempName()
	many := []string{"e/f/g/h/i/j/", "z/empty/"}
	for i := range 300 {
		many = append(many, fmt.Sprintf("m/%03d", i), fmt.Sprintf("n/%d/f", i))
	}
	slices.Sort(many)
	for _, tt := range []struct {
		what    string
		tree    []string // "d/" a directory, "l -> x" a link, "p|" a pipe, all others files that hold their name
		missing []string // of the copy
		left    []string
	}{
		{"everything", []string{"1", "a/", "a/2", "a/b/", "a/b/3", "a/empty/", "z"}, nil, nil},
		{"many", many, nil, nil},
		{"names of all kinds", []string{"a b/", "a b/\xff<>\n%", "a b/-rf", "\u00e9/", "\u00e9/..."}, nil, nil},
		{"nothing", nil, nil, nil},
		{"what is neither file nor collection is left, in the order of a walk",
			[]string{"a/", "a/1", "a/p|", "a!", "a/link -> ../../keep", "a/z/", "a/z/broken -> nowhere", "b -> /", "c"}, []string{"a/p", "a/link", "a/z/broken", "b"},
			[]string{"/s/a/link", "/s/a/p", "/s/a/z/broken", "/s/b"}},
		{"what has a name of the server's own is no member",
			[]string{"a/", "a/" + temp, "a/.dav207/", "a/.dav207/state", ".DAV207", "b"}, []string{"a/" + temp, "a/.dav207", "a/.dav207/state", ".DAV207"}, nil},
	} {
		t.Run(tt.what, func(t *testing.T) {
			b, root, outside := served(t)
			must(t, os.MkdirAll(filepath.Join(root, "keep", "f"), 0o777))
			must(t, os.Mkdir(filepath.Join(root, "s"), 0o777))
			for _, name := range tt.tree {
				name, target, isLink := strings.Cut(name, " -> ")
				p := filepath.Join(root, "s", name)
				must(t, os.MkdirAll(filepath.Dir(p), 0o777))
				switch {
				case isLink:
					symlink(t, target, p)
				case strings.HasSuffix(name, "|"):
					must(t, syscall.Mkfifo(strings.TrimSuffix(p, "|"), 0o666))
				case strings.HasSuffix(name, "/"):
					must(t, os.MkdirAll(p, 0o777))
				default:
					write(t, p, name)
				}
			}
			left, begun := copyTree(t, ctx, b, root, "/s", "/x")
			if !begun || !slices.Equal(left, tt.left) {
				t.Errorf("CopyTree = %v, left %q, want %q", begun, left, tt.left)
			}
			var want []string
			for _, name := range allBelow(t, filepath.Join(root, "s")) {
				if !slices.Contains(tt.missing, strings.TrimSuffix(name, "/")) {
					want = append(want, name)
				}
			}
			if got := allBelow(t, filepath.Join(root, "x")); !slices.Equal(got, want) {
				t.Errorf("the copy holds %q, want %q", got, want)
			}
			for _, name := range want {
				if strings.HasSuffix(name, "/") {
					continue
				}
				if got := read(t, filepath.Join(root, "x", name)); got != name {
					t.Errorf("%q holds %q", name, got)
				}
			}
			if got, want := namesIn(t, outside), []string{"secret"}; !slices.Equal(got, want) {
				t.Errorf("outside is %q, want %q", got, want)
			}
		})
	}
}

// What cannot be copied as a whole is left as a whole: nothing has the name of its copy then.
func TestCopyTreeLeaves(t *testing.T) {
	b, root, outside := served(t)
	never := func(p davpath.Path) { t.Errorf("%s was left", p) }
	must(t, os.MkdirAll(filepath.Join(root, "s", "a"), 0o777))
	write(t, filepath.Join(root, "s", "f"), "new")
	write(t, filepath.Join(root, "s", "a", "f"), "new")
	symlink(t, outside, filepath.Join(root, "out"))
	for _, dir := range []string{"/none", "/s/f", "/out"} {
		if b.CopyTree(ctx, davpath.Must(dir), davpath.Must("/s"), never) || b.CopyTree(ctx, davpath.Must("/s"), davpath.Must(dir), never) {
			t.Errorf("copied from or to %q", dir)
		}
	}
	must(t, os.Mkdir(filepath.Join(root, "x"), 0o777))
	b.sync = true
	if b.CopyTree(ctx, davpath.Must("/s"), davpath.Must("/x"), never) {
		t.Error("copied without waiting for the disk")
	}
	b.sync = false
	over, cancel := context.WithCancel(ctx)
	cancel()
	if b.CopyTree(over, davpath.Must("/s"), davpath.Must("/x"), never) {
		t.Error("copied after the request was gone")
	}
	// Somebody made something there meanwhile.
	write(t, filepath.Join(root, "x", "a"), "old")
	write(t, filepath.Join(root, "x", "f"), "old")
	var left []string
	if !b.CopyTree(ctx, davpath.Must("/s"), davpath.Must("/x"), func(p davpath.Path) { left = append(left, p.String()) }) || !slices.Equal(left, []string{"/s/a", "/s/f"}) {
		t.Errorf("left %q", left)
	}
	if got := read(t, filepath.Join(root, "x", "a")) + read(t, filepath.Join(root, "x", "f")); got != "oldold" {
		t.Errorf("what was there holds %q", got)
	}
	// A pipe and a link in the place of a file, and a link in the place of the copy.
	makeTree(t, root, "odd/a", "odd/z", "odd/taken", "odd/dir/inner", "into/")
	must(t, syscall.Mkfifo(filepath.Join(root, "odd", "fifo"), 0o666))
	symlink(t, "a", filepath.Join(root, "odd", "link"))
	symlink(t, "../elsewhere", filepath.Join(root, "into", "taken"))
	left = nil
	if !b.CopyTree(ctx, davpath.Must("/odd"), davpath.Must("/into"), func(p davpath.Path) { left = append(left, p.String()) }) ||
		!slices.Equal(left, []string{"/odd/fifo", "/odd/link", "/odd/taken"}) {
		t.Errorf("left %q", left)
	}
	if got := allBelow(t, filepath.Join(root, "into")); !slices.Equal(got, []string{"a", "dir/", "dir/inner", "taken", "z"}) {
		t.Errorf("the copy holds %q", got)
	}
	deep := filepath.Join(root, "deep", strings.Repeat("e/", 100))
	must(t, os.MkdirAll(deep, 0o777))
	write(t, filepath.Join(deep, "f"), "x")
	left, begun := copyTree(t, ctx, b, root, "/deep", "/y")
	if !begun || len(left) != 1 || !strings.HasPrefix(left[0], "/deep/e/e/") || len(allBelow(t, filepath.Join(root, "y")))*2+len("/deep/e") != len(left[0]) {
		t.Errorf("%d levels were copied, and %q was left", len(allBelow(t, filepath.Join(root, "y"))), left)
	}
	far := "/" + strings.Repeat("long/", 250)
	must(t, os.MkdirAll(filepath.Join(root, far), 0o777))
	must(t, os.MkdirAll(filepath.Join(root, "t", strings.Repeat("f/", 20)), 0o777))
	must(t, os.MkdirAll(filepath.Join(root, far, strings.Repeat("f/", 250)), 0o777))
	left, begun = copyTree(t, ctx, b, root, "/t", far+strings.Repeat("f/", 250)+"x")
	if !begun || len(left) != 1 || left[0] != "/t/"+strings.Repeat("f/", 10)+"f" {
		t.Errorf("below what may not be deeper %q was left", left)
	}
	if got, want := namesIn(t, outside), []string{"secret"}; !slices.Equal(got, want) {
		t.Errorf("outside is %q, want %q", got, want)
	}
}

// Somebody on the host puts links in the place of directories and files while the tree is copied:
// what they lead to is neither copied nor written to.
func TestCopyTreeFollowsNoLinkInARace(t *testing.T) {
	b, root, outside := served(t)
	const many = 100
	link := filepath.Join(root, "link")
	symlink(t, outside, link)
	for i := range many {
		must(t, os.MkdirAll(filepath.Join(root, "s", fmt.Sprint(i), "below"), 0o777))
		write(t, filepath.Join(root, "s", fmt.Sprint(i), "f"), "public")
	}
	for round := range 4 {
		to := fmt.Sprint("x", round)
		must(t, os.Mkdir(filepath.Join(root, to), 0o777))
		var stop atomic.Bool
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for i := 0; !stop.Load(); i = (i + 1) % many {
				dir := filepath.Join(root, []string{"s", to}[i%2], fmt.Sprint(i))
				if unix.Renameat2(unix.AT_FDCWD, link, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE) == nil {
					unix.Renameat2(unix.AT_FDCWD, link, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE)
				}
			}
		}()
		b.CopyTree(ctx, davpath.Must("/s"), davpath.Must("/"+to), func(davpath.Path) {})
		stop.Store(true)
		<-ended
		for _, name := range allBelow(t, filepath.Join(root, to)) {
			if strings.Contains(name, "secret") {
				t.Errorf("copied from outside: %q", name)
			}
		}
	}
	if got, want := namesIn(t, outside), []string{"secret"}; !slices.Equal(got, want) {
		t.Errorf("outside is %q, want %q", got, want)
	}
}
