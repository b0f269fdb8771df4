package locks

import (
	"slices"
	"strings"

	"dav207/server/resource"
)

// node is a place in the tree of lock roots. Chains of segments without a lock or a fork are one node, so the
// memory of the tree grows with the number of locks and not with the depth of their roots: below the topmost node,
// each one has locks of its own or at least two children.
type node struct {
	parent   *node
	label    string           // "/a/b": the segments that lead here from parent; "" for the topmost
	children map[string]*node // by the first segment of their labels; nil without any
	infinite []*entry         // the locks with their root here, oldest first
	single   []*entry         // the same of depth 0, apart: nothing below needs to look at them

	count     int // the locks here and below
	exclusive int // those of them that are exclusive
}

// key returns p in the form of labels: "" for the root.
func key(p resource.Path) string {
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

// cutSegments removes prefix from s where s has it as whole segments.
func cutSegments(s, prefix string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(s, prefix)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// common returns the segments that both begin with.
func common(a, b string) string {
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

// locate calls visit for every node properly above path, outermost first. It returns the topmost node at or below path,
// and whether it is at path.
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

// make returns the node at path, after making it where it was missing.
func (n *node) make(path string) *node {
	for rest := path; rest != ""; {
		child := n.children[firstSegment(rest)]
		if child == nil {
			child = &node{label: rest}
			n.attach(child)
			return child
		}
		shared := common(child.label, rest)
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
		n.parent.children = nil // a map does not shrink
	}
}

// add and remove keep the counts and nothing else of the tree.
func (n *node) add(e *entry) {
	e.node = n
	if e.Infinite {
		n.infinite = append(n.infinite, e)
	} else {
		n.single = append(n.single, e)
	}
	exclusive := 0
	if !e.Shared {
		exclusive = 1
	}
	n.adjust(1, exclusive)
}

func (n *node) remove(e *entry) {
	same := func(o *entry) bool { return o == e }
	if e.Infinite {
		n.infinite = slices.DeleteFunc(n.infinite, same)
	} else {
		n.single = slices.DeleteFunc(n.single, same)
	}
	exclusive := 0
	if !e.Shared {
		exclusive = -1
	}
	n.adjust(-1, exclusive)
}

func (n *node) adjust(count, exclusive int) {
	for ; n != nil; n = n.parent {
		n.count += count
		n.exclusive += exclusive
	}
}

// tidy removes n, or joins it to its only child, where nothing needs it any more.
func (n *node) tidy() {
	for n.parent != nil && len(n.infinite)+len(n.single) == 0 && len(n.children) < 2 {
		parent := n.parent
		n.detach()
		for _, child := range n.children {
			child.label = n.label + child.label
			parent.attach(child)
		}
		n = parent
	}
}

// own is the number of locks that have their root here.
func (n *node) own() int { return len(n.infinite) + len(n.single) }

// walk calls visit for the locks here and below, in path order. With exclusiveOnly it leaves the shared ones out, and
// does not enter what holds no others.
func (n *node) walk(exclusiveOnly bool, visit func(*entry)) {
	if exclusiveOnly && n.exclusive == 0 {
		return
	}
	n.walkOwn(exclusiveOnly, visit)
	n.walkBelow(exclusiveOnly, visit)
}

func (n *node) walkOwn(exclusiveOnly bool, visit func(*entry)) {
	for _, of := range [...][]*entry{n.infinite, n.single} {
		for _, e := range of {
			if exclusiveOnly && e.Shared {
				break // an exclusive lock would be alone here: its root has room for no other
			}
			visit(e)
		}
	}
}

func (n *node) walkBelow(exclusiveOnly bool, visit func(*entry)) {
	if n.count == n.own() || exclusiveOnly && n.exclusive == 0 {
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
