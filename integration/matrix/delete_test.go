package matrix

import (
	"maps"
	"slices"
	"syscall"
	"testing"

	"dav207/integration/harness"
)

func TestMatrixDelete(t *testing.T) {
	w := newTree(tree...)
	for _, name := range slices.Sorted(maps.Keys(w)) {
		for _, f := range faults(name) {
			for _, target := range []string{"/c/", "/c/m"} {
				if f.name == "/" && f.cause == vanished {
					continue // the root does not vanish
				}
				t.Run(harness.NoSlash("DELETE "+target+" "+f.String()), func(t *testing.T) {
					t.Parallel()
					c := newCell(t, w, f)
					m := newModel(w, f)
					c.check(t, c.srv.Do("DELETE", target), m.expectDelete(target), m.Tree)
				})
			}
		}
	}
}

// expectDelete applies a DELETE of target to the model and returns the expected answer.
func (m *model) expectDelete(target string) string {
	if !m.Has(target) {
		return "404"
	}
	for p := harness.Parent(target); ; p = harness.Parent(p) {
		// A lock that covers the target, or protects the membership of its collection, fails the whole
		// request (§7.4, §7.5).
		if m.fails(p, locked) || p == harness.Parent(target) && m.fails(p, lockedFlat) {
			return m.outcome()
		}
		if p == "/" {
			break
		}
	}
	m.delete(target)
	if !m.Has(target) && !m.changed && len(m.reports) == 0 {
		return "404" // it vanished before anything was changed
	}
	return m.answer("204", target)
}

// A new resource must not inherit the properties of one that vanished while it was deleted (§9.6:
// the mapping is removed).
func TestDeleteClearsPropertiesOfVanished(t *testing.T) {
	for _, name := range []string{"/c/", "/c/d/", "/c/m"} {
		t.Run(harness.NoSlash(name), func(t *testing.T) {
			c := newCell(t, newTree(tree...), fault{name, "remove", vanished, syscall.ENOENT})
			if got := c.srv.Send("PROPPATCH", name, update3("")).StatusCode; got != 207 {
				t.Fatalf("PROPPATCH = %d", got)
			}
			c.srv.Do("DELETE", "/c/")
			c.srv.Put(name)
			got := c.srv.Send("PROPFIND", name, `<propfind xmlns="DAV:"><prop><first xmlns="x:"/></prop></propfind>`, "Depth: 0")
			if want := "207 " + name + "=404[first]"; got.String() != want {
				t.Errorf("PROPFIND of a new resource = %s, want %s", got, want)
			}
		})
	}
}
