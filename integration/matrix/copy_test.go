package matrix

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"dav207/integration/harness"
)

func TestMatrixCopy(t *testing.T) {
	for _, over := range []bool{false, true} {
		names := slices.Clone(tree)
		if over {
			names = append(names, destination...)
		}
		w := newTree(names...)
		for _, depth := range []string{"0", "infinity"} {
			for _, f := range transferFaults(w) {
				title := "COPY " + depth + " to nothing "
				if over {
					title = "COPY " + depth + " over another "
				}
				t.Run(harness.NoSlash(title+f.String()), func(t *testing.T) {
					t.Parallel()
					c := newCell(t, w, f)
					m := newModel(w, f)
					want := m.expectCopy("/c/", "/t/", depth == "infinity")
					c.check(t, c.srv.Do("COPY", "/c/", "Destination: /t/", "Depth: "+depth), want, m.Tree)
				})
			}
		}
	}
}

// TestMatrixCopyFile copies a single file, whose failure is the status of the request.
func TestMatrixCopyFile(t *testing.T) {
	w := newTree(append(slices.Clone(tree), destination...)...)
	for _, dst := range []string{"/new", "/t/m"} {
		for _, name := range []string{"/c/m", "/c/", "/t/m", "/t/", "/new"} {
			for _, f := range faults(name) {
				if f.name == "/new" && (f.cause == isLocked || f.cause == vanished) {
					continue
				}
				t.Run(harness.NoSlash("COPY to "+dst+" "+f.String()), func(t *testing.T) {
					t.Parallel()
					c := newCell(t, w, f)
					m := newModel(w, f)
					want := m.expectCopy("/c/m", dst, true)
					c.check(t, c.srv.Do("COPY", "/c/m", "Destination: "+dst), want, m.Tree)
				})
			}
		}
	}
}

// transferFaults returns the faults of all resources that a COPY or MOVE of /c/ to /t/ involves.
func transferFaults(w harness.Tree) []fault {
	all := maps.Clone(w)
	delete(all, "/")
	for name := range w {
		if rest, ok := strings.CutPrefix(name, "/c/"); ok {
			all["/t/"+rest] = "" // the counterpart may not exist yet
		}
	}
	var out []fault
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, f := range faults(name) {
			if (f.cause == isLocked || f.cause == vanished) && !w.Has(name) {
				continue
			}
			if f.cause == vanished && strings.HasPrefix(name, "/t/") && (f.kind == "open" || f.kind == "list") {
				continue // the copy exists by then; this would be a concurrent DELETE
			}
			out = append(out, f)
		}
	}
	return out
}

// expectCopy applies a COPY (§9.8) of src to dst to the model and returns the expected answer.
func (m *model) expectCopy(src, dst string, deep bool) string {
	if !m.readable(src, deep) {
		return m.answer("", src)
	}
	if !m.Has(src) {
		return "404"
	}
	if p := harness.Parent(dst); p != "/" && (m.fails(p, stat) || m.vanishes(p, stat)) {
		// If the parent of the Destination vanished or its stat fails, nothing can be created in it
		// (§9.8.5).
		if m.cause == vanished {
			return "409"
		}
		return m.outcome()
	}
	if p := harness.Parent(dst); !m.Has(dst) && m.fails(p, locked, lockedFlat) || m.Has(dst) && m.fails(p, locked) {
		return m.outcome() // §7.4
	}
	success := "204"
	if m.vanishes(dst, stat) || !m.Has(dst) {
		success = "201"
	}
	m.copy(src, dst, deep)
	return m.answer(success, src, dst)
}

// readable reports whether the source of a copy can be read, and adds the failure to the answer. A
// source that vanishes is no failure.
//   - If a policy check, stat, open or read of the source fails, neither the source nor its members
//     are copied (§9.8.3: "the server must skip this subtree"). The answer has the URL of the source
//     (§9.8.5: "the most appropriate of the source and destination URLs").
//   - A lock on the source does not affect COPY (§7.5.1), nor do faults of operations other than
//     reading.
func (m *model) readable(src string, deep bool) bool {
	kinds := []string{unreadable, stat}
	vanishing := []string{stat}
	switch collection := strings.HasSuffix(src, "/"); {
	case !collection:
		kinds, vanishing = append(kinds, "open", "read"), append(vanishing, "open", "read")
	case deep: // a copy of Depth 0 does not list the members
		kinds, vanishing = append(kinds, "open", "list"), append(vanishing, "open", "list")
	}
	if m.fails(src, kinds...) {
		m.report(src)
		return false
	}
	m.vanishes(src, vanishing...)
	return true
}

// copy applies the copy of one resource and its members, and reports whether all of it was copied.
func (m *model) copy(src, dst string, deep bool) bool {
	if !m.readable(src, deep) {
		return false
	}
	if !m.Has(src) {
		// "The membership of the destination collection MUST be the same membership as the source
		// collection" (§9.8.4): the counterpart of a source that vanished must not stay as if it were
		// the copy.
		return !m.Has(dst) || m.delete(dst)
	}
	// The destination is replaced only by a complete copy; if that fails it is unchanged.
	kinds := []string{protected, stat}
	collection := strings.HasSuffix(src, "/")
	m.vanishes(dst, stat)
	switch {
	case m.Has(dst):
		kinds = append(kinds, locked, lockedFlat)
	case collection:
		kinds = append(kinds, "mkdir")
	}
	if m.fails(dst, kinds...) || !collection && m.copyFails(src, dst) {
		m.reports[dst] = m.outcome() // the href has the kind of the source
		return false
	}
	m.changed = true
	if !collection {
		m.Tree[dst] = m.Tree[src]
		return true
	}
	existed := m.Has(dst)
	before := m.Members(dst)
	m.Tree[dst] = ""
	all := true
	kept := map[string]bool{}
	if deep {
		for _, member := range m.Members(src) {
			to := dst + strings.TrimPrefix(member, src)
			kept[to] = true
			all = m.copy(member, to, true) && all // §9.8.3: the other subtrees are still copied
		}
	}
	if existed && m.fails(dst, "open", "list") {
		// The surplus members cannot be listed, so they stay, and the answer must report that.
		m.report(dst)
		return false
	}
	for _, member := range before {
		if !kept[member] && m.Has(member) {
			all = m.delete(member) && all // §9.8.4: merging is not compliant
		}
	}
	return all
}
