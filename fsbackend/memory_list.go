package fsbackend

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"syscall"

	"dav207/server/davpath"
)

// names are the sorted names of the members of a node after so many changes.
type names struct {
	sorted  []string
	changes uint64
}

// list returns the names of the members of n in order. They are sorted when they are first asked for after a change: that was an
// eighth of what a listing of a thousand took.
func (m *Mem) list(n *node) []string {
	m.mu.RLock()
	if known := n.listed.Load(); known != nil && known.changes == n.changes {
		m.mu.RUnlock()
		return slices.Clone(known.sorted)
	}
	l := &names{slices.AppendSeq(make([]string, 0, len(n.members)), maps.Keys(n.members)), n.changes}
	m.mu.RUnlock()
	slices.Sort(l.sorted) // without the lock: it may take long
	n.listed.Store(l)
	return slices.Clone(l.sorted)
}

// Lstat describes one member of an open directory, wherever that has been moved.
func (f *memFile) Lstat(name string) (fs.FileInfo, error) {
	f.tree.mu.RLock()
	defer f.tree.mu.RUnlock()
	if member := f.node.members[name]; member != nil {
		return f.tree.info(name, member), nil
	}
	return nil, memError("lstat", path.Join(f.name, name), syscall.ENOENT)
}

// memDir is an open directory as FS hands it out.
type memDir struct {
	aferoDir
	members *memFile
}

// LstatAll implements tree.MembersLister.
func (f *memDir) LstatAll(names []string, infos []fs.FileInfo, errs []error) {
	var found []memInfo // for those that bring no memory
	m, members := f.members.tree, f.members.node.members
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i, name := range names {
		member := members[name]
		if member == nil {
			errs[i] = reading("lstat", path.Join(f.name, name), fs.ErrNotExist)
			continue
		}
		info, again := infos[i].(*memInfo)
		if !again {
			if len(found) == 0 {
				found = make([]memInfo, len(names)-i)
			}
			info, found = &found[0], found[1:]
			infos[i] = info
		}
		m.describe(info, name, member)
	}
}

// Exceeding returns the name of something below the directory name whose name is more than bytes
// longer than name, or more than segments deeper; "" where there is none.
func (m *Mem) Exceeding(name string, bytes, segments int) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.find(memName(name))
	if err != nil {
		return ""
	}
	return n.exceeding(memName(name), bytes, segments)
}

func (n *node) exceeding(name string, bytes, segments int) string {
	for segment, member := range n.members {
		if davpath.Reserved(segment) {
			continue
		}
		longer := len(segment) + 1
		if longer > bytes || segments < 1 {
			return path.Join(name, segment)
		}
		if len(member.members) > 0 {
			if found := member.exceeding(path.Join(name, segment), bytes-longer, segments-1); found != "" {
				return found
			}
		}
	}
	return ""
}
