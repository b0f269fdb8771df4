package matrix

import (
	"maps"
	"slices"
	"strings"

	"dav207/integration/harness"
)

// tree is what the matrix works on: a first, a middle and a last member, and a collection among
// them with members.
var tree = []string{"/c/a", "/c/d/x", "/c/d/y", "/c/m", "/c/z", "/free"}

// destination is what may be at the destination of COPY and MOVE: counterparts of the first, of the
// nested and of the middle member, and what has none, a file and a collection, here and in the
// nested collection.
var destination = []string{"/t/a", "/t/d/old", "/t/d/x", "/t/m", "/t/s", "/t/sd/y"}

// model is a request being foretold.
type model struct {
	harness.Tree
	fault
	reports map[string]string // href: outcome
	changed bool              // the request did something
}

func newModel(w harness.Tree, f fault) *model {
	return &model{Tree: maps.Clone(w), fault: f, reports: map[string]string{}}
}

// fails reports whether the fault is of this resource, and one of these kinds.
func (m *model) fails(name string, kinds ...string) bool {
	return m.fault.name == name && m.cause != vanished && slices.Contains(kinds, m.kind)
}

// goes reports whether the resource vanishes in one of these operations, and takes it out.
func (m *model) goes(name string, kinds ...string) bool {
	if m.fault.name != name || m.cause != vanished || !slices.Contains(kinds, m.kind) {
		return false
	}
	m.Tree.Remove(name)
	return true
}

func (m *model) report(name string) { m.reports[m.href(name)] = m.outcome() }

// take removes one resource.
func (m *model) take(name string) {
	delete(m.Tree, name)
	m.changed = true
}

// delete foretells DELETE (§9.6.1) for a resource and everything below it, and reports whether it
// is gone.
//   - What may not be removed, or cannot be looked into, stays as it is with all its members: they
//     are not tried.
//   - "If any resource identified by a member URL cannot be deleted, then all of the member's
//     ancestors MUST NOT be deleted"; they are not reported, for the client knows. Siblings go.
//   - What vanished is as good as deleted, and no failure.
func (m *model) delete(name string) (gone bool) {
	collection := strings.HasSuffix(name, "/")
	if m.fails(name, protected, locked, lockedFlat, look) || collection && m.fails(name, "open", "list") {
		m.report(name)
		return false
	}
	if m.goes(name, look) || collection && m.goes(name, "open", "list") {
		return true
	}
	gone = true
	for _, member := range m.Members(name) {
		// A lock of depth 0 guards the membership of its collection (§7.4); such a one was met
		// above.
		gone = m.delete(member) && gone
	}
	if !gone {
		return false
	}
	if m.fails(name, "remove") {
		m.report(name)
		return false
	}
	if !m.goes(name, "remove") {
		m.take(name)
	}
	return true
}

// answer is what is said of a request whose failures were reported.
//   - No failure: the status of success.
//   - The Request-URI or the Destination failed, alone, and nothing was changed: "the server MAY
//     return a 4xx status response, rather than a 207, if the request failed completely" (§9.6.1).
//     We always do.
//   - Everything else is a 207 with the failures and nothing but the failures: no 424, no 201, no
//     204, no ancestors (§9.6.1, §9.8.3, §9.9.2).
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
