package rules

import (
	"slices"
	"strings"
	"unicode"

	"dav207/server/access"
	"dav207/server/davpath"
)

// The wildcards of a pattern.
const (
	anyOne     = "*"
	anyNumber  = "**"
	userName   = "{user}"
	everything = "/**"
)

// node is a segment of patterns in a trie. So a path finds the rules that match it without a look
// at the others.
type node struct {
	literal map[string]*node
	one     *node // *
	user    *node // {user}
	number  *node // **
	repeats bool  // it is a **: it matches whatever follows
	entries []entry
	// The privileges that rules in this node and below it allow, and those that they refuse.
	allowed, refused set
}

// child returns the node for a segment of a pattern, which it makes if there is none.
func (n *node) child(segment string) *node {
	var at **node
	switch segment {
	case anyOne:
		at = &n.one
	case anyNumber:
		at = &n.number
	case userName:
		at = &n.user
	default:
		if n.literal == nil {
			n.literal = make(map[string]*node)
		}
		c := n.literal[segment]
		if c == nil {
			c = &node{}
			n.literal[segment] = c
		}
		return c
	}
	if *at == nil {
		*at = &node{repeats: segment == anyNumber}
	}
	return *at
}

// insert adds a rule to the trie.
func (n *node) insert(r *rule, folds bool) {
	onTheWay := r.entry
	onTheWay.what = 1 << access.Read
	way := r.allows() && r.what.has(access.Read)
	for _, s := range r.pattern {
		n.sum(r)
		way = way && s != anyOne && s != anyNumber
		if way {
			n.entries = append(n.entries, onTheWay)
		}
		if folds && s != userName {
			s = fold(s)
		}
		n = n.child(s)
	}
	n.sum(r)
	n.entries = append(n.entries, r.entry)
}

// sum adds what a rule decides to the sums of a node.
func (n *node) sum(r *rule) {
	if r.allows() {
		n.allowed |= r.what
	} else {
		n.refused |= r.what
	}
}

// buffers hold the nodes of reach, so that it need not allocate.
type buffers [2][12]*node

// reach returns the nodes at which patterns that match path end.
func (l *List) reach(b *buffers, path davpath.Path, u *user) []*node {
	nodes, next := appendNode(b[0][:0], &l.root), b[1][:0]
	name := u.name
	if l.fold {
		name = fold(name)
	}
	for rest := path.String()[1:]; rest != ""; {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		if l.fold {
			segment = fold(segment)
		}
		for _, n := range nodes {
			if n.repeats {
				next = appendNode(next, n)
			}
			next = appendNode(next, n.literal[segment])
			next = appendNode(next, n.one)
			if segment == name {
				next = appendNode(next, n.user)
			}
		}
		nodes, next = next, nodes[:0]
	}
	return nodes
}

// appendNode appends n, unless it is nil or there, and the ** behind it, which matches no segment,
// too.
func appendNode(nodes []*node, n *node) []*node {
	for ; n != nil && !slices.Contains(nodes, n); n = n.number {
		nodes = append(nodes, n)
	}
	return nodes
}

// visit calls found for all nodes that something below the path of nodes may reach, and that may
// allow p, or refuse it. It reports whether a call returned true.
func visit(nodes []*node, u *user, p access.Privilege, allows bool, found func(*node) bool) bool {
	for _, n := range nodes {
		if n.repeats && found(n) || n.below(u, p, allows, found) {
			return true
		}
	}
	return false
}

// below is visit for the nodes below n.
func (n *node) below(u *user, p access.Privilege, allows bool, found func(*node) bool) bool {
	if !n.decides(p, allows) {
		return false
	}
	reaches := func(c *node) bool {
		return c != nil && c.decides(p, allows) && (found(c) || c.below(u, p, allows, found))
	}
	if reaches(n.one) || reaches(n.number) || u.name != "" && reaches(n.user) {
		return true
	}
	for _, c := range n.literal {
		if reaches(c) {
			return true
		}
	}
	return false
}

// decides reports whether a rule in n or below it allows p, or refuses it.
func (n *node) decides(p access.Privilege, allows bool) bool {
	if allows {
		return n.allowed.has(p)
	}
	return n.refused.has(p)
}

// fold returns a name for which two names are equal that differ in case only.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for c := unicode.SimpleFold(r); c != r; c = unicode.SimpleFold(c) {
			least = min(least, c)
		}
		return least
	}, name)
}

// matches reports whether the pattern of a rule matches path.
func (l *List) matches(r *rule, path davpath.Path, u *user) bool {
	var names []string
	for s := range path.Segments() {
		names = append(names, s)
	}
	return match(r.pattern, names, func(segment, name string) bool {
		want := segment
		if segment == userName {
			want = u.name
		}
		return segment == anyOne || want == name || l.fold && fold(want) == fold(name)
	})
}

// match reports whether a pattern matches names, one of which is compared with a segment by one.
// Only the last ** has to be tried with other lengths.
func match(pattern, names []string, one func(segment, name string) bool) bool {
	p, n, star, from := 0, 0, none, 0
	for n < len(names) {
		switch {
		case p < len(pattern) && pattern[p] == anyNumber:
			star, from = p, n
			p++
		case p < len(pattern) && one(pattern[p], names[n]):
			p++
			n++
		case star != none:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return !slices.ContainsFunc(pattern[p:], func(s string) bool { return s != anyNumber })
}
