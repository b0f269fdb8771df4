package matrix

import (
	"context"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dav207/integration/harness"
	"dav207/props"
	"dav207/server"
	"dav207/server/davpath"
)

func TestMatrixProppatch(t *testing.T) {
	w := newTree(tree...)
	for _, target := range []string{"/c/", "/c/m"} {
		for _, name := range slices.Sorted(maps.Keys(w)) {
			for _, f := range faults(name) {
				if f.name == "/" && f.cause == vanished {
					continue // the root does not vanish
				}
				t.Run(harness.NoSlash("PROPPATCH "+target+" "+f.String()), func(t *testing.T) {
					t.Parallel()
					c := newCell(t, w, f)
					m := newModel(w, f)
					want := m.expectProppatch(target)
					c.check(t, c.srv.Send("PROPPATCH", target, update3("")), want, m.Tree)
				})
			}
		}
	}
}

// expectProppatch returns the expected answer to a PROPPATCH (§9.2) of three properties that can be
// set. Faults of other resources do not matter, except a lock that covers the resource (§7.4: a
// lock of depth 0 on an ancestor does not).
func (m *model) expectProppatch(target string) string {
	within := strings.HasSuffix(m.name, "/") && strings.HasPrefix(target, m.name)
	switch {
	case m.fails(target, protected, unreadable, stat, locked, lockedFlat), within && m.kind == locked:
		return m.outcome() // the status of the request; no property was tried
	case m.vanishes(target, stat):
		return "404"
	}
	return "207 " + target + "=200[first middle last]"
}

// update3 returns the body of a PROPPATCH of three properties. The one named by protected is
// replaced by DAV:getetag, which is protected.
func update3(protected string) string {
	var b strings.Builder
	for _, name := range []string{"first", "middle", "last"} {
		if name == protected {
			b.WriteString(`<D:getetag/>`)
		} else {
			b.WriteString(`<` + name + ` xmlns="x:">new</` + name + `>`)
		}
	}
	return `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>` + b.String() + `</D:prop></D:set></D:propertyupdate>`
}

// TestMatrixProppatchProperty sends a PROPPATCH whose first, middle or last property fails.
// "Instructions MUST either all be executed or none" (§9.2): the others have 424, and all keep
// their values.
func TestMatrixProppatchProperty(t *testing.T) {
	for _, tt := range []struct {
		rule     string
		body     string
		policy   string
		store    error // what the store returns for every change
		want     string
		unstored bool
	}{
		{"9.2.1 nothing fails", update3(""), "", nil, "207 /f=200[first middle last]", false},
		{"9.2.1 protected first", update3("first"), "", nil, "207 /f=403[getetag] cannot-modify-protected-property424[middle last]", true},
		{"9.2.1 protected middle", update3("middle"), "", nil, "207 /f=424[first last]403[getetag] cannot-modify-protected-property", true},
		{"9.2.1 protected last", update3("last"), "", nil, "207 /f=424[first middle]403[getetag] cannot-modify-protected-property", true},
		{"9.2.1 refused first", update3(""), "deny write-properties /f {x:}first", nil, "207 /f=403[first]424[middle last]", true},
		{"9.2.1 refused middle", update3(""), "deny write-properties /f {x:}middle", nil, "207 /f=424[first last]403[middle]", true},
		{"9.2.1 refused last", update3(""), "deny write-properties /f {x:}last", nil, "207 /f=424[first middle]403[last]", true},
		{"9.2.1 conflict middle", update3(""), "conflict write-properties /f {x:}middle", nil, "207 /f=424[first last]409[middle]", true},
		{"9.2.1 no room, which no single property is to blame for", update3(""), "", syscall.ENOSPC,
			"207 /f=507[first middle last] sufficient-disk-space", true},
		{"9.2.1 over quota", update3(""), "", syscall.EDQUOT, "207 /f=507[first middle last] quota-not-exceeded", true},
		{"9.2.1 I/O error", update3(""), "", syscall.EIO, "207 /f=500[first middle last]", true},
		{"9.2 a refused one and no room: the store is not asked", update3("last"), "", syscall.ENOSPC,
			"207 /f=424[first middle]403[getetag] cannot-modify-protected-property", true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			c := &cell{rules: &harness.Rules{}}
			store := &failingStore{}
			c.srv = harness.NewServer(t, &server.Options{Policy: c.rules, Props: store})
			c.srv.Put("/f")
			old := strings.ReplaceAll(update3(""), "new", "old")
			if got := c.srv.Send("PROPPATCH", "/f", old).String(); got != "207 /f=200[first middle last]" {
				t.Fatalf("preparation: %s", got)
			}
			if tt.policy != "" {
				if err := c.rules.Add(tt.policy); err != nil {
					t.Fatal(err)
				}
			}
			store.err = tt.store
			c.check(t, c.srv.Send("PROPPATCH", "/f", tt.body), tt.want, newTree("/f"))

			find := `<D:propfind xmlns:D="DAV:"><D:prop xmlns="x:"><first/><middle/><last/></D:prop></D:propfind>`
			want := "new new new "
			if tt.unstored {
				want = "old old old "
			}
			values := ""
			for _, r := range c.srv.Send("PROPFIND", "/f", find).Responses {
				for _, ps := range r.Propstat {
					for _, p := range ps.Prop {
						values += string(p.InnerXML) + " "
					}
				}
			}
			if values != want {
				t.Errorf("values = %q, want %q", values, want)
			}
		})
	}
}

// failingStore refuses every change with an error.
type failingStore struct {
	props.Memory
	err error
}

func (s *failingStore) Patch(ctx context.Context, p davpath.Path, changes []props.Change) error {
	if s.err != nil {
		return s.err
	}
	return s.Memory.Patch(ctx, p, changes)
}
