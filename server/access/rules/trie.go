package rules

import (
	"encoding/binary"

	"dav207/server/access"
)

// verdict is what a rule says of a privilege. That of a later rule is greater.
type verdict int32

// none is the verdict where no rule matches.
const none verdict = -1

// verdict returns what the rule says of its privileges. onTheWay means: of a path on the way to its
// own.
func (r *rule) verdict(onTheWay bool) verdict {
	v := verdict(r.index)<<3 | verdict(r.effect)
	if !onTheWay {
		v |= 4
	}
	return v
}

func (v verdict) allows() bool   { return v != none && effect(v&3) == allow }
func (v verdict) hides() bool    { return v == none || effect(v&3) == hide }
func (v verdict) onTheWay() bool { return v&4 == 0 }

// rule returns the index of the rule, -1 for none.
func (v verdict) rule() int { return int(v >> 3) }

// verdicts is the last verdict for each privilege.
type verdicts [access.Unlock + 1]verdict

// noVerdicts are those where no rule matches.
var noVerdicts = func() (v verdicts) {
	v.fill(all, none)
	return v
}()

// fill sets the verdict for some privileges.
func (v *verdicts) fill(what set, to verdict) {
	for p := range v {
		if what.has(access.Privilege(p)) {
			v[p] = to
		}
	}
}

// merge replaces verdicts by later ones.
func (v *verdicts) merge(other *verdicts) {
	for p := range v {
		v[p] = max(v[p], other[p])
	}
}

// said is what the rules for one or more nodes say.
type said struct {
	last       verdicts
	properties []*rule // those about properties
}

// set makes s equal to other.
func (s *said) set(other *said) {
	s.last, s.properties = other.last, append(s.properties[:0], other.properties...)
}

// merge adds what the rules for other nodes say.
func (s *said) merge(other *said) {
	s.last.merge(&other.last)
	s.properties = append(s.properties, other.properties...)
}

// mergeNode adds what is said at a node, which may be nil.
func (s *said) mergeNode(n *node) {
	if n != nil {
		s.merge(&n.said)
	}
}

// trie holds the rules for one kind of user, those that have the same rules.
type trie struct {
	root  *node
	stars int // the nodes that are a **
}

// node is a segment of patterns in a trie. So a path finds the rules that match it without a look
// at the others.
type node struct {
	literal map[string]*node
	one     *node // *
	user    *node // {user}
	number  *node // **; that node has none itself
	star    int   // of a **, which matches whatever follows: its number, from 1
	said
	// The last verdicts below the node that allow, and those that do not.
	allowed, refused verdicts
}

// newTrie returns the trie for the users that are like u. {user} matches nothing for guests.
func (l *List) newTrie(u *user) (t *trie, rules int) {
	t = &trie{root: newNode()}
	for i := range l.rules {
		if r := &l.rules[i]; r.isFor(u) {
			t.insert(r, u, l.fold)
			rules++
		}
	}
	t.root.sum()
	return t, rules
}

func newNode() *node {
	return &node{said: said{last: noVerdicts}, allowed: noVerdicts, refused: noVerdicts}
}

// child returns the node for a segment of a pattern, which it makes if there is none.
func (t *trie) child(n *node, segment string) *node {
	at := &n.one
	switch segment {
	case anyOne:
	case anyNumber:
		at = &n.number
	case userName:
		at = &n.user
	default:
		c := n.literal[segment]
		if c == nil {
			c = newNode()
			if n.literal == nil {
				n.literal = map[string]*node{}
			}
			n.literal[segment] = c
		}
		return c
	}
	if *at == nil {
		*at = newNode()
		if segment == anyNumber {
			t.stars++
			(*at).star = t.stars
		}
	}
	return *at
}

// insert adds a rule, which is later than those before.
func (t *trie) insert(r *rule, u *user, folds bool) {
	n := t.root
	way := r.effect == allow && r.what.has(access.Read) && r.property == nil
	for _, s := range r.pattern {
		way = way && s != anyOne && s != anyNumber
		if way {
			n.last[access.Read] = r.verdict(true)
		}
		if s == userName && u.name == "" {
			return
		}
		if folds && s != userName {
			s = fold(s)
		}
		n = t.child(n, s)
	}
	if r.property != nil {
		n.properties = append(n.properties, r)
		return
	}
	n.last.fill(r.what, r.verdict(false))
}

// sum sets allowed and refused of n and of the nodes below it. It adds to what is said at n what is
// said at its **, which matches no segment, too.
func (n *node) sum() {
	for _, c := range n.literal {
		n.add(c)
	}
	n.add(n.one)
	n.add(n.user)
	n.add(n.number)
	n.mergeNode(n.number)
}

// add adds what is said at and below a child to the sums of n.
func (n *node) add(child *node) {
	if child == nil {
		return
	}
	child.sum()
	n.allowed.merge(&child.allowed)
	n.refused.merge(&child.refused)
	for p, v := range child.last {
		if v.allows() {
			n.allowed[p] = max(n.allowed[p], v)
		} else {
			n.refused[p] = max(n.refused[p], v)
		}
	}
}

// maxRulesInTries bounds the memory of List.tries, to some 100 MB.
const maxRulesInTries = 1 << 18

// trieOf returns the trie for a user.
func (l *List) trieOf(u *user) *trie {
	key := l.trieKey(u)
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tries[key]
	if t == nil {
		var rules int
		t, rules = l.newTrie(u)
		if l.rulesInTries += rules; l.rulesInTries > maxRulesInTries {
			clear(l.tries)
			l.rulesInTries = rules
		}
		l.tries[key] = t
	}
	return t
}

// trieKey returns a key that is equal only for users that have the same rules: whether they are
// guests, and which of the names in the rules are theirs.
func (l *List) trieKey(u *user) string {
	name := l.named[u.name] << 1
	if u.name == "" {
		name = 1
	}
	key := binary.NativeEndian.AppendUint32(make([]byte, 0, 64), name)
	for _, g := range u.groups {
		if n := l.named["@"+g]; n != 0 {
			key = binary.NativeEndian.AppendUint32(key, n)
		}
	}
	return string(key)
}
