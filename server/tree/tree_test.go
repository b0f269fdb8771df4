package tree_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/memory"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// noBulk hides the Bulk of a back end.
type noBulk struct{ fsbackend.Backend }

// backends are the back ends on which the engine must do the same.
var backends = []struct {
	name string
	open func(t *testing.T) fsbackend.Backend
}{
	{"disk", func(t *testing.T) fsbackend.Backend { return openDisk(t) }},
	{"disk without Bulk", func(t *testing.T) fsbackend.Backend { return noBulk{openDisk(t)} }},
	{"memory", func(*testing.T) fsbackend.Backend { return memory.New(nil).Backend() }},
	{"memory without Bulk", func(*testing.T) fsbackend.Backend { return noBulk{memory.New(nil).Backend()} }},
	{"webdav.Dir", func(t *testing.T) fsbackend.Backend { return fsbackend.FromWebDAV(webdav.Dir(t.TempDir())) }},
	{"webdav.MemFS", func(*testing.T) fsbackend.Backend { return fsbackend.FromWebDAV(webdav.NewMemFS()) }},
}

func openDisk(t *testing.T) fsbackend.Bulk { return openDir(t, t.TempDir()) }

func openDir(t *testing.T, dir string) fsbackend.Bulk {
	d, err := disk.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d.Backend().(fsbackend.Bulk)
}

