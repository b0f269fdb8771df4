package matrix

import (
	"maps"
	"slices"
	"strings"

	"dav207/integration/harness"
)

// tree is the source of the requests: a first, a middle and a last member, and among them a
// collection with members.
var tree = []string{"/c/a", "/c/d/x", "/c/d/y", "/c/m", "/c/z", "/free"}

// destination is the tree at the destination of COPY and MOVE: counterparts of the first, the
// nested and the middle member, and surplus files and collections, here and in the nested
// collection.
var destination = []string{"/t/a", "/t/d/old", "/t/d/x", "/t/m", "/t/s", "/t/sd/y"}

// model computes the expected answer and tree of a request.
type model struct {
	harness.Tree
	fault
	reports map[string]string // href: outcome
	changed bool              // the request changed something
}

func newModel(w harness.Tree, f fault) *model {
	return &model{Tree: maps.Clone(w), fault: f, reports: map[string]string{}}
}

// fails reports whether the fault is on this resource and of one of these kinds.
func (m *model) fails(name string, kinds ...string) bool {
	return m.fault.name == name && m.cause != vanished && slices.Contains(kinds, m.kind)
}

// copyFails reports whether the copy of a file to dst fails as it is written. A rule under the name of
// the source is for its copy, too: see faultfs.FS.CopyFile.
func (m *model) copyFails(src, dst string) bool {
	return m.fails(src, "create", "write", "commit") || m.fails(dst, "create", "write", "commit")
}

// vanishes reports whether the resource vanishes in one of these operations, and removes it if so.
func (m *model) vanishes(name string, kinds ...string) bool {
	if m.fault.name != name || m.cause != vanished || !slices.Contains(kinds, m.kind) {
		return false
	}
	m.Tree.Remove(name)
	return true
}

func (m *model) report(name string) { m.reports[m.href(name)] = m.outcome() }

// remove removes one resource.
func (m *model) remove(name string) {
	delete(m.Tree, name)
	m.changed = true
}

// delete applies DELETE (§9.6.1) to a resource and its members, and reports whether it is deleted.
//   - A resource that must not be removed, or a collection that cannot be listed, stays with all its
//     members; the server does not try those.
//   - "If any resource identified by a member URL cannot be deleted, then all of the member's
//     ancestors MUST NOT be deleted"; the ancestors are not reported, because the client can infer
//     them. Siblings are deleted.
//   - A resource that vanished counts as deleted.
func (m *model) delete(name string) (gone bool) {
	collection := strings.HasSuffix(name, "/")
	if m.fails(name, protected, locked, lockedFlat, stat) || collection && m.fails(name, "open", "list") {
		m.report(name)
		return false
	}
	if m.vanishes(name, stat) || collection && m.vanishes(name, "open", "list") {
		return true
	}
	gone = true
	for _, member := range m.Members(name) {
		// A lock of depth 0 protects the membership of its collection (§7.4).
		gone = m.delete(member) && gone
	}
	if !gone {
		return false
	}
	if m.fails(name, "remove") {
		m.report(name)
		return false
	}
	if !m.vanishes(name, "remove") {
		m.remove(name)
	}
	return true
}

// answer returns the expected answer, from the failures that were reported.
//   - No failure: the status of success.
//   - Only the Request-URI or the Destination failed, and nothing was changed: its status. "The server
//     MAY return a 4xx status response, rather than a 207, if the request failed completely"
//     (§9.6.1); we always do.
//   - Otherwise a 207 with the failures only: no 424, no 201, no 204, no ancestors (§9.6.1, §9.8.3,
//     §9.9.2).
func (m *model) answer(success string, heads ...string) string {
	if len(m.reports) == 0 {
		return success
	}
	hrefs := slices.Sorted(maps.Keys(m.reports))
	if len(hrefs) == 1 && !m.changed {
		for _, head := range heads {
			if head == hrefs[0] || m.href(head) == hrefs[0] {
				return m.reports[hrefs[0]]
			}
		}
	}
	out := "207"
	for _, href := range hrefs {
		out += " " + href + "=" + m.reports[href]
	}
	return out
}
