package propstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/props"
	"dav207/server/resource"
)

// identities asks for properties as those of one file or another.
func identities(t *testing.T, open func(t *testing.T) props.Store) {
	for _, tt := range []struct{ rule, steps, want string }{
		{"of the file itself", "set /a@1 x=1", "/a@1 x=1"},
		{"not of another one", "set /a@1 x=1", "/a@2"},
		{"of a file that is not known", "set /a@1 x=1", "/a x=1"},
		{"set for a file that is not known", "set /a x=1", "/a@2 x=1"},
		{"Patch begins anew for another file", "set /a@1 x=1\nset /a@2 y=2", "/a@2 y=2\n/a@1"},
		{"Patch ends those of another file even if it only removes", "set /a@1 x=1\nset /a@2 -y", "/a"},
		{"Patch tells whose they are from now on", "set /a x=1\nset /a@1 y=2", "/a@1 x=1 y=2\n/a@2"},
		{"Set tells whose they are from now on", "set /a@1 x=1\ncopy /a@1 /b@2", "/b@2 x=1\n/b@1"},
		{"Adopt: until the next change both", "set /a@1 x=1\nadopt /a@1 2", "/a@1 x=1\n/a@2 x=1\n/a@3"},
		{"Adopt: the next change is by one", "set /a@1 x=1\nadopt /a@1 2\nset /a@2 y=2", "/a@2 x=1 y=2\n/a@1"},
		{"Adopt again", "set /a@1 x=1\nadopt /a@1 2\nadopt /a@2 3", "/a@2 x=1\n/a@3 x=1\n/a@1"},
		{"Adopt by who is not the owner", "set /a@1 x=1\nadopt /a@2 3", "/a@1 x=1\n/a@3"},
		{"Adopt of nothing", "adopt /a@1 2", "/a@1\n/a@2"},
		{"Move keeps them", "set /a/f@1 x=1\nmove /a /b", "/b/f@1 x=1\n/b/f@2"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			s := open(t)
			for _, step := range strings.Split(tt.steps, "\n") {
				run(t, s, step)
			}
			for _, line := range strings.Split(tt.want, "\n") {
				name, _, _ := strings.Cut(line, " ")
				r := named(name)
				if got := name + show(get(t, s, r)); got != line {
					t.Errorf("got %q, want %q", got, line)
				}
				stored := ""
				member(t, s, r, func(ps []props.Property) { stored = show(ps) })
				if want := strings.TrimPrefix(line, name); stored != want {
					t.Errorf("Members has %q for %s, want %q", stored, name, want)
				}
			}
		})
	}
	t.Run("orphans", func(t *testing.T) {
		s := open(t)
		orphaned := func() (out []string) {
			for e, err := range s.All(t.Context(), resource.Must("/")) {
				if err != nil {
					t.Fatal(err)
				}
				since := int64(0)
				if !e.Orphaned.Equal(time.Time{}) {
					since = e.Orphaned.Unix()
				}
				out = append(out, fmt.Sprint(e.Path, " ", since))
			}
			slices.Sort(out)
			return out
		}
		for _, step := range []string{"set / x=1", "set /a@1 x=1", "set /a/b x=1", "orphan /a 17", "orphan /none 17"} {
			run(t, s, step)
		}
		if got, want := orphaned(), []string{"/ 0", "/a 17", "/a/b 0"}; !slices.Equal(got, want) {
			t.Errorf("orphaned since: got %q, want %q", got, want)
		}
		run(t, s, "orphan /a 0")
		if got, want := orphaned(), []string{"/ 0", "/a 0", "/a/b 0"}; !slices.Equal(got, want) {
			t.Errorf("orphaned since: got %q, want %q", got, want)
		}
		run(t, s, "orphan /a 18")
		run(t, s, "set /a@1 y=2")
		if got, want := orphaned(), []string{"/ 0", "/a 0", "/a/b 0"}; !slices.Equal(got, want) {
			t.Errorf("after a change: got %q, want %q", got, want)
		}
	})
}

func get(t *testing.T, s props.Store, r props.Resource) []props.Property {
	t.Helper()
	ps, err := s.Get(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func show(ps []props.Property) string {
	out := ""
	for _, p := range ps {
		out += " " + p.XMLName.Local + "=" + string(p.InnerXML)
	}
	return out
}

// moving announces moves and ends them.
func moving(t *testing.T, s props.Store) {
	pending := func() string {
		moves, err := s.Moving(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, m := range moves {
			out = append(out, fmt.Sprint(m.Src, ">", m.Dst))
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	for _, tt := range []struct{ step, want string }{
		{"set /a/b x=1", ""},
		{"moving /a /c", "/a>/c"},
		{"moving /a/b /d", "/a/b>/d /a>/c"},
		{"settled /a/b", "/a>/c"},
		{"move /a /c", ""},
		{"moving /e /c/b", "/e>/c/b"}, // what is there is about to be replaced
		{"move /e /c/b", ""},
		{"settled /e", ""},
	} {
		run(t, s, tt.step)
		if got := pending(); got != tt.want {
			t.Errorf("after %q: moving %q, want %q", tt.step, got, tt.want)
		}
	}
}

// steps takes several at once, of which later ones see what earlier ones did.
func steps(t *testing.T, s props.Store) {
	run(t, s, "set /a x=1")
	run(t, s, "set /a/b x=2")
	err := s.Update(t.Context(),
		props.Set{Resource: named("/c@1"), Properties: []props.Property{prop("y", "3")}},
		props.Move{Src: resource.Must("/a"), Dst: resource.Must("/c")},
		props.Delete{Path: resource.Must("/c/b")},
		props.Set{Resource: named("/a/b"), Properties: []props.Property{prop("z", "4")}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := dump(t, s, resource.Root), "/a/b z=4\n/c x=1\n"; got != want {
		t.Errorf("stored: got %q, want %q", got, want)
	}
}
