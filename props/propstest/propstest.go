// Package propstest tests implementations of props.Store.
package propstest

import (
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dav207/props"
	"dav207/server/davpath"
)

// Test tests the contract of props.Store. open must return a new, empty store for each call.
func Test(t *testing.T, open func(t *testing.T) props.Store) {
	contract(t, open)
	t.Run("concurrent use", func(t *testing.T) { concurrent(t, open(t)) })
}

// contract tests what holds without concurrency.
func contract(t *testing.T, open func(t *testing.T) props.Store) {
	for _, tt := range []struct {
		rule  string // from props.Store, or from RFC 4918 if it begins with a section
		steps string // one call a line: see run
		want  string // what is stored afterwards, one resource a line
	}{
		{"a resource has no properties at first", "", ""},
		{"§9.2 properties are set", "set /a x=1 y=2", "/a x=1 y=2"},
		{"§9.2 in their order: the last one counts", "set /a x=1 x=2", "/a x=2"},
		{"§9.2 in their order: set, then remove", "set /a x=1 -x", "/a"},
		{"§9.2 in their order: remove, then set", "set /a x=1\nset /a -x x=2", "/a x=2"},
		{"§14.23 removing what is not there is no error", "set /a -x y=1", "/a y=1"},
		{"a property that is set again keeps its place", "set /a x=1 y=2\nset /a x=3", "/a x=3 y=2"},
		{"the root can have properties", "set / x=1", "/ x=1"},
		{"names with a common prefix are different resources", "set /a x=1\nset /ab x=2\nset /a/b x=3", "/a x=1\n/a/b x=3\n/ab x=2"},
		{"Delete removes everything below", "set /a x=1\nset /a/b x=2\nset /a/b/c x=3\nset /ab x=4\ndelete /a", "/ab x=4"},
		{"Delete of what has none", "delete /a", ""},
		{"Delete of the root removes all", "set / x=1\nset /a x=2\ndelete /", ""},
		{"Set is for one resource", "set /a x=1\nset /a/b x=2\ncopy /a /c", "/a x=1\n/a/b x=2\n/c x=1"},
		{"Set leaves no others", "set /a x=1\nset /c y=1\nset /c/d z=1\ncopy /a /c", "/a x=1\n/c x=1\n/c/d z=1"},
		{"Set of none removes", "set /c y=1\ncopy /a /c", "/c"},
		{"what was copied is a copy", "set /a x=1\ncopy /a /c\nset /c x=2", "/a x=1\n/c x=2"},
		{"Move moves everything below", "set /a x=1\nset /a/b x=2\nset /ab x=3\nmove /a /c", "/ab x=3\n/c x=1\n/c/b x=2"},
		{"Move replaces the whole destination", "set /a x=1\nset /c y=1\nset /c/d z=1\nmove /a /c", "/c x=1"},
		{"Move of none removes those of the destination", "set /c y=1\nset /c/d z=1\nmove /a /c", ""},
		{"Move into another collection", "set /a x=1\nset /d/e y=1\nmove /a /d/a", "/d/a x=1\n/d/e y=1"},
		{"Move up over the own parent's sibling", "set /a/b/c x=1\nmove /a/b /b", "/b/c x=1"},
		{"names that sort around the separator", "set /a/b x=1\nset /a! x=2\nset /a x=3\nset /a0 x=4\ndelete /a", "/a! x=2\n/a0 x=4"},
		{"hostile names", "set /ä%2f x=1\nset /\x01\xff/b x=2\nmove /\x01\xff /\xfe", "/ä%2f x=1\n/\xfe/b x=2"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			s := open(t)
			for _, step := range strings.Split(tt.steps, "\n") {
				run(t, s, step)
			}
			want := ""
			for _, line := range strings.Split(tt.want, "\n") {
				if strings.Contains(line, " ") { // a resource without properties is none
					want += line + "\n"
				}
			}
			if got := dump(t, s, davpath.Root); got != want {
				t.Errorf("stored: got\n%swant\n%s", got, want)
			}
		})
	}
	t.Run("orphans", func(t *testing.T) { orphans(t, open(t)) })
	t.Run("moves in progress", func(t *testing.T) { moves(t, open(t)) })
	t.Run("Update is atomic", func(t *testing.T) { atomic(t, open(t)) })
	t.Run("Members in the order of a walk", func(t *testing.T) { members(t, open(t)) })
	t.Run("values are stored unchanged", func(t *testing.T) { values(t, open(t)) })
	t.Run("1,000 properties on one resource", func(t *testing.T) { many(t, open(t)) })
}

func prop(name, value string) props.Property {
	return props.Property{XMLName: xml.Name{Space: "urn:t", Local: name}, InnerXML: []byte(value)}
}

