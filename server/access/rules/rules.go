// Package rules is an access.Policy made of a list of rules. The last rule that matches the user,
// the privilege and the path decides. Where none matches nothing is allowed and the resource is
// hidden: a path that the list forgets is not published.
//
// A rule that allows reading also allows reading the collections on the way to its path, from the
// root to the segment before the first wildcard. So a user who has one folder finds it from the
// root on, and sees nothing else there.
//
// Rules are about names. A symbolic link is one more name of its target.
package rules

import (
	"context"
	"encoding/xml"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"dav207/server/access"
	"dav207/server/davpath"
)

// Rule says who may do what, or may not, and where. One of Allow, Deny and Hide must be set.
type Rule struct {
	// Who are names of users and of groups ("@staff"), "guests" for those that did not log in, and
	// "everybody", guests included.
	Who []string
	// Allow and Deny are privileges: read, write-content, write-properties, bind (add this member),
	// unbind (remove this member), lock, unlock (remove a lock of another user); write for all but
	// read and unlock, and all. What is denied is answered by 403.
	Allow, Deny []string
	// Hide denies everything, as if neither the resource nor anything below it were there.
	Hide bool
	// Path is a pattern of whole segments: * is one, ** any number of them, none included, {user}
	// one that is the name of the user. "/a" is that resource alone, "/a/**" also all below. The
	// default is "/**".
	Path string
	// Property limits the rule to a property, "{DAV:}getetag", to those of a namespace, "{DAV:}*",
	// or to "*". The resource itself must be allowed, too. Only reading and write-properties can
	// be limited so.
	Property string
	// Implied says that no user wrote the rule, so it may be one that never decides.
	Implied bool
}

// Options change how rules are matched.
type Options struct {
	// IgnoreCase compares names as file systems do that take "/a" and "/A" for one.
	IgnoreCase bool
}

// set is a set of privileges.
type set uint16

const all = set(1)<<(access.Unlock+1) - 1

func (s set) has(p access.Privilege) bool { return s>>p&1 != 0 }

// user is the user of a request.
type user struct {
	name   string
	groups []string
}

// rule is a compiled Rule.
type rule struct {
	Rule
	index    int
	effect   effect
	what     set
	pattern  []string
	property *xml.Name // nil for a rule about resources
}

type effect uint8

const (
	allow effect = iota
	deny
	hide
)

// isFor reports whether the rule is for u.
func (r *rule) isFor(u *user) bool {
	return slices.ContainsFunc(r.Who, func(w string) bool {
		switch {
		case w == everybody:
			return true
		case w == guests: // also where a user has this name
			return u.name == ""
		case w[0] == '@':
			return slices.Contains(u.groups, w[1:])
		}
		return w == u.name
	})
}

// List is a compiled list of rules. It is safe for concurrent use.
type List struct {
	rules        []rule
	fold         bool
	named        map[string]uint32 // the names in Rule.Who, numbered from 1
	properties   []xml.Name        // those that rules are about
	lookups      sync.Pool         // of *lookup, that belong to no listing
	mu           sync.Mutex
	tries        map[string]*trie // by trieKey
	rulesInTries int
}

var (
	_ access.PropertyPolicy = (*List)(nil)
	_ access.TreePolicy     = (*List)(nil)
	_ access.ListingPolicy  = (*List)(nil)
)

// Check implements access.Policy.
func (l *List) Check(ctx context.Context, p access.Privilege, path davpath.Path) error {
	k := l.lookup(ctx, path)
	read, found := k.found.last[access.Read], k.found.last[p]
	l.put(k)
	switch {
	case read.hides():
		return fs.ErrNotExist
	case found.allows():
		return nil
	}
	return fs.ErrPermission
}

// CheckProperty implements access.PropertyPolicy. A later rule about the resource overrides one
// about a property.
func (l *List) CheckProperty(ctx context.Context, p access.Privilege, path davpath.Path, name xml.Name) error {
	if !slices.ContainsFunc(l.properties, func(about xml.Name) bool { return covers(about, name) }) {
		return nil
	}
	k := l.lookup(ctx, path)
	defer l.put(k)
	last := none
	for _, r := range k.found.properties {
		if r.what.has(p) && covers(*r.property, name) {
			last = max(last, r.verdict(false))
		}
	}
	switch {
	case last.allows(), last < k.found.last[p]:
		return nil
	case last == none:
		return nil
	case last.hides() && p == access.Read:
		return fs.ErrNotExist
	}
	return fs.ErrPermission
}

// AllowsAll implements access.TreePolicy. All must be readable, too, since what is hidden is not
// allowed anything.
func (l *List) AllowsAll(ctx context.Context, p access.Privilege, path davpath.Path) bool {
	k := l.enter(ctx, path)
	defer l.put(k)
	return k.allowsAll(access.Read) && (p == access.Read || k.allowsAll(p))
}

// AllowsSome implements access.TreePolicy.
func (l *List) AllowsSome(ctx context.Context, p access.Privilege, path davpath.Path) bool {
	k := l.enter(ctx, path)
	defer l.put(k)
	return k.allowsSome(p)
}

// ForListing implements access.ListingPolicy.
func (l *List) ForListing(ctx context.Context) (_ context.Context, byProperty bool) {
	k := l.of(ctx)
	k.listing = true
	return context.WithValue(ctx, listingKey{l}, k), len(l.properties) > 0
}

type listingKey struct{ l *List }

// Decision is what a List says of one privilege of a user.
type Decision struct {
	Privilege access.Privilege
	Allowed   bool
	Hidden    bool // the resource is; then nothing is allowed
	Rule      int  // index of the rule that decided, -1 for none
	OnTheWay  bool // the path is not that of the rule, but on the way to it
}

// Explain returns a Decision for each privilege of a user at path. name is "" for guests.
func (l *List) Explain(name string, groups []string, path davpath.Path) []Decision {
	k := l.lookup(access.WithPrincipal(context.Background(), name, groups...), path)
	defer l.put(k)
	read := k.found.last[access.Read]
	var decisions []Decision
	for p := access.Read; p <= access.Unlock; p++ {
		v := read
		if !read.hides() {
			v = k.found.last[p]
		}
		decisions = append(decisions, Decision{Privilege: p, Hidden: read.hides(), Allowed: v.allows(),
			Rule: v.rule(), OnTheWay: v.onTheWay()})
	}
	return decisions
}

// Rule returns the rule with that index.
func (l *List) Rule(index int) Rule { return l.rules[index].Rule }

// String returns the rule in words, such as "allow read to guests on /photos/**".
func (r Rule) String() string {
	what, who := "hide", "from "
	switch {
	case len(r.Allow) > 0:
		what, who = "allow "+strings.Join(r.Allow, ", "), "to "
	case len(r.Deny) > 0:
		what, who = "deny "+strings.Join(r.Deny, ", "), "to "
	}
	if r.Property != "" {
		what += " of " + r.Property
	}
	path := r.Path
	if path == "" {
		path = everything
	}
	return what + " " + who + strings.Join(r.Who, ", ") + " on " + path
}
