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

// audience are the users that a rule is for. Rules for the same users share one.
type audience []string

// includes reports whether u is one of the users.
func (a audience) includes(u *user) bool {
	for _, w := range a {
		is := w == u.name
		switch {
		case w == everybody:
			return true
		case w == guests: // also where a user has this name
			is = u.name == ""
		case w[0] == '@':
			is = slices.Contains(u.groups, w[1:])
		}
		if is {
			return true
		}
	}
	return false
}

// rule is a compiled Rule.
type rule struct {
	Rule
	entry
	pattern  []string
	property *xml.Name // nil for a rule about resources
}

// entry is what a rule decides. A pointer to it is nil where no rule matches.
type entry struct {
	rule   int // its index
	effect effect
	what   set
	who    *audience
}

type effect uint8

const (
	allow effect = iota
	deny
	hide
)

// hides reports whether a resource is hidden if e decides about Read.
func (e *entry) hides() bool { return e == nil || e.effect == hide }

// allows reports whether e allows something.
func (e *entry) allows() bool { return e != nil && e.effect == allow }

// decides reports whether e is about p and for u.
func (e *entry) decides(p access.Privilege, u *user) bool { return e.what.has(p) && e.who.includes(u) }

// List is a compiled list of rules. It is safe for concurrent use.
type List struct {
	rules      []rule
	root       node    // the paths of the rules about resources
	properties []*rule // the rules about properties
	fold       bool
}

var (
	_ access.PropertyPolicy = (*List)(nil)
	_ access.TreePolicy     = (*List)(nil)
)

// last returns the entry that decides about p, of those whose paths end in nodes.
func last(nodes []*node, u *user, p access.Privilege) (last *entry) {
	for _, n := range nodes {
		if e := n.last(u, p); e != nil && (last == nil || e.rule > last.rule) {
			last = e
		}
	}
	return last
}

// last returns the entry of n that decides about p, which is nil if none does.
func (n *node) last(u *user, p access.Privilege) *entry {
	for i := len(n.entries) - 1; i >= 0; i-- {
		if e := &n.entries[i]; e.decides(p, u) {
			return e
		}
	}
	return nil
}

// Check implements access.Policy.
func (l *List) Check(ctx context.Context, p access.Privilege, path davpath.Path) error {
	var b buffers
	u := userOf(ctx)
	nodes := l.reach(&b, path, &u)
	e := last(nodes, &u, access.Read)
	if e.hides() {
		return fs.ErrNotExist
	}
	if p != access.Read {
		e = last(nodes, &u, p)
	}
	if e.allows() {
		return nil
	}
	return fs.ErrPermission
}

// CheckProperty implements access.PropertyPolicy. A later rule about the resource overrides one
// about a property.
func (l *List) CheckProperty(ctx context.Context, p access.Privilege, path davpath.Path, name xml.Name) error {
	if len(l.properties) == 0 {
		return nil
	}
	u := userOf(ctx)
	for _, r := range slices.Backward(l.properties) {
		if !covers(*r.property, name) || !r.decides(p, &u) || !l.matches(r, path, &u) {
			continue
		}
		var b buffers
		e := last(l.reach(&b, path, &u), &u, p)
		switch {
		case r.allows(), e != nil && e.rule > r.rule:
			return nil
		case r.effect == hide && p == access.Read:
			return fs.ErrNotExist
		}
		return fs.ErrPermission
	}
	return nil
}

// AllowsAll implements access.TreePolicy. All must be readable, too, since what is hidden is not
// allowed anything.
func (l *List) AllowsAll(ctx context.Context, p access.Privilege, path davpath.Path) bool {
	var b buffers
	u := userOf(ctx)
	nodes := l.reach(&b, path, &u)
	return allowsAll(nodes, &u, access.Read) && (p == access.Read || allowsAll(nodes, &u, p))
}

// allowsAll reports whether a rule allows p for all below the path of nodes, and no later one may
// refuse it for anything there.
func allowsAll(nodes []*node, u *user, p access.Privilege) bool {
	allowed := lastBelow(nodes, u, p, true)
	return allowed != none && !visit(nodes, u, p, false, func(n *node) bool {
		e := n.last(u, p)
		return e != nil && e.rule > allowed && !e.allows()
	})
}

// AllowsSome implements access.TreePolicy.
func (l *List) AllowsSome(ctx context.Context, p access.Privilege, path davpath.Path) bool {
	var b buffers
	u := userOf(ctx)
	nodes := l.reach(&b, path, &u)
	denied := lastBelow(nodes, &u, p, false)
	allows := func(n *node) bool {
		e := n.last(&u, p)
		return e.allows() && e.rule > denied
	}
	return slices.ContainsFunc(nodes, allows) || visit(nodes, &u, p, true, allows)
}

// none is the index of no rule.
const none = -1

// lastBelow returns the index of the last rule that allows p, or does not, for everything below
// the path of nodes.
func lastBelow(nodes []*node, u *user, p access.Privilege, allow bool) int {
	last := none
	for _, n := range nodes {
		if e := n.last(u, p); n.repeats && e != nil && e.rule > last && e.allows() == allow {
			last = e.rule
		}
	}
	return last
}

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
	var b buffers
	u := user{name, groups}
	nodes := l.reach(&b, path, &u)
	read := last(nodes, &u, access.Read)
	var decisions []Decision
	for p := access.Read; p <= access.Unlock; p++ {
		e := read
		if !read.hides() {
			e = last(nodes, &u, p)
		}
		d := Decision{Privilege: p, Hidden: read.hides(), Allowed: e.allows(), Rule: none}
		if e != nil {
			d.Rule = e.rule
			d.OnTheWay = !l.matches(&l.rules[e.rule], path, &u)
		}
		decisions = append(decisions, d)
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

func userOf(ctx context.Context) (u user) {
	u.name, u.groups = access.PrincipalAndGroups(ctx)
	return u
}
