package harness

import (
	"maps"
	"slices"
	"strings"

	"dav207/server/davtest"
)

// Tree maps the name of each resource to its content. Names of collections end in a slash and have
// no content.
type Tree map[string]string

// Members returns the internal members of a collection, sorted.
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

// Remove removes a resource and its members.
func (w Tree) Remove(name string) {
	maps.DeleteFunc(w, func(n, _ string) bool {
		return n == name || strings.HasSuffix(name, "/") && strings.HasPrefix(n, name)
	})
}

// Has reports whether a resource exists.
func (w Tree) Has(name string) bool { _, ok := w[name]; return ok }

// String returns the sorted names, with the content of a file if it is not the name.
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
	for name := range strings.SplitSeq(srv.Names(), " ") {
		w[name] = ""
		if !strings.HasSuffix(name, "/") {
			w[name] = srv.Content(name)
		}
	}
	return w
}
