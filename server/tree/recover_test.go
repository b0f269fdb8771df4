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
	"time"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/resource"
	"dav207/server/tree"
)

// marks returns the names of the resources that have the property which mark gave them, and its value.
func marks(t *testing.T, e *tree.Tree) string {
	t.Helper()
	var out []string
	for entry, err := range e.Props.All(t.Context(), resource.Root) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := e.Stat(t.Context(), entry.Path)
		if err != nil {
			out = append(out, entry.Path.String()+" gone")
			continue
		}
		ps, err := e.Props.Get(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ps {
			out = append(out, entry.Path.String()+"="+string(p.InnerXML))
		}
		if len(ps) == 0 {
			out = append(out, entry.Path.String()+" another's")
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return strings.Compare(strings.ReplaceAll(a, "=", " "), strings.ReplaceAll(b, "=", " "))
	})
	return strings.Join(out, " ")
}

// own gives each resource a property with its name as the value, which then belongs to that file.
func own(t *testing.T, e *tree.Tree, names ...string) {
	t.Helper()
	for _, name := range names {
		r, err := e.Stat(t.Context(), resource.Must(name))
		if err != nil {
			t.Fatal(err)
		}
		p := props.Property{InnerXML: []byte(name)}
		p.XMLName.Local = "name"
		if err := e.Props.Patch(t.Context(), r, []props.Change{{Property: p}}); err != nil {
			t.Fatal(err)
		}
	}
}

// anonymous hides who the files are, as some file systems do.
type anonymous struct{ webdav.FileSystem }

func (a anonymous) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	info, err := a.FileSystem.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	return struct{ fs.FileInfo }{info}, nil
}

