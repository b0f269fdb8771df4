package matrix

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
)

func TestMatrixMove(t *testing.T) {
	for _, over := range []bool{false, true} {
		names := slices.Clone(tree)
		title := "MOVE to nothing "
		if over {
			names, title = append(names, destination...), "MOVE over another "
		}
		w := newTree(names...)
		for _, f := range transferFaults(w) {
			if f.kind == "rename" && f.cause == vanished && strings.HasPrefix(f.name, "/t/") {
				continue // a destination that vanishes is no failure, and ENOENT of a rename does not mean it
			}
			t.Run(harness.NoSlash(title+f.String()), func(t *testing.T) {
				t.Parallel()
				c := newCell(t, w, f)
				m := newModel(w, f)
				want := m.expectMove("/c/", "/t/", false)
				c.check(t, c.srv.Do("MOVE", "/c/", "Destination: /t/"), want, m.Tree)
			})
		}
	}
}

// TestMatrixMoveAcross moves where every rename out of a collection fails, as between two volumes:
// the server copies everything and then removes it.
func TestMatrixMoveAcross(t *testing.T) {
	for _, over := range []bool{false, true} {
		names := slices.Clone(tree)
		title := "MOVE across to nothing "
		if over {
			names, title = append(names, destination...), "MOVE across over another "
		}
		w := newTree(names...)
		for _, f := range transferFaults(w) {
			if f.kind == "rename" {
				continue // every rename fails here
			}
			t.Run(harness.NoSlash(title+f.String()), func(t *testing.T) {
				t.Parallel()
				c := newCell(t, w, f)
				for _, name := range []string{"/c", "/c/**"} {
					c.srv.Files.Fail(faultfs.Rename, name, harness.PathError(name, syscall.EXDEV))
				}
				m := newModel(w, f)
				want := m.expectMove("/c/", "/t/", true)
				c.check(t, c.srv.Do("MOVE", "/c/", "Destination: /t/"), want, m.Tree)
			})
		}
	}
}

// TestMatrixMoveFile moves a single file.
func TestMatrixMoveFile(t *testing.T) {
	w := newTree(append(slices.Clone(tree), destination...)...)
	for _, dst := range []string{"/new", "/t/m"} {
		for _, name := range []string{"/c/m", "/c/", "/t/m", "/t/", "/new"} {
			for _, f := range faults(name) {
				if f.name == "/new" && (f.cause == isLocked || f.cause == vanished) ||
					f.kind == "rename" && f.cause == vanished && f.name != "/c/m" {
					continue
				}
				t.Run(harness.NoSlash("MOVE to "+dst+" "+f.String()), func(t *testing.T) {
					t.Parallel()
					c := newCell(t, w, f)
					m := newModel(w, f)
					want := m.expectMove("/c/m", dst, false)
					c.check(t, c.srv.Do("MOVE", "/c/m", "Destination: "+dst), want, m.Tree)
				})
			}
		}
	}
}

// expectMove applies a MOVE (§9.9) of src to dst to the model and returns the expected answer.
// across is true if the server has to copy everything.
func (m *model) expectMove(src, dst string, across bool) string {
	if m.vanishes(src, stat) {
		return "404"
	}
	if m.fails(src, stat) {
		return m.outcome()
	}
	if p := harness.Parent(src); p != "/" && m.fails(p, locked, lockedFlat) {
		return m.outcome() // the membership of its collection changes (§7.4)
	}
	if p := harness.Parent(dst); p != "/" {
		if m.fails(p, stat) || m.fails(p, locked, lockedFlat) {
			return m.outcome()
		}
		if m.vanishes(p, stat) {
			return "409"
		}
	}
	success := "204"
	if m.vanishes(dst, stat) || !m.Has(dst) {
		success = "201"
	}
	if m.fails(dst, stat) {
		return m.outcome()
	}
	// "Prior to performing the move, the server MUST perform a DELETE with 'Depth: infinity' on the
	// destination resource" (§9.9.3): if a member must not be deleted, nothing is changed.
	if name := m.fault.name; m.Has(name) && name != dst && strings.HasPrefix(name, dst) && m.fails(name, protected, locked, lockedFlat) {
		m.report(name)
		return m.answer(success)
	}
	// So does one that may not be moved, or not to its place, which would be missing after that: "a
	// lock token MUST be submitted […] for all locked resources that a method may change or the
	// method MUST fail" (§7.5), and "errors on some of them prevented the operation from taking
	// place" (§9.9.4).
	if name := m.fault.name; m.Has(dst) && strings.HasSuffix(src, "/") {
		counterpart := strings.HasPrefix(name, dst) && name != dst && m.Has(src+strings.TrimPrefix(name, dst))
		if strings.HasPrefix(name, src) && name != src && m.fails(name, protected, locked, lockedFlat) ||
			counterpart && m.fails(name, protected) {
			m.report(name)
			return m.answer(success)
		}
	}
	m.move(src, dst, across, true)
	if len(m.reports) == 0 && !m.changed {
		return "404" // it vanished before anything was changed
	}
	return m.answer(success, src, dst)
}

