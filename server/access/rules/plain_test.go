package rules_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dav207/server/access"
	"dav207/server/access/rules"
	"dav207/server/davpath"
)

// plain decides by going through all rules.
type plain struct {
	list   []rules.Rule
	equal  func(a, b string) bool
	name   string
	groups []string
}

// last returns the last rule that is about p, the user and the path, or with a property about that.
// allowed says whether it allows p; a rule that is not there hides the resource.
func (x *plain) last(p access.Privilege, path []string, property string) (index int, allowed, hidden bool) {
	index, hidden = -1, property == ""
	for i, r := range x.list {
		what := slices.Concat(r.Allow, r.Deny)
		switch {
		case (r.Property == "") != (property == ""), property != "" && !about(r.Property, property),
			!slices.ContainsFunc(r.Who, x.is),
			!r.Hide && !slices.Contains(what, p.String()) && !slices.Contains(what, "all") &&
				!(slices.Contains(what, "write") && p != access.Read && p != access.Unlock),
			!x.matchesRule(r, p, path):
			continue
		}
		index, allowed, hidden = i, r.Allow != nil, r.Hide
	}
	return index, allowed, hidden
}

func (x *plain) is(who string) bool {
	return who == "everybody" || who == "guests" && x.name == "" || who == x.name && x.name != "guests" && who[0] != '@' ||
		who[0] == '@' && slices.Contains(x.groups, who[1:])
}

// about reports whether the property of a rule is this one.
func about(rule, property string) bool {
	space, isSpace := strings.CutSuffix(rule, "}*")
	return rule == "*" || rule == property || isSpace && strings.HasPrefix(property, space+"}")
}

// matchesRule reports whether the path is one of the rule, or on the way there.
func (x *plain) matchesRule(r rules.Rule, p access.Privilege, path []string) bool {
	pattern := split(r.Path)
	if x.matches(pattern, path) || r.Hide && r.Property == "" && x.matches(append(slices.Clone(pattern), "**"), path) {
		return true
	}
	wild := slices.IndexFunc(pattern, func(s string) bool { return s[0] == '*' })
	if wild < 0 {
		wild = len(pattern)
	}
	return r.Allow != nil && p == access.Read && r.Property == "" && len(path) < wild && x.matches(pattern[:len(path)], path)
}

func (x *plain) matches(pattern, path []string) bool {
	switch {
	case len(pattern) == 0:
		return len(path) == 0
	case pattern[0] == "**":
		return x.matches(pattern[1:], path) || len(path) > 0 && x.matches(pattern, path[1:])
	case len(path) == 0:
		return false
	case pattern[0] == "{user}":
		return x.name != "" && x.equal(x.name, path[0]) && x.matches(pattern[1:], path[1:])
	}
	return (pattern[0] == "*" || x.equal(pattern[0], path[0])) && x.matches(pattern[1:], path[1:])
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

func (x *plain) check(p access.Privilege, path []string) string {
	_, read, hidden := x.last(access.Read, path, "")
	if _, allowed, _ := x.last(p, path, ""); hidden {
		return "hidden"
	} else if allowed || p == access.Read && read {
		return "yes"
	}
	return "no"
}

func (x *plain) checkProperty(p access.Privilege, path []string, property string) string {
	index, allowed, hidden := x.last(p, path, property)
	resource, _, _ := x.last(p, path, "")
	switch {
	case allowed || index < resource || index < 0:
		return "yes"
	case hidden && p == access.Read:
		return "hidden"
	}
	return "no"
}

// FuzzPlain compares random lists with plain, for users, paths and properties in random order: what
// a List remembers of one decision must not change the next.
func FuzzPlain(f *testing.F) {
	for seed := range uint64(100) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 7))
		pick := func(of ...string) string { return of[random.IntN(len(of))] }
		pathOf := func(names ...string) string {
			path := ""
			for range random.IntN(5) {
				path += "/" + pick(names...)
			}
			return "/" + strings.TrimPrefix(path, "/")
		}
		x := plain{equal: func(a, b string) bool { return a == b }}
		opts := &rules.Options{IgnoreCase: random.IntN(3) == 0}
		if opts.IgnoreCase {
			x.equal = strings.EqualFold
		}
		for range 1 + random.IntN(12) {
			who := pick("everybody", "everybody", "ann", "bob", "@staff", "@ann", "guests", "bob,guests", "@staff,ann")
			line := pick("allow all", "allow read", "allow write", "allow read,bind", "deny all", "deny read", "deny write", "hide") +
				" to " + who + " on " + pathOf("a", "b", "B", "ſ", "*", "**", "**", "{user}", "ann")
			if !strings.HasPrefix(line, "hide") && random.IntN(3) == 0 {
				line = pick("allow read", "deny read", "deny write", "allow all", "deny all") + " to " + who + " on " +
					pathOf("a", "b", "*", "**", "{user}") + " of " + pick("{x:}p", "{x:}q", "{y:}p", "{x:}*", "*")
			}
			x.list = append(x.list, parse(line))
		}
		l, err := rules.Compile(x.list, opts)
		if err != nil {
			return
		}
		listings := map[string]context.Context{}
		for range 300 {
			x.name, x.groups = pick("", "ann", "bob", "Bob", "eve", "guests", "@staff"), nil
			for range random.IntN(3) {
				x.groups = append(x.groups, pick("staff", "ann", "others"))
			}
			ctx := access.WithPrincipal(context.Background(), x.name, x.groups...)
			if user := fmt.Sprint(x.name, x.groups); random.IntN(2) == 0 {
				if listings[user] == nil {
					listings[user], _ = l.ForListing(ctx)
				}
				ctx = listings[user]
			}
			path := davpath.Must(pathOf("a", "b", "A", "s", "x", "ann", "ANN", "bob", "guests"))
			for range 1 + random.IntN(3) {
				p, segments := access.Privilege(random.IntN(int(access.Unlock)+1)), split(path.String())
				if got, want := verdict(l.Check(ctx, p, path)), x.check(p, segments); got != want {
					t.Fatalf("%v\n%q of %q, %s of %s: %s, want %s", x.list, x.name, x.groups, p, path, got, want)
				}
				for _, d := range l.Explain(x.name, x.groups, path) {
					if got := map[bool]string{true: "hidden", false: map[bool]string{true: "yes", false: "no"}[d.Allowed]}[d.Hidden]; got != x.check(d.Privilege, segments) {
						t.Fatalf("%v\n%q of %q, %s: Explain says %+v", x.list, x.name, x.groups, path, d)
					}
				}
				p = []access.Privilege{access.Read, access.WriteProperties}[random.IntN(2)]
				property := xml.Name{Space: pick("x:", "y:"), Local: pick("p", "q")}
				got := verdict(l.CheckProperty(ctx, p, path, property))
				if want := x.checkProperty(p, segments, "{"+property.Space+"}"+property.Local); got != want {
					t.Fatalf("%v\n%q of %q, %s of %v of %s: %s, want %s", x.list, x.name, x.groups, p, property, path, got, want)
				}
				if path.IsRoot() || random.IntN(2) == 0 {
					continue
				}
				if l.AllowsAll(ctx, p, path.Parent()) && x.check(p, segments) != "yes" {
					t.Fatalf("%v\n%q of %q: AllowsAll(%s, %s), but not for %s", x.list, x.name, x.groups, p, path.Parent(), path)
				}
				if !l.AllowsSome(ctx, p, path.Parent()) && x.check(p, segments) == "yes" {
					t.Fatalf("%v\n%q of %q: AllowsSome(%s, %s) is false, but not for %s", x.list, x.name, x.groups, p, path.Parent(), path)
				}
			}
		}
	})
}