// fill makes resources: "/a/" a collection, "/a/b=x" a file.
func fill(t *testing.T, f fsbackend.Backend, spec string) {
	t.Helper()
	for _, s := range strings.Fields(spec) {
		name, content, _ := strings.Cut(s, "=")
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			if err := f.Mkdir(t.Context(), davpath.Must(dir)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		u, err := f.Create(t.Context(), davpath.Must(name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(u, content); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// list returns the members of a collection in the order of their names.
func list(ctx context.Context, f fsbackend.Backend, p davpath.Path) ([]fsbackend.Info, error) {
	d, err := f.OpenDir(ctx, p)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Names()
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	infos, errs := make([]fsbackend.Info, len(names)), make([]error, len(names))
	d.Lstat(names, infos, errs)
	return infos, errors.Join(errs...)
}

// removeAll removes p and all below it.
func removeAll(ctx context.Context, f fsbackend.Backend, p davpath.Path) error {
	members, err := list(ctx, f, p)
	if err == nil {
		for _, m := range members {
			if err := removeAll(ctx, f, p.Child(m.Name())); err != nil {
				return err
			}
		}
	}
	return f.Remove(ctx, p)
}

// dump shows everything below a collection, temp files included, as fill takes it.
func dump(t *testing.T, f fsbackend.Backend, name string) (out []string) {
	t.Helper()
	dir := davpath.Must(name)
	members, err := list(t.Context(), f, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		p := dir.Child(m.Name())
		if m.IsDir() {
			out = append(out, p.String()+"/")
			out = append(out, dump(t, f, p.String())...)
			continue
		}
		r, err := f.Open(t.Context(), p)
		if err != nil {
			out = append(out, p.String()+"!")
			continue
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p.String()+"="+string(b))
	}
	sort.Strings(out)
	return out
}

func copyTo(ctx context.Context, e *tree.Tree, src, dst davpath.Path, depth tree.Depth, report tree.Report) error {
	p, err := e.PlanCopy(ctx, src, dst, depth)
	if err != nil {
		return err
	}
	return p.Run(ctx, report)
}

func moveTo(ctx context.Context, e *tree.Tree, src, dst davpath.Path, report tree.Report) error {
	p, err := e.PlanMove(ctx, src, dst)
	if err != nil {
		return err
	}
	return p.Run(ctx, report)
}

func deleteAll(ctx context.Context, e *tree.Tree, p davpath.Path, report tree.Report) error {
	plan, err := e.PlanDelete(ctx, p)
	if err != nil {
		return err
	}
	return plan.Run(ctx, report)
}

// guard refuses by name, and hides what it refuses with fs.ErrNotExist.
type guard map[string]error

func (g guard) Check(_ context.Context, p access.Privilege, path davpath.Path) error {
	return g[fmt.Sprint(p, " ", path)]
}
func (g guard) Clear(davpath.Path, ...access.Privilege) bool { return len(g) == 0 }

func TestOperations(t *testing.T) {
	const c = "/c/ /c/1=one /c/d/ /c/d/2=two /c/d/e/ /c/d/e/3=three "
	for _, tt := range []struct {
		rule    string
		before  string
		guard   guard
		run     string
		err     error
		reports string
		after   string
	}{
		{"§9.6.1 DELETE takes members along", c, nil, "delete /c", nil, "", ""},
		{"§9.6.1 DELETE of a member", c, nil, "delete /c/d/2", nil, "", "/c/ /c/1=one /c/d/ /c/d/e/ /c/d/e/3=three"},
		{"DELETE of nothing", c, nil, "delete /x", fs.ErrNotExist, "", c},
		{"DELETE below a file", c, nil, "delete /c/1/x", fs.ErrNotExist, "", c},
		{"§9.6.1 ancestors of a kept member are kept", c, guard{"unbind /c/d/2": fs.ErrPermission}, "delete /c", tree.ErrPartial, "/c/d/2: permission denied", "/c/ /c/d/ /c/d/2=two"},
		{"a refused collection keeps its members", c, guard{"unbind /c/d": fs.ErrPermission}, "delete /c", tree.ErrPartial, "/c/d/: permission denied",
			"/c/ /c/d/ /c/d/2=two /c/d/e/ /c/d/e/3=three"},
		{"a hidden member is not named", c, guard{"unbind /c/d/2": fs.ErrNotExist}, "delete /c", tree.ErrPartial,
			"/c/d/: kept: a hidden member could not be removed: permission denied", "/c/ /c/d/ /c/d/2=two"},
		{"a temp file of an interrupted upload is removed", c + "/c/d/.dav207-ABCDEFGHIJKLMNOPQRSTUVWXYZ=junk", nil, "delete /c", nil, "", ""},

		{"§9.8.3 COPY takes members along", c, nil, "copy /c /x", nil, "", c + "/x/ /x/1=one /x/d/ /x/d/2=two /x/d/e/ /x/d/e/3=three"},
		{"§9.8.3 Depth: 0", c, nil, "copy0 /c /x", nil, "", c + "/x/"},
		{"§9.8.2 a file", c, nil, "copy /c/1 /x", nil, "", c + "/x=one"},
		{"hidden files are not copied", c + "/c/d/.dav207-ABCDEFGHIJKLMNOPQRSTUVWXYZ=junk", nil, "copy /c/d /x", nil, "", c + "/c/d/.dav207-ABCDEFGHIJKLMNOPQRSTUVWXYZ=junk /x/ /x/2=two /x/e/ /x/e/3=three"},
		{"§9.8.4 a collection is replaced, not merged", c + "/x/ /x/1=old /x/old=old /x/d=file /x/o/ /x/o/p=old", nil, "copy /c /x", nil, "",
			c + "/x/ /x/1=one /x/d/ /x/d/2=two /x/d/e/ /x/d/e/3=three"},
		{"§9.8.4 Depth: 0 over a collection", c + "/x/ /x/old=old", nil, "copy0 /c /x", nil, "", c + "/x/"},
		{"a file over a collection", c + "/x/ /x/old=old", nil, "copy /c/1 /x", nil, "", c + "/x=one"},
		{"a collection over a file", c + "/x=old", nil, "copy /c/d/e /x", nil, "", c + "/x/ /x/3=three"},
		{"§9.8.5 onto itself", c, nil, "copy /c /c", tree.ErrOverlap, "", c},
		{"§9.8.5 into a descendant", c, nil, "copy /c /c/d/x", tree.ErrOverlap, "", c},
		{"§9.8.5 over an ancestor", c, nil, "copy /c/d/e /c", tree.ErrOverlap, "", c},
		{"§9.8.5 no parent", c, nil, "copy /c /x/y", tree.ErrNoParent, "", c},
		{"§9.8.5 below a file", c, nil, "copy /c/d /c/1/y", tree.ErrNoParent, "", c},
		{"of nothing", c + "/x=old", nil, "copy /y /x", fs.ErrNotExist, "", c + "/x=old"},
		{"§9.8.3 a member that may not be read, others go on", c, guard{"read /c/1": fs.ErrPermission}, "copy /c /x", tree.ErrPartial, "/c/1: permission denied",
			c + "/x/ /x/d/ /x/d/2=two /x/d/e/ /x/d/e/3=three"},
		{"a collection that may not be read: its members are not tried", c, guard{"read /c/d": fs.ErrPermission}, "copy /c /x", tree.ErrPartial, "/c/d/: permission denied", c + "/x/ /x/1=one"},
		{"a hidden collection is not copied", c, guard{"read /c/d": fs.ErrNotExist}, "copy /c /x", nil, "", c + "/x/ /x/1=one"},
		{"the destination may not be created", c, guard{"bind /x": fs.ErrPermission}, "copy /c /x", fs.ErrPermission, "", c},
		{"§9.8.8 a member of the destination is refused: it is unchanged", c + "/x/ /x/d/ /x/d/old=old /x/1=old", guard{"write-content /x/d": fs.ErrPermission}, "copy /c /x",
			tree.ErrPartial, "/x/d/: permission denied", c + "/x/ /x/1=one /x/d/ /x/d/old=old"},
		{"a member without counterpart that may not be removed", c + "/x/ /x/old=old /x/old2=old", guard{"unbind /x/old": fs.ErrPermission}, "copy /c/d/e /x", tree.ErrPartial, "/x/old: permission denied",
			c + "/x/ /x/3=three /x/old=old"},
		{"a file over a collection that may not be removed", c + "/x/ /x/old=old /x/y=y", guard{"unbind /x/old": fs.ErrPermission}, "copy /c/1 /x", tree.ErrPartial, "/x/old: permission denied",
			c + "/x/ /x/old=old /x/y=y"},

		{"§9.9.3 MOVE takes members along", c, nil, "move /c /x", nil, "", "/x/ /x/1=one /x/d/ /x/d/2=two /x/d/e/ /x/d/e/3=three"},
		{"§9.9.3 a collection is replaced, not merged", c + "/x/ /x/old=old", nil, "move /c /x", nil, "", "/x/ /x/1=one /x/d/ /x/d/2=two /x/d/e/ /x/d/e/3=three"},
		{"a file over a file", c + "/x=old", nil, "move /c/1 /x", nil, "", "/c/ /c/d/ /c/d/2=two /c/d/e/ /c/d/e/3=three /x=one"},
		{"a file over a collection", c + "/x/ /x/old=old", nil, "move /c/1 /x", nil, "", "/c/ /c/d/ /c/d/2=two /c/d/e/ /c/d/e/3=three /x=one"},
		{"a collection over a file", c + "/x=old", nil, "move /c/d/e /x", nil, "", "/c/ /c/1=one /c/d/ /c/d/2=two /x/ /x/3=three"},
		{"§9.9.4 onto itself", c, nil, "move /c /c", tree.ErrOverlap, "", c},
		{"§9.9.4 into a descendant", c, nil, "move /c /c/d/x", tree.ErrOverlap, "", c},
		{"§9.9.4 over an ancestor", c, nil, "move /c/d/e /c", tree.ErrOverlap, "", c},
		{"§9.9.4 no parent", c, nil, "move /c /x/y", tree.ErrNoParent, "", c},
		{"of nothing: the destination stays", c + "/x=old", nil, "move /y /x", fs.ErrNotExist, "", c + "/x=old"},
		{"§9.9.4 a member that may not be moved is kept with its ancestors", c, guard{"unbind /c/d/2": fs.ErrPermission}, "move /c /x", tree.ErrPartial, "/c/d/2: permission denied",
			"/c/ /c/d/ /c/d/2=two /x/ /x/1=one /x/d/ /x/d/e/ /x/d/e/3=three"},
		{"§9.9.3 a member of the destination is refused", c + "/x/ /x/d/ /x/d/old=old", guard{"unbind /x/d": fs.ErrPermission, "write-content /x/d": fs.ErrPermission}, "move /c /x",
			tree.ErrPartial, "/x/d/: permission denied", c + "/x/ /x/d/ /x/d/old=old"},
		{"a hidden member is not named", c, guard{"unbind /c/d/2": fs.ErrNotExist}, "move /c /x", tree.ErrPartial,
			"/c/d/: kept: a hidden member could not be removed: permission denied", "/c/ /c/d/ /c/d/2=two /x/ /x/1=one /x/d/ /x/d/e/ /x/d/e/3=three"},
		{"the source may not be moved", c, guard{"unbind /c": fs.ErrPermission}, "move /c /x", fs.ErrPermission, "", c},
		{"the destination may not be replaced", c + "/x=old", guard{"unbind /x": fs.ErrPermission, "write-content /x": fs.ErrPermission}, "move /c/1 /x", fs.ErrPermission, "", c + "/x=old"},
	} {
		for _, b := range backends {
			t.Run(tt.rule+"/"+b.name, func(t *testing.T) {
				f := b.open(t)
				fill(t, f, tt.before)
				store := &props.Memory{}
				for _, s := range strings.Fields(tt.before) {
					name, _, _ := strings.Cut(s, "=")
					mark(t, store, strings.TrimSuffix(name, "/"))
				}
				e := &tree.Tree{FS: f, Props: store, Warn: func(_ context.Context, msg string, p davpath.Path, err error) { t.Errorf("%s: %s: %v", msg, p, err) }}
				if tt.guard != nil {
					e.Guard = tt.guard
				}
				var reports []string
				report := func(p davpath.Path, collection bool, err error) {
					s := p.String()
					if collection {
						s += "/"
					}
					reports = append(reports, s+": "+err.Error())
				}
				args := strings.Fields(tt.run)
				src, dst := davpath.Must(args[1]), davpath.Must(args[len(args)-1])
				var err error
				switch args[0] {
				case "delete":
					err = deleteAll(t.Context(), e, src, report)
				case "copy":
					err = copyTo(t.Context(), e, src, dst, tree.Infinity, report)
				case "copy0":
					err = copyTo(t.Context(), e, src, dst, tree.Zero, report)
				case "move":
					err = moveTo(t.Context(), e, src, dst, report)
				}
				if !errors.Is(err, tt.err) || err != nil && tt.err == nil {
					t.Errorf("error = %v, want %v", err, tt.err)
				}
				if got := strings.Join(reports, ", "); got != tt.reports {
					t.Errorf("reports = %q, want %q", got, tt.reports)
				}
				want := strings.Fields(tt.after)
				sort.Strings(want)
				if got := dump(t, f, "/"); strings.Join(got, " ") != strings.Join(want, " ") {
					t.Errorf("after it:\ngot  %q\nwant %q", got, want)
				}
				checkMarks(t, f, store, args[0], src, dst)
			})
		}
	}
}

// mark gives a resource a property whose value is its path.
func mark(t *testing.T, s props.Store, name string) {
	t.Helper()
	p := props.Property{XMLName: props.DAV("origin"), InnerXML: []byte(name)}
	if err := s.Patch(t.Context(), davpath.Must(name), []props.Change{{Property: p}}); err != nil {
		t.Fatal(err)
	}
}

// checkMarks checks that properties are where their resources are, and that removed resources have
// none.
func checkMarks(t *testing.T, f fsbackend.Backend, s props.Store, op string, src, dst davpath.Path) {
	t.Helper()
	for _, name := range strings.Fields("/c /c/1 /c/d /c/d/2 /c/d/e /c/d/e/3 /x /x/1 /x/d /x/d/2 /x/d/e /x/d/e/3 /x/old /x/old2 /x/2 /x/3 /x/d/old /x/o /x/o/p /x/y") {
		p := davpath.Must(name)
		ps, err := s.Get(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Stat(t.Context(), p)
		if exists := err == nil; exists != (len(ps) > 0) {
			t.Errorf("%s: exists %v, has %d properties", name, exists, len(ps))
			continue
		}
		if len(ps) == 0 || op == "delete" || !dst.Contains(p) || dst == src {
			continue
		}
		// A file from the source has the source's mark. Contents are unique and show the origin.
		if r, err := f.Open(t.Context(), p); err == nil {
			if b, err := io.ReadAll(r); err == nil && len(b) > 0 {
				origin := string(ps[0].InnerXML)
				if fromSource := string(b) != "old" && string(b) != "y" && string(b) != "file"; fromSource != src.Contains(davpath.Must(origin)) && !src.Contains(dst) && !dst.Contains(src) {
					t.Errorf("%s=%s has the properties of %s", name, b, origin)
				}
			}
			r.Close()
		}
	}
}

// Symbolic links within a tree on disk, and links out of it.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"c/d", "t"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{"c/1": "one", "c/d/2": "two", "t/f": "target"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"c/in": "../t", "c/file": "../t/f", "c/up": "..", "c/broken": "nowhere", "c/out": os.TempDir()} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	d := openDir(t, dir)
	e := &tree.Tree{FS: d, Props: &props.Memory{}}
	report := func(out *[]string) tree.Report {
		return func(p davpath.Path, collection bool, err error) {
			kind := "other"
			for k, target := range map[string]error{"loop": tree.ErrLoop, "missing": fs.ErrNotExist, "denied": fs.ErrPermission} {
				if errors.Is(err, target) {
					kind = k
				}
			}
			*out = append(*out, p.String()+" "+kind)
		}
	}
	walk := func(name string) (out []string) {
		r, err := e.Stat(t.Context(), davpath.Must(name))
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range e.Walk(t.Context(), r, tree.Infinity) {
			if err != nil {
				report(&out)(r.Path, false, err)
				continue
			}
			out = append(out, r.Path.String())
		}
		return out
	}
	got := strings.Join(walk("/c"), ", ")
	want := "/c, /c/1, /c/d, /c/d/2, /c/file, /c/in, /c/in/f, " + // neither broken nor out: GET would be 404
		"/c/up, /c/up/c loop, /c/up/t, /c/up/t/f"
	if got != want {
		t.Errorf("walk:\ngot  %s\nwant %s", got, want)
	}
	var reports []string
	if err := copyTo(t.Context(), e, davpath.Must("/c"), davpath.Must("/x"), tree.Infinity, report(&reports)); !errors.Is(err, tree.ErrPartial) {
		t.Errorf("Copy = %v", err)
	}
	if got, want := strings.Join(reports, ", "), "/c/broken missing, /c/out missing, /c/up/c loop, /c/up/x loop"; got != want {
		t.Errorf("copy reports:\ngot  %s\nwant %s", got, want)
	}
	if got, want := strings.Join(walk("/x"), " "), "/x /x/1 /x/d /x/d/2 /x/file /x/in /x/in/f /x/up /x/up/t /x/up/t/f"; got != want {
		t.Errorf("the copy:\ngot  %s\nwant %s", got, want)
	}
	for _, dst := range []string{"/c/in", "/c/in/x", "/c/file"} { // other names of what is copied, and below it
		for _, src := range []string{"/t", "/t/f"} {
			if src == "/t/f" && dst != "/c/file" || src == "/t" && dst == "/c/file" {
				continue
			}
			if err := copyTo(t.Context(), e, davpath.Must(src), davpath.Must(dst), tree.Infinity, report(&reports)); !errors.Is(err, tree.ErrOverlap) {
				t.Errorf("Copy %s to its other name %s = %v, want %v", src, dst, err, tree.ErrOverlap)
			}
		}
	}
	if err := moveTo(t.Context(), e, davpath.Must("/c"), davpath.Must("/moved"), report(&reports)); err != nil {
		t.Errorf("Move = %v", err)
	}
	if to, err := os.Readlink(filepath.Join(dir, "moved", "broken")); err != nil || to != "nowhere" {
		t.Errorf("a link is moved as it is: %q, %v", to, err)
	}
	if err := deleteAll(t.Context(), e, davpath.Must("/moved"), report(&reports)); err != nil {
		t.Errorf("Delete = %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "t", "f")); err != nil || string(b) != "target" {
		t.Errorf("what a removed link led to: %q, %v", b, err)
	}
}

// A cancelled request stops the operation, which then returns an error and has changed nothing.
func TestCancelled(t *testing.T) {
	f := memory.New(nil).Backend()
	fill(t, f, "/c/ /c/1=one /c/2=two")
	e := &tree.Tree{FS: f, Props: &props.Memory{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report := func(p davpath.Path, _ bool, err error) { t.Errorf("reported %s: %v", p, err) }
	if err := deleteAll(ctx, e, davpath.Must("/c"), report); !errors.Is(err, context.Canceled) {
		t.Errorf("Delete = %v", err)
	}
	if got := strings.Join(dump(t, f, "/"), " "); got != "/c/ /c/1=one /c/2=two" {
		t.Errorf("left: %s", got)
	}
}