// A MOVE that was killed in its middle has moved some of the files and told the store of none: at the next start the
// properties are where their files are.
func TestFinishMoves(t *testing.T) {
	for _, tt := range []struct {
		what string
		done []string // renames that had been made, "FROM TO"; a lone name was removed
		want string
	}{
		{"nothing", nil, "/d=/d /d/m=/d/m /s=/s /s/m=/s/m /s/sub/n=/s/sub/n"},
		{"everything in one rename", []string{"/d /aside", "/s /d"}, "/d=/s /d/m=/s/m /d/sub/n=/s/sub/n"},
		{"a member", []string{"/d/m", "/s/m /d/m"}, "/d=/d /d/m=/s/m /s=/s /s/sub/n=/s/sub/n"},
		{"a member of a member's collection", []string{"/s/sub/n /d/new"}, "/d=/d /d/m=/d/m /s=/s /s/m=/s/m /s/sub/n gone"},
		{"the old one is away, the new one not there", []string{"/d /aside"}, "/d gone /d/m gone /s=/s /s/m=/s/m /s/sub/n=/s/sub/n"},
	} {
		for _, blind := range []bool{false, true} {
			var files webdav.FileSystem = fsbackend.New(fsbackend.Memory())
			fill(t, files, "/s/ /s/m=1 /s/sub/ /s/sub/n=2 /d/ /d/m=3")
			if blind {
				files = anonymous{files}
			}
			e := &tree.Tree{FS: files, Props: &props.Memory{}}
			own(t, e, "/s", "/s/m", "/s/sub/n", "/d", "/d/m")
			if err := e.Props.Update(t.Context(), props.Moving{Src: resource.Must("/s"), Dst: resource.Must("/d")}); err != nil {
				t.Fatal(err)
			}
			for _, step := range tt.done {
				from, to, both := strings.Cut(step, " ")
				var err error
				if both {
					err = files.Rename(t.Context(), from, to)
				} else {
					err = files.RemoveAll(t.Context(), from)
				}
				if err != nil {
					t.Fatal(step, ": ", err)
				}
			}
			for range 2 { // it may be killed again
				if err := e.FinishMoves(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := marks(t, e); got != tt.want {
					t.Errorf("%s (blind %v):\ngot  %s\nwant %s", tt.what, blind, got, tt.want)
				}
				if left, err := e.Props.Moving(t.Context()); len(left) > 0 || err != nil {
					t.Errorf("%s: still moving: %v, %v", tt.what, left, err)
				}
			}
		}
	}
}

// Properties whose file was removed, renamed or replaced behind the server's back are removed once that has been seen for
// a while; until then they come back with their file.
func TestTend(t *testing.T) {
	files := fsbackend.New(fsbackend.Memory())
	fill(t, files, "/kept=1 /removed=1 /replaced=1 /renamed=1 /other=1 /back=1")
	e := &tree.Tree{FS: files, Props: &props.Memory{}}
	own(t, e, "/kept", "/removed", "/replaced", "/renamed", "/back")
	if err := e.Props.Patch(t.Context(), props.Resource{Path: resource.Must("/other")}, []props.Change{{Property: props.Property{InnerXML: []byte("o")}}}); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(files.RemoveAll(t.Context(), "/removed"))
	must(files.RemoveAll(t.Context(), "/replaced"))
	fill(t, files, "/replaced=2")
	must(files.Rename(t.Context(), "/renamed", "/new"))
	must(files.Rename(t.Context(), "/back", "/away"))
	now := time.Unix(1e9, 0)
	tend := func() (removed int) {
		t.Helper()
		for entry, err := range e.Props.All(t.Context(), resource.Root) {
			must(err)
			gone, err := e.Tend(t.Context(), entry, now, 24*time.Hour)
			must(err)
			if gone {
				removed++
			}
		}
		return removed
	}
	const before = "/back gone /kept=/kept /other=o /removed gone /renamed gone /replaced another's"
	for range 2 {
		if n, got := tend(), marks(t, e); n != 0 || got != before {
			t.Errorf("at first: removed %d, have %s, want %s", n, got, before)
		}
		now = now.Add(23 * time.Hour)
	}
	must(files.Rename(t.Context(), "/away", "/back"))
	if n := tend(); n != 3 {
		t.Errorf("after a day: removed %d, want 3", n)
	}
	if got, want := marks(t, e), "/back=/back /kept=/kept /other=o"; got != want {
		t.Errorf("after a day: %s, want %s", got, want)
	}
	// Whose it was not known before belongs to the file now.
	must(files.RemoveAll(t.Context(), "/other"))
	fill(t, files, "/other=2")
	if got, want := marks(t, e), "/back=/back /kept=/kept /other another's"; got != want {
		t.Errorf("replaced later: %s, want %s", got, want)
	}
	// What came back is watched anew.
	must(files.RemoveAll(t.Context(), "/back"))
	if n := tend(); n != 0 {
		t.Errorf("gone again: removed %d at once", n)
	}
}

// fullStore has no room for a move.
type fullStore struct{ props.Memory }

func (s *fullStore) Update(ctx context.Context, steps ...props.Step) error {
	for _, step := range steps {
		if _, ok := step.(props.Move); ok {
			return syscall.ENOSPC
		}
	}
	return s.Memory.Update(ctx, steps...)
}

// A collection whose properties cannot get the new name keeps the old one, and the answer is an error: nothing has changed.
func TestMoveWithoutRoomForProperties(t *testing.T) {
	files := fsbackend.New(fsbackend.Memory())
	fill(t, files, "/s/ /s/m=1")
	e := &tree.Tree{FS: files, Props: &fullStore{}}
	own(t, e, "/s", "/s/m")
	err := e.Move(t.Context(), resource.Must("/s"), resource.Must("/d"), func(p resource.Path, _ bool, err error) {
		t.Errorf("reported %s: %v", p, err)
	})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Move = %v, want %v", err, syscall.ENOSPC)
	}
	if got, want := marks(t, e), "/s=/s /s/m=/s/m"; got != want {
		t.Errorf("properties: %s, want %s", got, want)
	}
	if left, err := e.Props.Moving(t.Context()); len(left) > 0 || err != nil {
		t.Errorf("still moving: %v, %v", left, err)
	}
}

// A file that has replaced another and whose properties found no room is reported; what belonged to its old name is gone.
func TestMoveOverFileWithoutRoomForProperties(t *testing.T) {
	files := plain{fsbackend.New(fsbackend.Memory())}
	fill(t, files, "/s=1 /d=2")
	var gone, reports []string
	e := &tree.Tree{FS: files, Props: &fullStore{}, Gone: func(p resource.Path, below bool) { gone = append(gone, fmt.Sprint(p, " ", below)) }}
	own(t, e, "/s", "/d")
	err := e.Move(t.Context(), resource.Must("/s"), resource.Must("/d"), func(p resource.Path, _ bool, err error) {
		reports = append(reports, p.String())
	})
	if !errors.Is(err, tree.ErrPartial) || !slices.Equal(reports, []string{"/d"}) {
		t.Errorf("Move = %v, reports %q, want it reported for /d", err, reports)
	}
	if !slices.Contains(gone, "/s false") {
		t.Errorf("gone: %q, want /s among it", gone)
	}
}
