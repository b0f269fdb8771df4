package tree_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// together is a disk that copies many files, or with trees set whole trees, at once but what has a name that begins with "slow",
// which it fails to copy one by one where it also has "fails" in it; and removes trees but for what is called so.
type together struct {
	*fsbackend.Disk
	trees bool
	whole []string   // the collections that were copied at once
	asked [][]string // the names that were asked for at once
	one   []string   // and one by one
}

func (f *together) CopyMembers(ctx context.Context, src, dst string, names []string, copied []bool) {
	f.asked = append(f.asked, names)
	for i, name := range names {
		copied[i] = !strings.HasPrefix(name, "slow") && f.Disk.CopyFile(ctx, src+"/"+name, dst+"/"+name) == nil
	}
}

func (f *together) CopyTree(ctx context.Context, src, dst string, left func(string)) bool {
	if !f.trees {
		return false
	}
	f.whole = append(f.whole, src)
	f.copyTree(ctx, src, dst, left)
	return true
}

func (f *together) copyTree(ctx context.Context, src, dst string, left func(string)) {
	d, err := f.OpenFile(ctx, src, 0, 0)
	if err != nil {
		return
	}
	infos, _ := d.Readdir(-1)
	d.Close()
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	for _, i := range infos {
		from, to := path.Join(src, i.Name()), path.Join(dst, i.Name())
		switch {
		case !i.IsDir() && !i.Mode().IsRegular() || strings.HasPrefix(i.Name(), "slow"):
			left(from)
		case i.IsDir():
			f.Mkdir(ctx, to, 0o777)
			f.copyTree(ctx, from, to, left)
		default:
			f.Disk.CopyFile(ctx, from, to)
		}
	}
}

func (f *together) CopyFile(ctx context.Context, src, dst string) error {
	f.one = append(f.one, src)
	if strings.Contains(src, "fails") {
		return &fs.PathError{Op: "copy", Path: src, Err: syscall.EIO}
	}
	return f.Disk.CopyFile(ctx, src, dst)
}

func (f *together) RemoveTree(ctx context.Context, name string, went func(string)) bool {
	var stays []string
	d, err := f.OpenFile(ctx, name, 0, 0)
	if err != nil {
		return false
	}
	infos, _ := d.Readdir(-1)
	d.Close()
	for _, i := range infos {
		member := path.Join(name, i.Name())
		if strings.Contains(i.Name(), "fails") || f.RemoveAll(ctx, member) != nil {
			stays = append(stays, member)
			continue
		}
		went(member)
	}
	return len(stays) == 0 && f.RemoveAll(ctx, name) == nil
}

func (f *together) Remove(ctx context.Context, name string) error {
	f.one = append(f.one, name)
	if strings.Contains(name, "fails") {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.EACCES}
	}
	return f.Disk.Remove(ctx, name)
}

// What the file system copies at once is as if it had been copied one by one: reports come in the order of the names, each
// member has its properties, and the guard was asked for each before.
func TestCopyTogether(t *testing.T) {
	refused := errors.New("refused")
	for _, tt := range []struct {
		rule    string
		refuse  string // this privilege for this path
		over    string // what is at the destination before
		asked   string // at once
		one     string // one by one, copied and removed
		reports string
		left    string // at the destination
	}{
		{"§9.8.3 Depth infinity", "", "", "1 2 slow; d1 d2", "/c/slow", "", "1 2 d/ d/d1 d/d2 slow"},
		{"into a collection that is there: each file replaces its own", "", "/x/ /x/2=old /x/z=old", "d1 d2", "/c/1 /c/2 /c/slow /x/z", "", "1 2 d/ d/d1 d/d2 slow"},
		{"what may not be read is not copied", "read /c/2", "", "1 slow; d1 d2", "/c/slow", "/c/2", "1 d/ d/d1 d/d2 slow"},
		{"nor what may not come", "bind /x/d/d1", "", "1 2 slow; d2", "/c/slow", "/x/d/d1", "1 2 d/ d/d2 slow"},
		{"a collection that may not be read is left alone", "read /c/d", "", "1 2 slow", "/c/slow", "/c/d/", "1 2 slow"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			f := &together{Disk: disk(t).(*fsbackend.Disk)}
			fill(t, f, "/c/ /c/1=1 /c/2=2 /c/d/ /c/d/d1=d1 /c/d/d2=d2 /c/slow=slow "+tt.over)
			e := &tree.Tree{FS: f, Props: new(props.Memory)}
			if tt.refuse != "" {
				e.Guard = guard{tt.refuse: refused}
			}
			own(t, e, "/c/1", "/c/slow", "/c/d/d1")
			var reports []string
			err := e.Copy(t.Context(), davpath.Must("/c"), davpath.Must("/x"), tree.Infinity, func(p davpath.Path, collection bool, err error) {
				name := p.String()
				if collection {
					name += "/"
				}
				reports = append(reports, name)
				if !errors.Is(err, refused) {
					t.Errorf("%s: %v", p, err)
				}
			})
			if want := tt.reports != ""; errors.Is(err, tree.ErrPartial) != want || err != nil && !want {
				t.Errorf("Copy = %v", err)
			}
			if got := strings.Join(reports, " "); got != tt.reports {
				t.Errorf("reports %q, want %q", got, tt.reports)
			}
			var asked []string
			for _, names := range f.asked {
				asked = append(asked, strings.Join(names, " "))
			}
			slices.SortFunc(asked, func(a, b string) int { return strings.Compare(a, b) })
			if got := strings.Join(asked, "; "); got != tt.asked {
				t.Errorf("at once %q, want %q", got, tt.asked)
			}
			if got := strings.Join(f.one, " "); got != tt.one {
				t.Errorf("one by one %q, want %q", got, tt.one)
			}
			var left []string
			for _, entry := range dump(t, f, "/x") {
				name, content, _ := strings.Cut(strings.TrimPrefix(entry, "/x/"), "=")
				left = append(left, name)
				if !strings.HasSuffix(name, "/") && content != path.Base(name) {
					t.Errorf("%s holds %q", name, content)
				}
			}
			slices.Sort(left)
			if got := strings.Join(left, " "); got != tt.left {
				t.Errorf("there is %q, want %q", got, tt.left)
			}
			for _, name := range []string{"/1", "/slow", "/d/d1"} {
				if got, want := strings.Contains(marks(t, e)+" ", "/x"+name+"=/c"+name+" "), slices.Contains(left, name[1:]); got != want {
					t.Errorf("/x%s has the property of /c%s: %v, want %v", name, name, got, want)
				}
			}
		})
	}
}

