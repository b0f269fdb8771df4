package tree_test

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// slowStat is a back end whose directories take n times delay to describe n members.
type slowStat struct {
	fsbackend.Backend
	delay time.Duration
	stats int
}

func (s *slowStat) OpenDir(ctx context.Context, p davpath.Path) (fsbackend.Dir, error) {
	d, err := s.Backend.OpenDir(ctx, p)
	return &slowDir{d, s}, err
}

type slowDir struct {
	fsbackend.Dir
	of *slowStat
}

func (d *slowDir) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	time.Sleep(time.Duration(len(names)) * d.of.delay)
	d.of.stats += len(names)
	d.Dir.Lstat(names, infos, errs)
}

// With a slow back end a batch is used before it is full: a client waits for a response no longer
// than half a minute.
func TestSlowStat(t *testing.T) {
	files := openDisk(t)
	fill(t, files, "/c/")
	for i := range 200 {
		fill(t, files, fmt.Sprintf("/c/m%03d=x", i))
	}
	slow := &slowStat{Backend: files, delay: 5 * time.Millisecond}
	e := &tree.Tree{FS: slow}
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
	if slow.stats > 100 {
		t.Errorf("the first member came after %d were described", slow.stats)
	}
}

// failing is a back end on which nothing in /f can be described.
type failing struct{ fsbackend.Backend }

func (f failing) OpenDir(ctx context.Context, p davpath.Path) (fsbackend.Dir, error) {
	d, err := f.Backend.OpenDir(ctx, p)
	if p.String() != "/f" {
		return d, err
	}
	return &failingDir{d}, err
}

type failingDir struct{ fsbackend.Dir }

func (d *failingDir) Lstat(_ []string, _ []fsbackend.Info, errs []error) {
	for i := range errs {
		errs[i] = fs.ErrPermission
	}
}

// A member whose info cannot be read has none, not that of another member that was in the same
// memory before.
func TestNoInfoOfOthers(t *testing.T) {
	files := openDisk(t)
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
