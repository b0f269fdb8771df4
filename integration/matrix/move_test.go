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
		w := grow(names...)
		for _, f := range transferFaults(w) {
			if f.kind == "rename" && f.cause == vanished && strings.HasPrefix(f.name, "/t/") {
				continue // what vanishes at the new name is no failure, and is not what ENOENT says there
			}
			t.Run(harness.NoSlash(title+f.String()), func(t *testing.T) {
				t.Parallel()
				c := newCell(t, w, f)
				m := newModel(w, f)
				want := m.foretellMove("/c/", "/t/", false)
				c.check(t, c.srv.Do("MOVE", "/c/", "Destination: /t/"), want, m.Tree)
			})
		}
	}
}

// TestMatrixMoveAcross is MOVE where nothing can be renamed out of its collection, as between two
// disks: everything is copied and then removed.
func TestMatrixMoveAcross(t *testing.T) {
	for _, over := range []bool{false, true} {
		names := slices.Clone(tree)
		title := "MOVE across to nothing "
		if over {
			names, title = append(names, destination...), "MOVE across over another "
		}
		w := grow(names...)
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
				want := m.foretellMove("/c/", "/t/", true)
				c.check(t, c.srv.Do("MOVE", "/c/", "Destination: /t/"), want, m.Tree)
			})
		}
	}
}

// TestMatrixMoveFile is the same for requests that name a file.
func TestMatrixMoveFile(t *testing.T) {
	w := grow(append(slices.Clone(tree), destination...)...)
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
					want := m.foretellMove("/c/m", dst, false)
					c.check(t, c.srv.Do("MOVE", "/c/m", "Destination: "+dst), want, m.Tree)
				})
			}
		}
	}
}

// foretellMove foretells MOVE (§9.9) of src to dst. across says that everything must be copied.
func (m *model) foretellMove(src, dst string, across bool) string {
	if m.goes(src, look) {
		return "404"
	}
	if m.fails(src, look) {
		return m.outcome()
	}
	if p := harness.Parent(src); p != "/" && m.fails(p, locked, lockedFlat) {
		return m.outcome() // the membership of its collection changes (§7.4)
	}
	if p := harness.Parent(dst); p != "/" {
		if m.fails(p, look) || m.fails(p, locked, lockedFlat) {
			return m.outcome()
		}
		if m.goes(p, look) {
			return "409"
		}
	}
	success := "204"
	if m.goes(dst, look) || !m.Has(dst) {
		success = "201"
	}
	if m.fails(dst, look) {
		return m.outcome()
	}
	// "Prior to performing the move, the server MUST perform a DELETE with 'Depth: infinity' on the
	// destination resource" (§9.9.3): a member that may not be deleted keeps everything as it is.
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
		return "404" // it went before anything was done
	}
	return m.answer(success, src, dst)
}

// move foretells what becomes of one resource and of what is below it, and reports whether all of
// it was moved.
//   - A rename asks nothing of what is below, so nothing there can fail it, but those who may not
//     be moved: the policy and the locks are asked of every member, at both ends (§9.9.6: "a lock
//     token will need to be submitted for every resource, both source and destination, anywhere in
//     the scope of the method, that is locked").
//   - One that fails stays with all its members, which are not tried; others go on (§9.9.2). Its
//     ancestors stay, they are not reported. What was at the destination under its name is gone:
//     a DELETE of the destination comes first (§9.9.3).
//   - A rename that fails is reported for the name that the file system blames, across the two ends
//     for the end that failed (§9.9.4: "the most appropriate of the source and destination URLs").
func (m *model) move(src, dst string, across, head bool) (all bool) {
	came := false // something of it is at the destination
	defer func() {
		if !all && !came && !head && m.Has(dst) && !m.fails(dst, look) {
			m.delete(dst) // which what cannot be looked at escapes
		}
	}()
	collection := strings.HasSuffix(src, "/")
	whole := !collection || !m.Has(dst) || head // what is renamed as one, unless something below it forbids
	if m.fails(src, protected, locked, lockedFlat) || !across && whole && m.fails(src, "rename") ||
		across && (m.fails(src, look) || collection && m.fails(src, "open", "list") || !collection && m.fails(src, "open", "read")) {
		m.report(src)
		return false
	}
	if !across && whole && m.goes(src, "rename") ||
		across && (m.goes(src, look) || collection && m.goes(src, "open", "list") || !collection && m.goes(src, "open", "read")) {
		if head {
			return false
		}
		return !m.Has(dst) || m.delete(dst) // what is not there any more has no counterpart (§9.8.4)
	}
	kinds := []string{protected}
	if across {
		m.goes(dst, look)
		kinds = append(kinds, look)
	}
	switch {
	case m.Has(dst):
		kinds = append(kinds, locked, lockedFlat)
	case across && collection:
		kinds = append(kinds, "mkdir")
	}
	if across && !collection {
		kinds = append(kinds, "create", "write", "commit")
	}
	if !across && whole {
		kinds = append(kinds, "rename")
	}
	if m.fails(dst, kinds...) {
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
				all = m.replaced(member, across) && all
			}
		}
	}
	// The ancestors of a failure stay, and so do their counterparts: what is at the destination is
	// not yet what the source was.
	return all && m.left(src, across)
}

func (m *model) moveFile(src, dst string, across bool) bool {
	existed := m.Has(dst)
	m.Tree[dst] = m.Tree[src]
	m.changed = true
	if m.left(src, across) {
		return true
	}
	// A resource is at one URL or at the other, so the copy is taken back; over another file that
	// is too late.
	if !existed {
		delete(m.Tree, dst)
	}
	return false
}

// left removes what was moved from its old place.
func (m *model) left(src string, across bool) bool {
	if across {
		if m.fails(src, "remove") {
			m.report(src)
			return false
		}
		if m.goes(src, "remove") {
			return true // somebody else removed it: it is at its new place only, which is what was asked for
		}
	}
	delete(m.Tree, src)
	return true
}

// replaced removes what has no counterpart: together with its collection where that was renamed
// away as a whole, and one by one where something forbids that.
func (m *model) replaced(name string, across bool) bool {
	if across || m.kind == protected || m.kind == locked || m.kind == lockedFlat {
		return m.delete(name)
	}
	m.Tree.Remove(name)
	return true
}
