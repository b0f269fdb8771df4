package tree_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/tree"
)

// marks returns the paths that have properties, with their values. Those without a file are
// followed by "gone".
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

// setProps gives each resource a property with its path as the value.
func setProps(t *testing.T, e *tree.Tree, names ...string) {
	t.Helper()
	for _, name := range names {
		p := props.Property{InnerXML: []byte(name)}
		p.XMLName.Local = "name"
		if err := e.Props.Patch(t.Context(), davpath.Must(name), []props.Change{{Property: p}}); err != nil {
			t.Fatal(err)
		}
	}
}

// A MOVE that was killed has renamed some of the files and changed no properties. After the next
// start the properties are where their files are.
func TestFinishMoves(t *testing.T) {
	for _, tt := range []struct {
		what string
		done []string // renames that had been made, "FROM TO"; a lone name was removed
		want string
	}{
		{"nothing", nil, "/d=/d /d/m=/d/m /d/plain=/d/plain /s=/s /s/m=/s/m /s/sub/n=/s/sub/n"},
		// What a member without properties replaced is replaced with its properties.
		{"everything in one rename", []string{"/d /away", "/s /d"}, "/d=/s /d/m=/s/m /d/sub/n=/s/sub/n"},
		{"everything, member by member", []string{"/d/m", "/d/plain", "/d /away", "/s /d"}, "/d=/s /d/m=/s/m /d/sub/n=/s/sub/n"},
		{"a member", []string{"/d/m", "/s/m /d/m"}, "/d=/d /d/m=/s/m /d/plain=/d/plain /s=/s /s/sub/n=/s/sub/n"},
		{"a member of a member's collection", []string{"/s/sub/n /d/new"}, "/d=/d /d/m=/d/m /d/plain=/d/plain /s=/s /s/m=/s/m /s/sub/n gone"},
		{"the old one is away, the new one not there", []string{"/d /away"}, "/d gone /d/m gone /d/plain gone /s=/s /s/m=/s/m /s/sub/n=/s/sub/n"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			files := memory.New(nil).Backend()
			fill(t, files, "/s/ /s/m=1 /s/plain=4 /s/sub/ /s/sub/n=2 /d/ /d/m=3 /d/plain=5")
			e := &tree.Tree{FS: files, Props: &props.Memory{}}
			setProps(t, e, "/s", "/s/m", "/s/sub/n", "/d", "/d/m", "/d/plain")
			if err := e.Props.Update(t.Context(), props.MoveIntent{Src: davpath.Must("/s"), Dst: davpath.Must("/d")}); err != nil {
				t.Fatal(err)
			}
			for _, step := range tt.done {
				from, to, both := strings.Cut(step, " ")
				var err error
				if both {
					err = files.Rename(t.Context(), davpath.Must(from), davpath.Must(to))
				} else {
					err = removeAll(t.Context(), files, davpath.Must(from))
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

// The properties of a file that was removed or renamed outside the server are removed once the file
// has been missing for the grace period. A file that gets the name before has them, and so has a
// file that replaced another by a rename.
func TestReconcile(t *testing.T) {
	files := memory.New(nil).Backend()
	fill(t, files, "/kept=1 /removed=1 /replaced=1 /renamed=1 /back=1")
	e := &tree.Tree{FS: files, Props: &props.Memory{}}
	setProps(t, e, "/kept", "/removed", "/replaced", "/renamed", "/back")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(removeAll(t.Context(), files, davpath.Must("/removed")))
	must(removeAll(t.Context(), files, davpath.Must("/replaced")))
	fill(t, files, "/replaced=2")
	must(files.Rename(t.Context(), davpath.Must("/renamed"), davpath.Must("/new")))
	must(files.Rename(t.Context(), davpath.Must("/back"), davpath.Must("/away")))
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
	must(files.Rename(t.Context(), davpath.Must("/away"), davpath.Must("/back")))
	if n := reconcile(); n != 2 {
		t.Errorf("after a day: removed %d, want 2", n)
	}
	if got, want := marks(t, e), "/back=/back /kept=/kept /replaced=/replaced"; got != want {
		t.Errorf("after a day: %s, want %s", got, want)
	}
	// A second disappearance begins a new grace period.
	must(removeAll(t.Context(), files, davpath.Must("/back")))
	if n := reconcile(); n != 0 {
		t.Errorf("gone again: removed %d at once", n)
	}
}

// fullStore is a store without room for a move.
type fullStore struct{ props.Memory }

func (s *fullStore) Update(ctx context.Context, ops ...props.Op) error {
	for _, op := range ops {
		if _, ok := op.(props.Move); ok {
			return syscall.ENOSPC
		}
	}
	return s.Memory.Update(ctx, ops...)
}

// If the properties of a resource cannot be moved, it is not moved either, what is at the
// destination stays, and the error says that nothing has changed.
func TestMoveWithoutRoomForProperties(t *testing.T) {
	for _, before := range []string{"/s/ /s/m=1", "/d=2 /s=1", "/d/ /d/o=2 /s/ /s/m=1"} {
		files := memory.New(nil).Backend()
		fill(t, files, before)
		e := &tree.Tree{FS: files, Props: &fullStore{}, Gone: func(p davpath.Path, _ bool) { t.Errorf("%s is gone", p) }}
		want := ""
		for name := range strings.FieldsSeq(before) {
			name, _, _ = strings.Cut(name, "=")
			name = strings.TrimSuffix(name, "/")
			setProps(t, e, name)
			want += name + "=" + name + " "
		}
		err := moveTo(t.Context(), e, davpath.Must("/s"), davpath.Must("/d"), func(p davpath.Path, _ bool, err error) {
			t.Errorf("reported %s: %v", p, err)
		})
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Move = %v, want %v", err, syscall.ENOSPC)
		}
		if got := marks(t, e) + " "; got != want {
			t.Errorf("properties: %s, want %s", got, want)
		}
		if got := strings.Join(dump(t, files, "/"), " "); got != before {
			t.Errorf("there is %s, want %s", got, before)
		}
		if left, err := e.Props.Moves(t.Context()); len(left) > 0 || err != nil {
			t.Errorf("still moving: %v, %v", left, err)
		}
	}
}

// unreadable is a store that cannot read the properties of one resource.
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

// A file that is moved to another volume and whose properties cannot be read stays at the source
// only. Dead properties "MUST be moved along" (RFC 4918 §9.9.1), so a copy without them is removed.
func TestMoveAcrossWithoutItsProperties(t *testing.T) {
	for _, tt := range []struct{ rule, before, after string }{
		{"§9.9.1 the destination is free", "/s/ /s/a=1 /s/m=2", "/d/ /d/a=1 /s/ /s/m=2"},
		{"§9.9.3 the destination is replaced", "/s/ /s/a=1 /s/m=2 /d/ /d/m=old", "/d/ /d/a=1 /s/ /s/m=2"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			files := faultfs.New(memory.New(nil).Backend())
			fill(t, files, tt.before)
			for _, name := range []string{"/s", "/s/**"} {
				files.Fail(faultfs.Rename, name, syscall.EXDEV)
			}
			e := &tree.Tree{FS: files, Props: &unreadable{at: davpath.Must("/s/m")}}
			mark(t, e.Props, "/s/m")
			var reports []string
			err := moveTo(t.Context(), e, davpath.Must("/s"), davpath.Must("/d"), func(p davpath.Path, _ bool, err error) {
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