// move applies the move of one resource and its members, and reports whether all of it was moved.
//   - A rename does not touch the members, so only the policy and locks can make a member fail. Both
//     are checked for every member, at both ends (§9.9.6: "a lock token will need to be submitted for
//     every resource, both source and destination, anywhere in the scope of the method, that is
//     locked").
//   - A resource that fails stays with all its members, which are not tried; the others are moved
//     (§9.9.2). Its ancestors stay and are not reported. What was at the destination under its name is
//     gone: a DELETE of the destination comes first (§9.9.3).
//   - A failed rename is reported for the name in the error of the file system; a failed copy for the
//     end that failed (§9.9.4: "the most appropriate of the source and destination URLs").
func (m *model) move(src, dst string, across, head bool) (all bool) {
	came := false // something of it is at the destination
	defer func() {
		if !all && !came && !head && m.Has(dst) && !m.fails(dst, stat) {
			m.delete(dst) // what cannot be looked at stays
		}
	}()
	collection := strings.HasSuffix(src, "/")
	whole := !collection || !m.Has(dst) || head // renamed as a whole, unless a member prevents it
	if m.fails(src, protected, locked, lockedFlat) || !across && whole && m.fails(src, "rename") ||
		across && (m.fails(src, stat) || collection && m.fails(src, "open", "list") || !collection && m.fails(src, "open", "read")) {
		m.report(src)
		return false
	}
	if !across && whole && m.vanishes(src, "rename") ||
		across && (m.vanishes(src, stat) || collection && m.vanishes(src, "open", "list") || !collection && m.vanishes(src, "open", "read")) {
		if head {
			return false
		}
		return !m.Has(dst) || m.delete(dst) // a source that vanished leaves no counterpart (§9.8.4)
	}
	kinds := []string{protected}
	if across {
		m.vanishes(dst, stat)
		kinds = append(kinds, stat)
	}
	switch {
	case m.Has(dst):
		kinds = append(kinds, locked, lockedFlat)
	case across && collection:
		kinds = append(kinds, "mkdir")
	}
	if !across && whole {
		kinds = append(kinds, "rename")
	}
	if m.fails(dst, kinds...) || across && !collection && m.copyFails(src, dst) {
		m.reports[dst] = m.outcome()
		return false
	}
	if !collection {
		return m.moveFile(src, dst, across)
	}
	came = true
	existed, before := m.Has(dst), m.Members(dst)
	m.Tree[dst] = ""
	m.changed = true
	all = true
	kept := map[string]bool{}
	for _, member := range m.Members(src) {
		to := dst + strings.TrimPrefix(member, src)
		kept[to] = true
		all = m.move(member, to, across, false) && all
	}
	if existed && across && m.fails(dst, "open", "list") {
		m.report(dst)
		all = false
	} else {
		for _, member := range before {
			if !kept[member] && m.Has(member) {
				all = m.removeExtra(member, across) && all
			}
		}
	}
	// The ancestors of a failure stay, and the destination is not the complete source yet.
	return all && m.removeSource(src, across)
}

func (m *model) moveFile(src, dst string, across bool) bool {
	existed := m.Has(dst)
	m.Tree[dst] = m.Tree[src]
	m.changed = true
	if m.removeSource(src, across) {
		return true
	}
	// The resource must be at one URL only, so the copy is removed; a file that was replaced cannot
	// be restored.
	if !existed {
		delete(m.Tree, dst)
	}
	return false
}

// removeSource removes a resource that was copied from its old URL.
func (m *model) removeSource(src string, across bool) bool {
	if across {
		if m.fails(src, "remove") {
			m.report(src)
			return false
		}
		if m.vanishes(src, "remove") {
			return true // it vanished, so it is at the new URL only, as requested
		}
	}
	delete(m.Tree, src)
	return true
}

// removeExtra removes a member of the destination that the source does not have: with its
// collection if that is replaced as a whole, otherwise one by one.
func (m *model) removeExtra(name string, across bool) bool {
	if across || m.kind == protected || m.kind == locked || m.kind == lockedFlat {
		return m.delete(name)
	}
	m.Tree.Remove(name)
	return true
}
