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
		w := grow(names...)
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
					want := m.foretellCopy("/c/", "/t/", depth == "infinity")
					c.check(t, c.srv.Do("COPY", "/c/", "Destination: /t/", "Depth: "+depth), want, m.Tree)
				})
			}
		}
	}
}

// TestMatrixCopyFile is the same for requests that name a file: its failure is that of the request.
func TestMatrixCopyFile(t *testing.T) {
	w := grow(append(slices.Clone(tree), destination...)...)
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
					want := m.foretellCopy("/c/m", dst, true)
					c.check(t, c.srv.Do("COPY", "/c/m", "Destination: "+dst), want, m.Tree)
				})
			}
		}
	}
}

// transferFaults are those of all resources that a COPY or MOVE of /c/ to /t/ has to do with.
func transferFaults(w harness.Tree) []fault {
	all := maps.Clone(w)
	delete(all, "/")
	for name := range w {
		if rest, ok := strings.CutPrefix(name, "/c/"); ok {
			all["/t/"+rest] = "" // a counterpart may be to be made
		}
	}
	var out []fault
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, f := range faults(name) {
			if (f.cause == isLocked || f.cause == vanished) && !w.Has(name) {
				continue
			}
			if f.cause == vanished && strings.HasPrefix(name, "/t/") && (f.kind == "open" || f.kind == "list") {
				continue // its copy was made before: somebody deleted the copy
			}
			out = append(out, f)
		}
	}
	return out
}

// foretellCopy foretells COPY (§9.8) of src to dst.
func (m *model) foretellCopy(src, dst string, deep bool) string {
	if !m.readable(src, deep) {
		return m.answer("", src)
	}
	if !m.Has(src) {
		return "404"
	}
	if p := harness.Parent(dst); p != "/" && (m.fails(p, look) || m.goes(p, look)) {
		// The parent of the Destination cannot be looked at, or went: nothing can be made there
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
	if m.goes(dst, look) || !m.Has(dst) {
		success = "201"
	}
	m.copy(src, dst, deep)
	return m.answer(success, src, dst)
}

// readable reports whether the source of a copy can be had, and reports the failure. What vanishes
// is no failure.
//   - What may not be read, looked at, opened, or read to its end is not copied, and its members
//     are not (§9.8.3: "the server must skip this subtree"). Its own URL is the one to report
//     (§9.8.5: "the most appropriate of the source and destination URLs").
//   - A lock on the source is nothing to a COPY (§7.5.1), nor is what may not be done to it but
//     reading.
func (m *model) readable(src string, deep bool) bool {
	kinds := []string{unreadable, look}
	vanishing := []string{look}
	switch collection := strings.HasSuffix(src, "/"); {
	case !collection:
		kinds, vanishing = append(kinds, "open", "read"), append(vanishing, "open", "read")
	case deep: // a copy of Depth 0 does not ask what is in it
		kinds, vanishing = append(kinds, "open", "list"), append(vanishing, "open", "list")
	}
	if m.fails(src, kinds...) {
		m.report(src)
		return false
	}
	m.goes(src, vanishing...)
	return true
}

// copy foretells what becomes of one resource and of what is below it, and reports whether all of
// it was copied.
func (m *model) copy(src, dst string, deep bool) bool {
	if !m.readable(src, deep) {
		return false
	}
	if !m.Has(src) {
		// "The membership of the destination collection MUST be the same membership as the source
		// collection" (§9.8.4): a counterpart of what is not there any more must not stay as if it
		// were its copy.
		return !m.Has(dst) || m.delete(dst)
	}
	// What is at the destination is replaced once it can be, so where that fails it is what it was.
	kinds := []string{protected, look}
	collection := strings.HasSuffix(src, "/")
	m.goes(dst, look)
	switch {
	case m.Has(dst):
		kinds = append(kinds, locked, lockedFlat)
	case collection:
		kinds = append(kinds, "mkdir")
	}
	if !collection {
		kinds = append(kinds, "create", "write", "commit")
	}
	if m.fails(dst, kinds...) {
		m.reports[dst] = m.outcome() // whatever is there: what was to be made has the kind of its source
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
			all = m.copy(member, to, true) && all // §9.8.3: other subtrees go on
		}
	}
	if existed && m.fails(dst, "open", "list") {
		// What it holds besides cannot be known, so it stays, and cannot be passed over in silence.
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
