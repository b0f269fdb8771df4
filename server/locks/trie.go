package locks

import (
	"slices"
	"strings"

	"dav207/server/davpath"
)

// node is a node of a compressed trie (radix tree) of lock roots, keyed by path segments. Each node
// but the topmost has locks or at least two children, so the memory grows with the number of locks
// and not with the depth of their roots.
type node struct {
	parent   *node
	label    string           // "/a/b": the segments between parent and this node; "" for the topmost
	children map[string]*node // by the first segment of their labels; nil if there are none

	// The locks with their root here, oldest first. Those of depth 0 do not cover what is below.
	infinite, depthZero []*entry

	count     int // the locks here and below
	exclusive int // the exclusive ones among them
}

// key returns p in the form of labels: "" for the root.
func key(p davpath.Path) string {
	if p.IsRoot() {
		return ""
	}
	return p.String()
}

// firstSegment returns "a" of "/a/b".
func firstSegment(s string) string {
	s = s[1:]
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return s[:i]
	}
	return s
}

// cutSegments removes prefix from s. ok reports whether s begins with it, as whole segments.
func cutSegments(s, prefix string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(s, prefix)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// commonSegments returns the longest common prefix of whole segments.
func commonSegments(a, b string) string {
	n, end := min(len(a), len(b)), 0
	for i := 0; ; i++ {
		if (i == len(a) || a[i] == '/') && (i == len(b) || b[i] == '/') {
			end = i
		}
		if i == n || a[i] != b[i] {
			return a[:end]
		}
	}
}

// locate calls visit, unless it is nil, for every node strictly above path, outermost first. It
// returns the topmost node at or below path, nil if there is none, and whether it is at path.
func (n *node) locate(path string, visit func(*node)) (sub *node, exact bool) {
	for rest := path; rest != ""; {
		if visit != nil {
			visit(n)
		}
		child := n.children[firstSegment(rest)]
		if child == nil {
			return nil, false
		}
		after, ok := cutSegments(rest, child.label)
		if !ok {
			if _, ok := cutSegments(child.label, rest); ok {
				return child, false
			}
			return nil, false
		}
		n, rest = child, after
	}
	return n, true
}

// getOrCreate returns the node at path. It splits the label of an existing node if necessary.
func (n *node) getOrCreate(path string) *node {
	for rest := path; rest != ""; {
		child := n.children[firstSegment(rest)]
		if child == nil {
			child = &node{label: rest}
			n.attach(child)
			return child
		}
		shared := commonSegments(child.label, rest)
		if len(shared) < len(child.label) {
			fork := &node{label: shared, count: child.count, exclusive: child.exclusive}
			n.attach(fork)
			child.label = child.label[len(shared):]
			fork.attach(child)
			child = fork
		}
		n, rest = child, rest[len(shared):]
	}
	return n
}

func (n *node) attach(child *node) {
	if n.children == nil {
		n.children = make(map[string]*node)
	}
	child.parent = n
	n.children[firstSegment(child.label)] = child
}

func (n *node) detach() {
	delete(n.parent.children, firstSegment(n.label))
	if len(n.parent.children) == 0 {
		n.parent.children = nil // maps do not shrink
	}
}

// list returns the list of n that e belongs to.
func (n *node) list(e *entry) *[]*entry {
	if e.Infinite {
		return &n.infinite
	}
	return &n.depthZero
}

func (n *node) add(e *entry) {
	e.node = n
	list := n.list(e)
	*list = append(*list, e)
	n.addCounts(1, e.exclusive())
}

// remove leaves n in the tree even if it is empty: see prune.
func (n *node) remove(e *entry) {
	list := n.list(e)
	*list = slices.DeleteFunc(*list, func(o *entry) bool { return o == e })
	n.addCounts(-1, -e.exclusive())
}

// exclusive returns 1 for an exclusive lock, else 0.
func (e *entry) exclusive() int {
	if e.Shared {
		return 0
	}
	return 1
}

// addCounts adds to the counts of n and of all nodes above it.
func (n *node) addCounts(count, exclusive int) {
	for ; n != nil; n = n.parent {
		n.count += count
		n.exclusive += exclusive
	}
}

// prune removes n if it has no locks and fewer than two children, after joining its label to that
// of an only child. It continues with the parent.
func (n *node) prune() {
	for n.parent != nil && len(n.infinite)+len(n.depthZero) == 0 && len(n.children) < 2 {
		parent := n.parent
		n.detach()
		for _, child := range n.children {
			child.label = n.label + child.label
			parent.attach(child)
		}
		n = parent
	}
}

// ownCount returns the number of locks that have their root here.
func (n *node) ownCount() int { return len(n.infinite) + len(n.depthZero) }

// walk calls visit for the locks here and below, in path order. With exclusiveOnly it skips the
// shared ones, and nodes that hold only shared ones.
func (n *node) walk(exclusiveOnly bool, visit func(*entry)) {
	if exclusiveOnly && n.exclusive == 0 {
		return
	}
	n.walkOwn(exclusiveOnly, visit)
	n.walkBelow(exclusiveOnly, visit)
}

func (n *node) walkOwn(exclusiveOnly bool, visit func(*entry)) {
	for _, list := range [...][]*entry{n.infinite, n.depthZero} {
		for _, e := range list {
			if exclusiveOnly && e.Shared {
				break // an exclusive lock conflicts with any other on the same root
			}
			visit(e)
		}
	}
}

func (n *node) walkBelow(exclusiveOnly bool, visit func(*entry)) {
	if n.count == n.ownCount() || exclusiveOnly && n.exclusive == 0 {
		return
	}
	names := make([]string, 0, len(n.children))
	for name, child := range n.children {
		if !exclusiveOnly || child.exclusive > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		n.children[name].walk(exclusiveOnly, visit)
	}
}
