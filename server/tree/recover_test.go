package tree_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// marks returns the names of the resources that have the property which mark gave them, and its value.
func marks(t *testing.T, e *tree.Tree) string {
	t.Helper()
	var out []string
	for entry, err := range e.Props.All(t.Context(), davpath.Root) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Stat(t.Context(), entry.Path); err != nil {
			out = append(out, entry.Path.String()+" gone")
			continue
		}
		for _, p := range entry.Properties {
			out = append(out, entry.Path.String()+"="+string(p.InnerXML))
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return strings.Compare(strings.ReplaceAll(a, "=", " "), strings.ReplaceAll(b, "=", " "))
	})
	return strings.Join(out, " ")
}

// own gives each resource a property with its name as the value.
func own(t *testing.T, e *tree.Tree, names ...string) {
	t.Helper()
	for _, name := range names {
		p := props.Property{InnerXML: []byte(name)}
		p.XMLName.Local = "name"
		if err := e.Props.Patch(t.Context(), davpath.Must(name), []props.Change{{Property: p}}); err != nil {
			t.Fatal(err)
		}
	}
}

// A MOVE that was killed in its middle has moved some of the files and told the store of none: at the next start the
// properties are where their files are.
func TestFinishMoves(t *testing.T) {
	for _, tt := range []struct {
		what string
		done []string // renames that had been made, "FROM TO"; a lone name was removed
		want string
	}{
		{"nothing", nil, "/d=/d /d/m=/d/m /d/plain=/d/plain /s=/s /s/m=/s/m /s/sub/n=/s/sub/n"},
		// What a member without properties replaced is replaced with its properties.
		{"everything in one rename", []string{"/d /aside", "/s /d"}, "/d=/s /d/m=/s/m /d/sub/n=/s/sub/n"},
		{"everything, member by member", []string{"/d/m", "/d/plain", "/d /aside", "/s /d"}, "/d=/s /d/m=/s/m /d/sub/n=/s/sub/n"},
		{"a member", []string{"/d/m", "/s/m /d/m"}, "/d=/d /d/m=/s/m /d/plain=/d/plain /s=/s /s/sub/n=/s/sub/n"},
		{"a member of a member's collection", []string{"/s/sub/n /d/new"}, "/d=/d /d/m=/d/m /d/plain=/d/plain /s=/s /s/m=/s/m /s/sub/n gone"},
		{"the old one is away, the new one not there", []string{"/d /aside"}, "/d gone /d/m gone /d/plain gone /s=/s /s/m=/s/m /s/sub/n=/s/sub/n"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			files := fsbackend.New(fsbackend.Memory())
			fill(t, files, "/s/ /s/m=1 /s/plain=4 /s/sub/ /s/sub/n=2 /d/ /d/m=3 /d/plain=5")
			e := &tree.Tree{FS: files, Props: &props.Memory{}}
			own(t, e, "/s", "/s/m", "/s/sub/n", "/d", "/d/m", "/d/plain")
			if err := e.Props.Update(t.Context(), props.MoveIntent{Src: davpath.Must("/s"), Dst: davpath.Must("/d")}); err != nil {
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
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				if left, err := e.Props.Moves(t.Context()); len(left) > 0 || err != nil {
					t.Errorf("still moving: %v, %v", left, err)
				}
			}
		})
	}
}

// Properties whose file was removed or renamed behind the server's back are removed once that has been seen for a while; until
// then they are back with what has the name. A file that replaced another one by renaming has its properties.
func TestReconcile(t *testing.T) {
	files := fsbackend.New(fsbackend.Memory())
	fill(t, files, "/kept=1 /removed=1 /replaced=1 /renamed=1 /back=1")
	e := &tree.Tree{FS: files, Props: &props.Memory{}}
	own(t, e, "/kept", "/removed", "/replaced", "/renamed", "/back")
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
	reconcile := func() (removed int) {
		t.Helper()
		for entry, err := range e.Props.All(t.Context(), davpath.Root) {
			must(err)
			gone, err := e.Reconcile(t.Context(), entry, now, 24*time.Hour)
			must(err)
			if gone {
				removed++
			}
		}
		return removed
	}
	const before = "/back gone /kept=/kept /removed gone /renamed gone /replaced=/replaced"
	for range 2 {
		if n, got := reconcile(), marks(t, e); n != 0 || got != before {
			t.Errorf("at first: removed %d, have %s, want %s", n, got, before)
		}
		now = now.Add(23 * time.Hour)
	}
	must(files.Rename(t.Context(), "/away", "/back"))
	if n := reconcile(); n != 2 {
		t.Errorf("after a day: removed %d, want 2", n)
	}
	if got, want := marks(t, e), "/back=/back /kept=/kept /replaced=/replaced"; got != want {
		t.Errorf("after a day: %s, want %s", got, want)
	}
	// What came back is watched anew.
	must(files.RemoveAll(t.Context(), "/back"))
	if n := reconcile(); n != 0 {
		t.Errorf("gone again: removed %d at once", n)
	}
}

