package tree_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// bulkDisk is a disk whose CopyTree skips names that begin with "slow", and whose RemoveTree keeps
// names that contain "fails". The calls for single resources fail for names that contain "fails".
type bulkDisk struct {
	fsbackend.Bulk
	bulk   []string // the collections that were copied in bulk
	single []string // what was copied or removed one by one
}

func (f *bulkDisk) CopyTree(ctx context.Context, src, dst davpath.Path, left func(davpath.Path)) bool {
	f.bulk = append(f.bulk, src.String())
	f.copyTree(ctx, src, dst, left)
	return true
}

func (f *bulkDisk) copyTree(ctx context.Context, src, dst davpath.Path, left func(davpath.Path)) {
	members, _ := list(ctx, f, src)
	for _, m := range members {
		from, to := src.Child(m.Name()), dst.Child(m.Name())
		switch {
		case !m.IsDir() && !m.Mode().IsRegular() || strings.HasPrefix(m.Name(), "slow"):
			left(from)
		case m.IsDir():
			f.Mkdir(ctx, to)
			f.copyTree(ctx, from, to, left)
		default:
			f.Bulk.CopyFile(ctx, from, to)
		}
	}
}

func (f *bulkDisk) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	f.single = append(f.single, src.String())
	if strings.Contains(src.String(), "fails") {
		return &fs.PathError{Op: "copy", Path: src.String(), Err: syscall.EIO}
	}
	return f.Bulk.CopyFile(ctx, src, dst)
}

func (f *bulkDisk) RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) bool {
	stays := false
	members, _ := list(ctx, f, p)
	for _, m := range members {
		member := p.Child(m.Name())
		if strings.Contains(m.Name(), "fails") || removeAll(ctx, f.Bulk, member) != nil {
			stays = true
			continue
		}
		removed(member)
	}
	return !stays && f.Bulk.Remove(ctx, p) == nil
}

func (f *bulkDisk) Remove(ctx context.Context, p davpath.Path) error {
	f.single = append(f.single, p.String())
	if strings.Contains(p.String(), "fails") {
		return &fs.PathError{Op: "remove", Path: p.String(), Err: syscall.EACCES}
	}
	return f.Bulk.Remove(ctx, p)
}

// A member that neither CopyTree nor CopyFile can copy is reported in the order of the walk.
func TestCopyTreeReportsInOrder(t *testing.T) {
	for _, trees := range []bool{false, true} {
		b := &bulkDisk{Bulk: openDisk(t)}
		var f fsbackend.Backend = b
		if !trees {
			f = noBulk{b}
		}
		fill(t, f, "/c/ /c/a=a /c/b/ /c/b/slowfails=x /c/slow/ /c/slow/d/ /c/slow/d/slow=s /c/slow/d/slowfails=x /c/slowfails1=x /c/slowfails2=x /c/z=z")
		e := &tree.Tree{FS: f, Props: new(props.Memory)}
		var reports []string
		err := copyTo(t.Context(), e, davpath.Must("/c"), davpath.Must("/x"), tree.Infinity, func(p davpath.Path, _ bool, err error) {
			reports = append(reports, p.String())
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("%s: %v", p, err)
			}
		})
		if want := []string{"/c/b/slowfails", "/c/slow/d/slowfails", "/c/slowfails1", "/c/slowfails2"}; !errors.Is(err, tree.ErrPartial) || !slices.Equal(reports, want) {
			t.Errorf("trees %v: Copy = %v, reports %q, want %q", trees, err, reports, want)
		}
		if got, want := dump(t, f, "/x"), []string{"/x/a=a", "/x/b/", "/x/slow/", "/x/slow/d/", "/x/slow/d/slow=s", "/x/z=z"}; !slices.Equal(got, want) {
			t.Errorf("trees %v: the tree is %q, want %q", trees, got, want)
		}
	}
}

// A tree is copied in bulk, with its properties, if the guard has to be asked for nothing.
// What exists at the destination is replaced resource by resource.
func TestCopyTree(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		over   string // what is at the destination before
		marked string // has a property
		guard  tree.Guard
		bulk   string
	}{
		{"§9.8.3 Depth infinity", "", "", nil, "/c"},
		{"what is beside does not matter", "", "/other", nil, "/c"},
		{"a guard that may refuse something is asked for each", "", "", guard{"nothing": nil}, ""},
		{"§9.8.2 properties are copied, too", "", "/c/d/e/2", nil, "/c"},
		{"those of what is replaced are not kept", "/x/ /x/1=old", "/x/1", nil, "/c/d /c/f"},
		{"nor those of what was there before", "/x/", "/x/d/e/2", nil, "/c/d /c/f"},
		{"only what is new is copied at once", "/x/ /x/d/ /x/d/old=old", "", nil, "/c/d/e /c/f"},
		{"so it is in the place of a file", "/x=old", "", nil, "/c"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			f := &bulkDisk{Bulk: openDisk(t)}
			fill(t, f, "/other=o /c/ /c/1=1 /c/d/ /c/d/e/ /c/d/e/2=2 /c/f/ "+tt.over)
			e := &tree.Tree{FS: f, Props: new(props.Memory), Guard: tt.guard}
			if tt.marked != "" {
				mark(t, e.Props, tt.marked)
			}
			if err := copyTo(t.Context(), e, davpath.Must("/c"), davpath.Must("/x"), tree.Infinity, nil); err != nil {
				t.Errorf("Copy = %v", err)
			}
			if got := marks(t, e); strings.HasPrefix(tt.marked, "/c") == !strings.Contains(got, "/x") {
				t.Errorf("properties are %q", got)
			}
			if got := strings.Join(f.bulk, " "); got != tt.bulk {
				t.Errorf("copied in bulk %q, want %q", got, tt.bulk)
			}
			if got, want := dump(t, f, "/x"), []string{"/x/1=1", "/x/d/", "/x/d/e/", "/x/d/e/2=2", "/x/f/"}; !slices.Equal(got, want) {
				t.Errorf("the tree is %q, want %q", got, want)
			}
		})
	}
	f := &bulkDisk{Bulk: openDisk(t)}
	fill(t, f, "/c/ /c/d/")
	e := &tree.Tree{FS: f, Props: new(props.Memory)}
	if err := copyTo(t.Context(), e, davpath.Must("/c"), davpath.Must("/x"), tree.Zero, nil); err != nil || f.bulk != nil {
		t.Errorf("§9.8.3 Depth 0: Copy = %v, in bulk %q", err, f.bulk)
	}
}