// run makes one call. step is one of: set PATH name=value -name …, copy SRC DST, move SRC DST,
// delete PATH, intent SRC DST, done SRC, orphan PATH SECONDS.
func run(t *testing.T, s props.Store, step string) {
	t.Helper()
	f := strings.Split(step, " ")
	if f[0] == "" {
		return
	}
	p := davpath.Must(f[1])
	var err error
	switch f[0] {
	case "set":
		var changes []props.Change
		for _, c := range f[2:] {
			if name, ok := strings.CutPrefix(c, "-"); ok {
				changes = append(changes, props.Change{Remove: true, Property: prop(name, "")})
				continue
			}
			name, value, _ := strings.Cut(c, "=")
			changes = append(changes, props.Change{Property: prop(name, value)})
		}
		err = s.Patch(t.Context(), p, changes)
	case "copy":
		var ps []props.Property
		if ps, err = s.Get(t.Context(), p); err == nil {
			err = s.Update(t.Context(), props.Set{Path: davpath.Must(f[2]), Properties: ps})
		}
	case "move":
		err = s.Update(t.Context(), props.Move{Src: p, Dst: davpath.Must(f[2])})
	case "delete":
		err = s.Update(t.Context(), props.Delete{Path: p})
	case "intent":
		err = s.Update(t.Context(), props.MoveIntent{Src: p, Dst: davpath.Must(f[2])})
	case "done":
		err = s.Update(t.Context(), props.MoveDone{Src: p})
	case "orphan":
		seconds, _ := strconv.Atoi(f[2])
		since := time.Time{}
		if seconds > 0 {
			since = time.Unix(int64(seconds), 0)
		}
		err = s.Update(t.Context(), props.Orphan{Path: p, Since: since})
	default:
		t.Fatalf("unknown step %q", step)
	}
	if err != nil {
		t.Fatalf("%s: %v", step, err)
	}
}

// dump returns the properties of p and of everything below it, for the names that the tests use.
func dump(t *testing.T, s props.Store, p davpath.Path) string {
	t.Helper()
	out := ""
	ps, err := s.Get(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(ps) > 0 {
		out = p.String()
		for _, q := range ps {
			out += " " + q.XMLName.Local + "=" + string(q.InnerXML)
		}
		out += "\n"
	}
	if strings.Count(p.String(), "/") > 3 {
		return out
	}
	members := s.Members(t.Context(), p)
	for _, name := range []string{"\x01\xff", "a", "a!", "a0", "ab", "b", "c", "d", "e", "ä%2f", "\xfe"} {
		got, err := s.Get(t.Context(), p.Child(name))
		if err != nil {
			t.Fatal(err)
		}
		if stored, err := members.Get(name); err != nil || fmt.Sprint(got) != fmt.Sprint(stored) {
			t.Errorf("Members of %s has %q as %v, %v, Get says %v", p, name, stored, err, got)
		}
		out += dump(t, s, p.Child(name))
	}
	return out
}

// member calls check with the properties that Members returns for p; they are valid only during the
// call.
func member(t *testing.T, s props.Store, p davpath.Path, check func([]props.Property)) {
	t.Helper()
	m := s.Members(t.Context(), p.Parent())
	ps, err := m.Get(p.Name())
	if err != nil {
		t.Fatal(err)
	}
	check(ps)
}

// members tests that Members has the direct members of a collection alone.
func members(t *testing.T, s props.Store) {
	for _, p := range []string{"/c/b", "/c/a", "/c/a/deep", "/c", "/c!", "/c/a!", "/d/x"} {
		run(t, s, "set "+p+" x=1")
	}
	for collection, want := range map[string]string{"/c": "a a! b", "/": "c c!", "/c/a": "deep", "/d": "x", "/none": "", "/c/b": ""} {
		var got []string
		p := davpath.Must(collection)
		m := s.Members(t.Context(), p)
		for _, name := range []string{"0", "a", "a!", "a!!", "b", "c", "c!", "deep", "x", "y"} {
			ps, err := m.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			if len(ps) > 0 {
				got = append(got, name)
			}
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("Members of %s has %q, want %q", collection, got, want)
		}
	}
	run(t, s, "set / x=1")
	member(t, s, davpath.Must("/x"), func(ps []props.Property) {
		if len(ps) > 0 {
			t.Errorf("Members of the root has %v: it is none of its own members", ps)
		}
	})
	m := s.Members(t.Context(), davpath.Must("/c"))
	if ps, err := m.Get("a"); err != nil || len(ps) != 1 {
		t.Errorf("Members of /c: %v, %v", ps, err)
	}
	run(t, s, "delete /c") // an unfinished scan must not block changes
}

// values tests that all fields of a property are stored.
func values(t *testing.T, s props.Store) {
	want := props.Property{
		XMLName:  xml.Name{Space: "urn:é", Local: "été"},
		Lang:     "de-CH",
		Attr:     []xml.Attr{{Name: xml.Name{Local: "a"}, Value: "\"<&\n"}, {Name: xml.Name{Space: "xmlns", Local: "p"}, Value: "urn:p"}},
		InnerXML: []byte("<p:x> \U0001F600 </p:x>" + strings.Repeat("x", 64<<10)),
	}
	none := props.Property{XMLName: xml.Name{Local: "none"}}
	p := davpath.Must("/v")
	if err := s.Patch(t.Context(), p, []props.Change{{Property: want}, {Property: none}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), p)
	if err != nil || len(got) != 2 {
		t.Fatalf("Get = %d properties, %v", len(got), err)
	}
	member(t, s, p, func(ps []props.Property) {
		if fmt.Sprintf("%q", ps) != fmt.Sprintf("%q", got) {
			t.Errorf("Members has %.200q, Get says %.200q", ps, got)
		}
	})
	if fmt.Sprintf("%q", got[0]) != fmt.Sprintf("%q", want) {
		t.Errorf("got %.200q, want %.200q", got[0], want)
	}
	if got[1].XMLName != none.XMLName || len(got[1].InnerXML) != 0 {
		t.Errorf("empty property in no namespace: got %q", got[1])
	}
}

// many tests the order of many properties.
func many(t *testing.T, s props.Store) {
	var changes []props.Change
	for i := range 1000 {
		changes = append(changes, props.Change{Property: prop(fmt.Sprint("p", i), fmt.Sprint(i))})
	}
	m := davpath.Must("/m")
	if err := s.Patch(t.Context(), m, changes); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), m)
	if err != nil || len(got) != 1000 {
		t.Fatalf("Get = %d properties, %v, want 1000", len(got), err)
	}
	member(t, s, m, func(ps []props.Property) {
		if fmt.Sprint(ps) != fmt.Sprint(got) {
			t.Errorf("Members has other properties than Get")
		}
	})
	for i, p := range got {
		if string(p.InnerXML) != fmt.Sprint(i) {
			t.Fatalf("property %d = %s", i, p.InnerXML)
		}
	}
}