// A member that could not be copied at once and cannot be one by one is reported in its place.
func TestCopyTogetherReportsInOrder(t *testing.T) {
	for _, trees := range []bool{false, true} {
		f := &together{Disk: disk(t).(*fsbackend.Disk), trees: trees}
		fill(t, f, "/c/ /c/a=a /c/b/ /c/b/slowfails=x /c/slow/ /c/slow/d/ /c/slow/d/slow=s /c/slow/d/slowfails=x /c/slowfails1=x /c/slowfails2=x /c/z=z")
		e := &tree.Tree{FS: f, Props: new(props.Memory)}
		var reports []string
		err := e.Copy(t.Context(), davpath.Must("/c"), davpath.Must("/x"), tree.Infinity, func(p davpath.Path, _ bool, err error) {
			reports = append(reports, p.String())
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("%s: %v", p, err)
			}
		})
		if want := []string{"/c/b/slowfails", "/c/slow/d/slowfails", "/c/slowfails1", "/c/slowfails2"}; !errors.Is(err, tree.ErrPartial) || !slices.Equal(reports, want) {
			t.Errorf("trees %v: Copy = %v, reports %q, want %q", trees, err, reports, want)
		}
		if got, want := dump(t, f, "/x"), []string{"/x/a=a", "/x/b/", "/x/slow/", "/x/slow/d/", "/x/slow/d/slow=s", "/x/z=z"}; !slices.Equal(got, want) {
			t.Errorf("trees %v: there is %q, want %q", trees, got, want)
		}
	}
}

// A tree is copied at once where nothing has to be asked or looked for in it; what is already at the destination is replaced
// resource by resource all the same.
func TestCopyTree(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		over  string // what is at the destination before
		owned string // has a property
		guard tree.Guard
		whole string
	}{
		{"§9.8.3 Depth infinity", "", "", nil, "/c"},
		{"what is beside does not matter", "", "/other", nil, "/c"},
		{"who may not do everything is asked for each", "", "", guard{"nothing": nil}, ""},
		{"§9.8.2 properties are copied, too", "", "/c/d/e/2", nil, "/c"},
		{"those of what is replaced are not kept", "/x/ /x/1=old", "/x/1", nil, "/c/d /c/f"},
		{"nor those of what was there before", "/x/", "/x/d/e/2", nil, "/c/d /c/f"},
		{"only what is new is copied at once", "/x/ /x/d/ /x/d/old=old", "", nil, "/c/d/e /c/f"},
		{"so it is in the place of a file", "/x=old", "", nil, "/c"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			f := &together{Disk: disk(t).(*fsbackend.Disk), trees: true}
			fill(t, f, "/other=o /c/ /c/1=1 /c/d/ /c/d/e/ /c/d/e/2=2 /c/f/ "+tt.over)
			e := &tree.Tree{FS: f, Props: new(props.Memory), Guard: tt.guard}
			if tt.owned != "" {
				mark(t, e.Props, tt.owned)
			}
			if err := e.Copy(t.Context(), davpath.Must("/c"), davpath.Must("/x"), tree.Infinity, nil); err != nil {
				t.Errorf("Copy = %v", err)
			}
			if got := marks(t, e); strings.HasPrefix(tt.owned, "/c") == !strings.Contains(got, "/x") {
				t.Errorf("properties are %q", got)
			}
			if got := strings.Join(f.whole, " "); got != tt.whole {
				t.Errorf("copied at once %q, want %q", got, tt.whole)
			}
			if got, want := dump(t, f, "/x"), []string{"/x/1=1", "/x/d/", "/x/d/e/", "/x/d/e/2=2", "/x/f/"}; !slices.Equal(got, want) {
				t.Errorf("there is %q, want %q", got, want)
			}
		})
	}
	f := &together{Disk: disk(t).(*fsbackend.Disk), trees: true}
	fill(t, f, "/c/ /c/d/")
	e := &tree.Tree{FS: f, Props: new(props.Memory)}
	if err := e.Copy(t.Context(), davpath.Must("/c"), davpath.Must("/x"), tree.Zero, nil); err != nil || f.whole != nil {
		t.Errorf("§9.8.3 Depth 0: Copy = %v, at once %q", err, f.whole)
	}
}

