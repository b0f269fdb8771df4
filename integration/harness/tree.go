package harness

import (
	"maps"
	"slices"
	"strings"

	"dav207/server/davtest"
)

// Tree is a tree: the name of each resource with its content; those of collections end in a slash
// and have none.
type Tree map[string]string

// Members returns the direct members of a collection, in order.
func (w Tree) Members(collection string) []string {
	var out []string
	for name := range w {
		if name != "/" && Parent(name) == collection {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Remove removes a resource with everything below it.
func (w Tree) Remove(name string) {
	maps.DeleteFunc(w, func(n, _ string) bool {
		return n == name || strings.HasSuffix(name, "/") && strings.HasPrefix(n, name)
	})
}

// Has reports whether a resource is there.
func (w Tree) Has(name string) bool { _, ok := w[name]; return ok }

// String lists the names, with the contents that are not the name itself.
func (w Tree) String() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if content := w[name]; content != name && !strings.HasSuffix(name, "/") {
			name += "=" + content
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// TreeOf returns the tree of a server.
func TreeOf(srv *davtest.Server) Tree {
	w := Tree{}
	for name := range strings.SplitSeq(srv.Tree(), " ") {
		w[name] = ""
		if !strings.HasSuffix(name, "/") {
			w[name] = srv.Content(name)
		}
	}
	return w
}