// The time of a decision grows with the length of the path times that of the patterns, and not with
// the number of ways in which ** can match.
func TestManyWildcards(t *testing.T) {
	var list []rules.Rule
	for i := range 20 {
		deep := strings.Repeat("/**/a/*", 60+i)
		list = append(list, parse("deny all to everybody on "+deep+"/b"), parse("deny read to everybody on "+deep+"/b of {x:}p"))
	}
	l := compile(t, append(parseAll("allow all to everybody"), list...)...)
	for _, path := range []string{strings.Repeat("/a", 512), strings.Repeat("/a", 511) + "/b"} {
		start := time.Now()
		got := verdict(l.Check(as("ann"), access.Read, davpath.Must(path)))
		property := l.CheckProperty(as("ann"), access.Read, davpath.Must(path), xml.Name{Space: "x:", Local: "p"})
		l.AllowsAll(as("ann"), access.Read, davpath.Must(path))
		if took := time.Since(start); took > 5*time.Second { // it takes some 20 ms
			t.Errorf("%d bytes: %s", len(path), took)
		}
		want := map[bool]string{true: "no", false: "yes"}[path[len(path)-1] == 'b']
		if got != want || (property != nil) != (want == "no") {
			t.Errorf("…%s: %s and %v, want %s", path[len(path)-4:], got, property, want)
		}
	}
}

// A List is right for more users at once than it keeps the rules of.
func TestManyUsers(t *testing.T) {
	list := parseAll("allow read to everybody")
	for i := range 700 {
		list = append(list, parse(fmt.Sprintf("allow write to u%d on /d%d", i, i)), parse(fmt.Sprintf("deny read to everybody on /x%d", i)))
	}
	l := compile(t, list...)
	var all sync.WaitGroup
	for from := range 4 {
		all.Go(func() {
			for i := from; i < 700; i++ {
				ctx := access.WithPrincipal(context.Background(), fmt.Sprintf("u%d", i))
				for _, d := range []int{i, (i + 1) % 700} {
					path := davpath.Must(fmt.Sprintf("/d%d", d))
					if got := l.Check(ctx, access.Bind, path) == nil; got != (d == i) {
						t.Errorf("user %d at %s: %v", i, path, got)
					}
				}
			}
		})
	}
	all.Wait()
	if l.Check(as("u3"), access.Read, davpath.Must("/x3")) == nil {
		t.Error("/x3 can be read")
	}
}
