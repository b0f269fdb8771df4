package crash

import (
	"fmt"
	"maps"

	"dav207/integration/harness"
)

// showNode describes the resource at a name.
func showNode(m harness.Model, name string) string {
	n, there := m[name]
	s := "a collection"
	if !n.Collection {
		s = fmt.Sprintf("a file %q", n.Content)
	}
	if !there {
		return "not there"
	}
	if n.Colour != "" {
		s += fmt.Sprintf(" with properties %q", n.Colour)
	}
	return s
}

func withoutProperties(m harness.Model) harness.Model {
	next := maps.Clone(m)
	for name, n := range next {
		n.Colour = ""
		next[name] = n
	}
	return next
}

// parentExists reports whether the parent of a name is a collection.
func parentExists(m harness.Model, name string) bool {
	up := parentName(name)
	return up == "" || m[up].Collection
}