// The members of a tree that is copied in bulk get their properties, whether CopyTree copied or
// skipped them. Entries of the store without a file, or for reserved names, are not copied.
func TestCopyTreeProperties(t *testing.T) {
	f := &bulkDisk{Bulk: openDisk(t)}
	const members = "/c/ /c/1=1 /c/d/ /c/d/2=2 /c/d/slow=s /c/none=n /c/slow/ /c/slow/3=3 /c/slow/slow=s /c/slower=s"
	fill(t, f, members)
	e := &tree.Tree{FS: f, Props: new(props.Memory)}
	var want []string
	for name := range strings.FieldsSeq(members) {
		name, _, _ = strings.Cut(name, "=")
		if name = strings.TrimSuffix(name, "/"); name == "/c/none" {
			continue
		}
		setProps(t, e, name)
		want = append(want, name+"="+name, "/x"+name[2:]+"="+name)
	}
	mark(t, e.Props, "/c/d/gone")
	mark(t, e.Props, "/c/d/.dav207/state")
	want = append(want, "/c/d/gone", "gone", "/c/d/.dav207/state", "gone")
	if err := copyTo(t.Context(), e, davpath.Must("/c"), davpath.Must("/x"), tree.Infinity, nil); err != nil || len(f.bulk) != 2 {
		t.Errorf("Copy = %v, in bulk %q", err, f.bulk)
	}
	got := strings.Fields(marks(t, e))
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("properties are %q, want %q", got, want)
	}
	if got, want := len(dump(t, f, "/x")), len(dump(t, f, "/c")); got != want {
		t.Errorf("the copy has %d members, want %d", got, want)
	}
}

// A tree that is removed in bulk except for some members is reported as if it had been removed one
// by one: with the cause of each failure. Removed members have no properties any more.
func TestRemoveTree(t *testing.T) {
	f := &bulkDisk{Bulk: openDisk(t)}
	fill(t, f, "/c/ /c/a=a /c/b/ /c/b/b=b /c/fails=x /c/z=z")
	var gone []string
	e := &tree.Tree{FS: f, Props: new(props.Memory), Gone: func(p davpath.Path, below bool) { gone = append(gone, p.String()) }}
	setProps(t, e, "/c/a", "/c/b/b", "/c/fails", "/c")
	var reports []string
	err := deleteAll(t.Context(), e, davpath.Must("/c"), func(p davpath.Path, _ bool, err error) {
		reports = append(reports, fmt.Sprint(p, errors.Is(err, syscall.EACCES)))
	})
	if want := []string{"/c/fails true"}; !errors.Is(err, tree.ErrPartial) || !slices.Equal(reports, want) {
		t.Errorf("Delete = %v, reports %q, want %q", err, reports, want)
	}
	if slices.Sort(gone); !slices.Equal(gone, []string{"/c/a", "/c/b", "/c/z"}) {
		t.Errorf("Gone was called for %q", gone)
	}
	if got, want := dump(t, f, "/c"), []string{"/c/fails=x"}; !slices.Equal(got, want) {
		t.Errorf("the tree is %q, want %q", got, want)
	}
	if got, want := marks(t, e), "/c=/c /c/fails=/c/fails"; got != want {
		t.Errorf("properties are %q, want %q", got, want)
	}
	if got, want := f.single, []string{"/c/fails"}; !slices.Equal(got, want) {
		t.Errorf("removed one by one were %q, want %q", got, want)
	}
	// A guard that may refuse something is asked for each member.
	f.single = nil
	fill(t, f, "/c/b/ /c/b/b=new")
	e.Guard = guard{"nothing": nil}
	if err := deleteAll(t.Context(), e, davpath.Must("/c/b"), nil); err != nil {
		t.Error(err)
	}
	if want := []string{"/c/b/b", "/c/b"}; !slices.Equal(f.single, want) {
		t.Errorf("removed one by one were %q, want %q", f.single, want)
	}
}
