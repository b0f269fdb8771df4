package props_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// brokenStore cannot store anything.
type brokenStore struct {
	props.Memory
	err error
}

func (s *brokenStore) Patch(context.Context, davpath.Path, []props.Change) error { return s.err }

func changes(spec string) (out []props.Change) {
	for _, f := range strings.Fields(spec) {
		name, remove := strings.CutPrefix(f, "-")
		name, value, _ := strings.Cut(name, "=")
		c := props.Change{Remove: remove, Property: props.Property{XMLName: names(name)[0]}}
		if !remove {
			c.Property.InnerXML = []byte(value)
		}
		out = append(out, c)
	}
	return
}

func TestPatch(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		changes string
		deny    map[string]error
		store   error // what storing fails with
		undo    error // what setting the time a second time fails with
		want    string
		stored  string // afterwards; before it is z:x=old
		time    string // what DAV:time was set to
	}{
		{"9.2 all done", "z:y=1 -z:x", nil, nil, nil, "200: y x", "y=1", ""},
		{"14.24 nothing to do has one empty propstat", "", nil, nil, nil, "200:", "x=old", ""},
		{"9.2 in document order", "z:y=1 -z:y z:y=2", nil, nil, nil, "200: y", "x=old y=2", ""},
		{"9.2 a protected property: 403, and nothing is stored", "z:y=1 a=2 -z:x", nil, nil, nil,
			"424: y x; 403: a (cannot-modify-protected-property)", "x=old", ""},
		{"9.2 a protected property cannot be removed", "-a", nil, nil, nil, "403: a (cannot-modify-protected-property)", "x=old", ""},
		{"9.2 each refused one has its own status", "z:y=1 a=2 named=3 z:q=4", map[string]error{"write-properties named": fs.ErrPermission}, nil, nil,
			"424: y q; 403: a (cannot-modify-protected-property); 403: named", "x=old", ""},
		{"15.2 a property that may be stored is", "named=mine", nil, nil, nil, "200: named", "x=old named=mine", ""},
		{"9.2.1 no room: 507 for what could not be stored", "z:y=1 z:w=2", nil, syscall.ENOSPC, nil, "507: y w (sufficient-disk-space)", "x=old", ""},
		{"9.2 a bad value: its own status", "time=bad z:y=1", nil, nil, nil, "400: time; 424: y", "x=old", ""},
		{"9.2 live and dead ones together", "time=5 z:y=1", nil, nil, nil, "200: time y", "x=old y=1", "5"},
		{"9.2 a live one is taken back when storing fails", "time=5 z:y=1", nil, syscall.EIO, nil, "424: time; 500: y", "x=old", "0"},
		{"9.2 a live one that fails: nothing is stored", "time=broken z:y=1", nil, nil, nil, "500: time; 424: y", "x=old", ""},
		{"9.2 a live one cannot be removed", "-time", nil, nil, nil, "403: time (cannot-modify-protected-property)", "x=old", ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			set := ""
			g := registry()
			g.Register(props.Live{Name: props.DAV("time"), Prepare: live("", "0", false).Prepare,
				Set: func(_ context.Context, _ props.Resource, v *props.Property) (apply, undo func() error, err error) {
					value := string(v.InnerXML)
					if value == "bad" {
						return nil, nil, fs.ErrInvalid
					}
					apply = func() error {
						if value == "broken" {
							return errors.New("broken")
						}
						set = value
						return nil
					}
					return apply, func() error { set = "0"; return tt.undo }, nil
				}})
			store := &brokenStore{err: tt.store}
			if err := store.Memory.Patch(t.Context(), file.Path, changes("z:x=old")); err != nil {
				t.Fatal(err)
			}
			var s props.Store = &store.Memory
			if tt.store != nil {
				s = store
			}
			var policy access.PropertyPolicy
			if tt.deny != nil {
				policy = propertyRules{deny: tt.deny}
			}
			outcome, failed := g.Patch(t.Context(), s, policy, file, changes(tt.changes))
			if got := show(outcome); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if ours := strings.Contains(tt.want, "50"); (failed != nil) != ours || tt.store != nil && !errors.Is(failed, tt.store) {
				t.Errorf("for the log: got %v, want the cause of what is ours: %t", failed, ours)
			}
			var stored []string
			after, err := store.Get(t.Context(), file.Path)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range after {
				stored = append(stored, p.XMLName.Local+"="+string(p.InnerXML))
			}
			if got := strings.Join(stored, " "); got != tt.stored {
				t.Errorf("stored: got %q, want %q", got, tt.stored)
			}
			if set != tt.time {
				t.Errorf("time: got %q, want %q", set, tt.time)
			}
		})
	}
}

func TestScan(t *testing.T) {
	var store props.Memory
	for _, p := range []string{"/", "/a", "/a!", "/a/b", "/a/b/c", "/b/x"} {
		if err := store.Patch(t.Context(), davpath.Must(p), changes("z:path="+p)); err != nil {
			t.Fatal(err)
		}
	}
	scan := props.NewScan(t.Context(), &store)
	// The order of a walk: /a and what is below it come before /a!, names in byte order.
	for i, tt := range []struct{ path, want string }{
		{"/", "/"}, {"/0", ""}, {"/a", "/a"}, {"/a/a", ""}, {"/a/b", "/a/b"}, {"/a/b/b", ""}, {"/a/b/c", "/a/b/c"}, {"/a/b/d", ""},
		{"/a/c", ""}, {"/a!", "/a!"}, {"/b", ""}, {"/b/w", ""}, {"/b/x", "/b/x"}, {"/b/y", ""}, {"/c", ""},
	} {
		find := scan.Member
		if i == 0 {
			find = scan.Root
		}
		ps, err := find(davpath.Must(tt.path))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range ps {
			got += string(p.InnerXML)
		}
		if got != tt.want {
			t.Errorf("properties of %s: got %q, want %q", tt.path, got, tt.want)
		}
	}
}