// fullStore has no room for a move.
type fullStore struct{ props.Memory }

func (s *fullStore) Update(ctx context.Context, ops ...props.Op) error {
	for _, op := range ops {
		if _, ok := op.(props.Move); ok {
			return syscall.ENOSPC
		}
	}
	return s.Memory.Update(ctx, ops...)
}

// A collection whose properties cannot get the new name keeps the old one, and the answer is an error: nothing has changed.
func TestMoveWithoutRoomForProperties(t *testing.T) {
	files := fsbackend.New(fsbackend.Memory())
	fill(t, files, "/s/ /s/m=1")
	e := &tree.Tree{FS: files, Props: &fullStore{}}
	own(t, e, "/s", "/s/m")
	err := e.Move(t.Context(), davpath.Must("/s"), davpath.Must("/d"), func(p davpath.Path, _ bool, err error) {
		t.Errorf("reported %s: %v", p, err)
	})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Move = %v, want %v", err, syscall.ENOSPC)
	}
	if got, want := marks(t, e), "/s=/s /s/m=/s/m"; got != want {
		t.Errorf("properties: %s, want %s", got, want)
	}
	if left, err := e.Props.Moves(t.Context()); len(left) > 0 || err != nil {
		t.Errorf("still moving: %v, %v", left, err)
	}
}

// A file that has replaced another and whose properties found no room is reported; what belonged to its old name is gone.
func TestMoveOverFileWithoutRoomForProperties(t *testing.T) {
	files := plain{fsbackend.New(fsbackend.Memory())}
	fill(t, files, "/s=1 /d=2")
	var gone, reports []string
	e := &tree.Tree{FS: files, Props: &fullStore{}, Gone: func(p davpath.Path, below bool) { gone = append(gone, fmt.Sprint(p, " ", below)) }}
	own(t, e, "/s", "/d")
	err := e.Move(t.Context(), davpath.Must("/s"), davpath.Must("/d"), func(p davpath.Path, _ bool, err error) {
		reports = append(reports, p.String())
	})
	if !errors.Is(err, tree.ErrPartial) || !slices.Equal(reports, []string{"/d"}) {
		t.Errorf("Move = %v, reports %q, want it reported for /d", err, reports)
	}
	if !slices.Contains(gone, "/s false") {
		t.Errorf("gone: %q, want /s among it", gone)
	}
}

// unreadable has properties of one resource that cannot be read.
type unreadable struct {
	props.Memory
	at davpath.Path
}

func (s *unreadable) Get(ctx context.Context, p davpath.Path) ([]props.Property, error) {
	if p == s.at {
		return nil, syscall.EIO
	}
	return s.Memory.Get(ctx, p)
}

// A file that goes to another volume and whose properties cannot be read stays at the source, and
// only there: dead properties "MUST be moved along" (RFC 4918 §9.9.1), so a copy without them is
// taken back.
func TestMoveAcrossWithoutItsProperties(t *testing.T) {
	for _, tt := range []struct{ rule, before, after string }{
		{"§9.9.1 the destination is free", "/s/ /s/a=1 /s/m=2", "/d/ /d/a=1 /s/ /s/m=2"},
		{"§9.9.3 the destination is replaced", "/s/ /s/a=1 /s/m=2 /d/ /d/m=old", "/d/ /d/a=1 /s/ /s/m=2"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			files := faultfs.New(fsbackend.New(fsbackend.Memory()))
			fill(t, files, tt.before)
			for _, name := range []string{"/s", "/s/**"} {
				files.Fail(faultfs.Rename, name, syscall.EXDEV)
			}
			e := &tree.Tree{FS: files, Props: &unreadable{at: davpath.Must("/s/m")}}
			var reports []string
			err := e.Move(t.Context(), davpath.Must("/s"), davpath.Must("/d"), func(p davpath.Path, _ bool, err error) {
				reports = append(reports, p.String())
			})
			if !errors.Is(err, tree.ErrPartial) || len(reports) != 1 {
				t.Errorf("Move = %v, reports %q, want one", err, reports)
			}
			if got := strings.Join(dump(t, files, "/"), " "); got != tt.after {
				t.Errorf("there is %s, want %s", got, tt.after)
			}
		})
	}
}
