package rules

import (
	"context"
	"slices"

	"dav207/server/access"
	"dav207/server/davpath"
)

// lookup looks up what the rules say of resources for a user. It keeps what the members of a
// collection share, and what it has found for the last of them: a listing asks for one member after
// another, and more than once for each.
type lookup struct {
	user       user
	trie       *trie
	listing    bool // it is the one that the context of a listing has
	folds      bool
	name       string       // of the user, folded
	collection davpath.Path // the fields up to memberNamed are about it
	// The nodes that patterns reach at the collection: each ** once, since it matches whatever
	// follows, and those of other segments.
	stars, others, before []*node
	isReached             []bool  // by node.star
	member                said    // what is said of each member
	memberNamed           []*node // those of the nodes that tell one member from another

	path  davpath.Path
	valid bool // path and found are set
	found said
}

// of returns a lookup for the user of a request, for one goroutine until it calls put.
func (l *List) of(ctx context.Context) *lookup {
	if k, ok := ctx.Value(listingKey{l}).(*lookup); ok {
		return k
	}
	k, _ := l.lookups.Get().(*lookup)
	if k == nil {
		k = &lookup{folds: l.fold}
	}
	name, groups := access.PrincipalAndGroups(ctx)
	if k.trie == nil || k.user.name != name || !slices.Equal(k.user.groups, groups) {
		k.user.name, k.user.groups = name, append(k.user.groups[:0], groups...)
		k.trie, k.name = l.trieOf(&k.user), k.segment(name)
		k.walk(davpath.Root)
	}
	return k
}

func (l *List) put(k *lookup) {
	if !k.listing {
		l.lookups.Put(k)
	}
}

// enter returns a lookup in a collection for the user of a request.
func (l *List) enter(ctx context.Context, collection davpath.Path) *lookup {
	k := l.of(ctx)
	if k.collection != collection {
		k.walk(collection)
	}
	return k
}

// lookup returns a lookup for the user of a request that has found what is said of path.
func (l *List) lookup(ctx context.Context, path davpath.Path) *lookup {
	k := l.of(ctx)
	if k.valid && k.path == path {
		return k
	}
	name, isMember := path.MemberOf(k.collection)
	if !isMember {
		k.walk(path.Parent())
		name = path.Name()
	}
	k.find(path, name)
	return k
}

// segment returns a segment of a path as it is compared.
func (k *lookup) segment(s string) string {
	if k.folds {
		return fold(s)
	}
	return s
}

// walk finds the nodes that patterns reach at a collection, and what is said of its members.
func (k *lookup) walk(collection davpath.Path) {
	k.collection, k.valid = collection, false
	k.isReached = append(k.isReached[:0], make([]bool, k.trie.stars+1)...)
	k.stars, k.others = k.stars[:0], k.others[:0]
	k.reach(k.trie.root)
	for s := range collection.Segments() {
		s = k.segment(s)
		k.before, k.others = k.others, k.before[:0]
		for _, nodes := range [...][]*node{k.stars, k.before} {
			for _, n := range nodes {
				k.reach(n.literal[s])
				k.reach(n.one)
				if s == k.name {
					k.reach(n.user)
				}
			}
		}
	}
	k.member.set(&said{last: noVerdicts})
	k.memberNamed = k.memberNamed[:0]
	for _, n := range k.stars {
		k.member.merge(&n.said)
	}
	for _, nodes := range [...][]*node{k.stars, k.others} {
		for _, n := range nodes {
			k.member.mergeNode(n.one)
			if n.literal != nil || n.user != nil {
				k.memberNamed = append(k.memberNamed, n)
			}
		}
	}
}

// reach adds a node, which may be nil, and the ** behind it, which matches no segment, too. Only a
// ** can be reached twice, and it stays.
func (k *lookup) reach(n *node) {
	if n == nil {
		return
	}
	k.others = append(k.others, n)
	if s := n.number; s != nil && !k.isReached[s.star] {
		k.isReached[s.star] = true
		k.stars = append(k.stars, s)
	}
}

// find sets found, for a member of the collection or for the root.
func (k *lookup) find(path davpath.Path, name string) {
	k.path, k.valid = path, true
	if name == "" {
		k.found.set(&k.trie.root.said)
		return
	}
	k.found.set(&k.member)
	if len(k.memberNamed) == 0 {
		return
	}
	name = k.segment(name)
	for _, n := range k.memberNamed {
		k.found.mergeNode(n.literal[name])
		if name == k.name {
			k.found.mergeNode(n.user)
		}
	}
}

// allowsAll reports whether a rule allows p for all below the collection, and no later one may
// refuse it for anything there.
func (k *lookup) allowsAll(p access.Privilege) bool {
	allowed, refused := none, none
	for _, n := range k.stars {
		if v := n.last[p]; v.allows() {
			allowed = max(allowed, v)
		} else {
			refused = max(refused, v)
		}
		refused = max(refused, n.refused[p])
	}
	for _, n := range k.others {
		refused = max(refused, n.refused[p])
	}
	return allowed > refused
}

// allowsSome reports whether a rule allows p for the collection or for something below it, and no
// later one refuses it for all.
func (k *lookup) allowsSome(p access.Privilege) bool {
	allowed, refused := none, none
	for _, n := range k.stars {
		if v := n.last[p]; v.allows() {
			allowed = max(allowed, v)
		} else {
			refused = max(refused, v)
		}
		allowed = max(allowed, n.allowed[p])
	}
	for _, n := range k.others {
		if v := n.last[p]; v.allows() {
			allowed = max(allowed, v)
		}
		allowed = max(allowed, n.allowed[p])
	}
	return allowed > refused
}