// The members of a tree that is copied at once have their properties, whether the file system copied them or left them; nobody
// gets those of what is not there, or of the server's own.
func TestCopyTreeProperties(t *testing.T) {
	f := &together{Disk: disk(t).(*fsbackend.Disk), trees: true}
	const members = "/c/ /c/1=1 /c/d/ /c/d/2=2 /c/d/slow=s /c/none=n /c/slow/ /c/slow/3=3 /c/slow/slow=s /c/slower=s"
	fill(t, f, members)
	e := &tree.Tree{FS: f, Props: new(props.Memory)}
	var want []string
	for name := range strings.FieldsSeq(members) {
		name, _, _ = strings.Cut(name, "=")
		if name = strings.TrimSuffix(name, "/"); name == "/c/none" {
			continue
		}
		own(t, e, name)
		want = append(want, name+"="+name, "/x"+name[2:]+"="+name)
	}
	mark(t, e.Props, "/c/d/gone")
	mark(t, e.Props, "/c/d/.dav207/state")
	want = append(want, "/c/d/gone", "gone", "/c/d/.dav207/state", "gone")
	if err := e.Copy(t.Context(), davpath.Must("/c"), davpath.Must("/x"), tree.Infinity, nil); err != nil || len(f.whole) != 2 {
		t.Errorf("Copy = %v, at once %q", err, f.whole)
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

// What was removed as a whole but for some of it is told of as if it had been removed one by one: the cause of each failure, and
// nothing belongs any more to what went.
func TestDeleteTogether(t *testing.T) {
	f := &together{Disk: disk(t).(*fsbackend.Disk)}
	fill(t, f, "/c/ /c/a=a /c/b/ /c/b/b=b /c/fails=x /c/z=z")
	var gone []string
	e := &tree.Tree{FS: f, Props: new(props.Memory), Gone: func(p davpath.Path, below bool) { gone = append(gone, p.String()) }}
	own(t, e, "/c/a", "/c/b/b", "/c/fails", "/c")
	var reports []string
	err := e.Delete(t.Context(), davpath.Must("/c"), func(p davpath.Path, _ bool, err error) {
		reports = append(reports, fmt.Sprint(p, errors.Is(err, syscall.EACCES)))
	})
	if want := []string{"/c/fails true"}; !errors.Is(err, tree.ErrPartial) || !slices.Equal(reports, want) {
		t.Errorf("Delete = %v, reports %q, want %q", err, reports, want)
	}
	if slices.Sort(gone); !slices.Equal(gone, []string{"/c/a", "/c/b", "/c/z"}) {
		t.Errorf("gone are %q", gone)
	}
	if got, want := dump(t, f, "/c"), []string{"/c/fails=x"}; !slices.Equal(got, want) {
		t.Errorf("there is %q, want %q", got, want)
	}
	if got, want := marks(t, e), "/c=/c /c/fails=/c/fails"; got != want {
		t.Errorf("properties are %q, want %q", got, want)
	}
	if got, want := f.one, []string{"/c/fails"}; !slices.Equal(got, want) {
		t.Errorf("removed one by one were %q, want %q", got, want)
	}
	// Who is not sure to be allowed everything is asked for each.
	f.one = nil
	fill(t, f, "/c/b/ /c/b/b=new")
	e.Guard = guard{"nothing": nil}
	if err := e.Delete(t.Context(), davpath.Must("/c/b"), nil); err != nil {
		t.Error(err)
	}
	if want := []string{"/c/b/b", "/c/b"}; !slices.Equal(f.one, want) {
		t.Errorf("removed one by one were %q, want %q", f.one, want)
	}
}