// concurrent moves a tree back and forth while other goroutines read it: its properties must not be
// lost or duplicated.
func concurrent(t *testing.T, s props.Store) {
	run(t, s, "set /a/b x=0")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				m := s.Members(context.Background(), davpath.Must("/c"))
				if ps, err := m.Get("b"); err != nil || len(ps) > 1 {
					t.Errorf("Members: %v, %v", ps, err)
				}
				if _, err := s.Get(context.Background(), davpath.Must("/a/b")); err != nil {
					t.Errorf("Get: %v", err)
				}
			}
		})
	}
	last := 0
	for begin := time.Now(); last < 200 && time.Since(begin) < time.Second; { // a durable store syncs each time
		last++
		run(t, s, "move /a /c")
		run(t, s, fmt.Sprintf("set /c/b x=%d", last))
		run(t, s, "move /c /a")
	}
	close(stop)
	wg.Wait()
	if got, want := dump(t, s, davpath.Root), fmt.Sprintf("/a/b x=%d\n", last); got != want {
		t.Errorf("stored: got %q, want %q", got, want)
	}
}

// orphans tests Orphan, and that a Patch resets Entry.Orphaned.
func orphans(t *testing.T, s props.Store) {
	orphaned := func() (out []string) {
		for e, err := range s.All(t.Context(), davpath.Root) {
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
	for _, tt := range []struct {
		calls string
		want  []string
	}{
		{"set / x=1,set /a x=1,set /a/b x=1,orphan /a 17,orphan /none 17", []string{"/ 0", "/a 17", "/a/b 0"}},
		{"orphan /a 0", []string{"/ 0", "/a 0", "/a/b 0"}},
		{"orphan /a 18,set /a y=2", []string{"/ 0", "/a 0", "/a/b 0"}},
	} {
		for _, call := range strings.Split(tt.calls, ",") {
			run(t, s, call)
		}
		if got := orphaned(); !slices.Equal(got, tt.want) {
			t.Errorf("orphaned after %s: got %q, want %q", tt.calls, got, tt.want)
		}
	}
}

// moves tests MoveIntent, MoveDone and Store.Moves.
func moves(t *testing.T, s props.Store) {
	pending := func() string {
		moves, err := s.Moves(t.Context())
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
	for _, tt := range []struct{ call, want string }{
		{"set /a/b x=1", ""},
		{"intent /a /c", "/a>/c"},
		{"intent /a/b /d", "/a/b>/d /a>/c"},
		{"done /a/b", "/a>/c"},
		{"move /a /c", ""},
		{"intent /e /c/b", "/e>/c/b"}, // the destination has properties
		{"move /e /c/b", ""},
		{"done /e", ""},
	} {
		run(t, s, tt.call)
		if got := pending(); got != tt.want {
			t.Errorf("after %q: moves %q, want %q", tt.call, got, tt.want)
		}
	}
}

// atomic tests that later operations of one Update see the results of earlier ones.
func atomic(t *testing.T, s props.Store) {
	run(t, s, "set /a x=1")
	run(t, s, "set /a/b x=2")
	err := s.Update(t.Context(),
		props.Set{Path: davpath.Must("/c"), Properties: []props.Property{prop("y", "3")}},
		props.Move{Src: davpath.Must("/a"), Dst: davpath.Must("/c")},
		props.Delete{Path: davpath.Must("/c/b")},
		props.Set{Path: davpath.Must("/a/b"), Properties: []props.Property{prop("z", "4")}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := dump(t, s, davpath.Root), "/a/b z=4\n/c x=1\n"; got != want {
		t.Errorf("stored: got %q, want %q", got, want)
	}
}
