package fsbackend

import (
	"slices"
	"syscall"

	"github.com/spf13/afero"
)

// CopyMembers copies regular files that are members of the directory src into the directory dst, each under its own name,
// where nothing may have it, and sets copied where it did so; both are as long as names. Nobody sees some of them without the
// others.
func (m *Mem) CopyMembers(src, dst string, names []string, copied []bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, err := m.find(memName(src))
	if err != nil {
		return
	}
	into, err := m.find(memName(dst))
	if err != nil || into.members == nil {
		return
	}
	for i, name := range names {
		n := from.members[name]
		if n == nil || n.members != nil || into.members[name] != nil {
			continue
		}
		// Not newNode before there is room for the content: what is not copied must leave nothing.
		if m.room() < uint64(len(n.data)) {
			continue
		}
		member := m.newNode(n.mode.Perm())
		m.share(member, n)
		m.link(into, name, member)
		copied[i] = true
	}
}

// share gives the empty file n the content of another, for which there is room. It counts as if it were there twice; it is
// when one of them changes, see own.
func (m *Mem) share(n, other *node) {
	other.data = slices.Clip(other.data)
	n.data = other.data
	n.shared, other.shared = true, true
	m.used += uint64(len(n.data))
	m.changed(n)
}

// own makes the content of n its own before some of it is written to.
func (n *node) own() {
	if n.shared {
		n.data, n.shared = slices.Clone(n.data), false
	}
}

// copyWhole copies all of a file to another, which is empty, where both are of one tree in memory, without reading it.
// ok is false where they are not.
func copyWhole(to, from afero.File) (ok bool, err error) {
	w, ok := to.(*memFile)
	if !ok {
		return false, nil
	}
	r, ok := from.(*memFile)
	if !ok || r.tree != w.tree {
		return false, nil
	}
	m := w.tree
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.room() < uint64(len(r.node.data)) {
		return true, w.fail("write", syscall.ENOSPC)
	}
	m.share(w.node, r.node)
	return true, nil
}
