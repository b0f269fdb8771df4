package props

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"syscall"

	"dav207/server/resource"
)

// The most that a Memory store keeps for one resource: enough for any client, too little to fill the machine with.
const (
	maxProperties = 4096
	maxBytes      = 4 << 20
)

// Memory is a Store that lives as long as the process. The zero value is empty and ready for use. A PROPPATCH that
// would leave a resource with more than 4096 properties or 4 MiB of them fails with ENOSPC.
type Memory struct {
	mu   sync.RWMutex
	root node
}

// node is a resource in the tree of those that have properties, or have members that have.
type node struct {
	properties []Property // never changed in place: readers hold them without the lock
	members    map[string]*node
}

var errTooMany = errors.Join(errors.New("too many or too large properties"), syscall.ENOSPC)

func (m *Memory) find(p resource.Path) *node {
	n := &m.root
	for s := range p.Segments() {
		if n = n.members[s]; n == nil {
			return nil
		}
	}
	return n
}

// put makes n the node at p, or removes what is there if n is nil or empty, with the nodes on the way that it was the
// only reason for.
func (m *Memory) put(p resource.Path, n *node) {
	if n != nil && n.empty() {
		n = nil
	}
	if p.IsRoot() {
		if n == nil {
			n = &node{}
		}
		m.root = *n
		return
	}
	way := []*node{&m.root}
	names := slices.Collect(p.Segments())
	for _, s := range names[:len(names)-1] {
		last := way[len(way)-1]
		next := last.members[s]
		if next == nil {
			if n == nil {
				return
			}
			next = &node{}
			last.add(s, next)
		}
		way = append(way, next)
	}
	if n != nil {
		way[len(way)-1].add(names[len(names)-1], n)
		return
	}
	for i := len(names) - 1; i >= 0; i-- {
		delete(way[i].members, names[i])
		if !way[i].empty() {
			return
		}
	}
}

func (n *node) add(name string, member *node) {
	if n.members == nil {
		n.members = make(map[string]*node)
	}
	n.members[name] = member
}

func (n *node) empty() bool { return len(n.properties) == 0 && len(n.members) == 0 }

// Get implements Store.
func (m *Memory) Get(_ context.Context, p resource.Path) ([]Property, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if n := m.find(p); n != nil {
		return n.properties, nil
	}
	return nil, nil
}

// Members implements Store.
func (m *Memory) Members(_ context.Context, p resource.Path) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m.mu.RLock()
		var entries []Entry
		if n := m.find(p); n != nil {
			for _, name := range slices.Sorted(maps.Keys(n.members)) {
				if ps := n.members[name].properties; len(ps) > 0 {
					entries = append(entries, Entry{p.Child(name), ps})
				}
			}
		}
		m.mu.RUnlock()
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Patch implements Store.
func (m *Memory) Patch(_ context.Context, p resource.Path, changes []Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(p)
	if n == nil {
		n = &node{}
	}
	after := Apply(n.properties, changes)
	size := 0
	for i := range after {
		size += after[i].Size()
	}
	if len(after) > max(maxProperties, len(n.properties)) || size > maxBytes {
		return errTooMany
	}
	m.put(p, &node{properties: after, members: n.members})
	return nil
}

// Copy implements Store.
func (m *Memory) Copy(_ context.Context, src, dst resource.Path) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, to := m.find(src), m.find(dst)
	if from == nil && to == nil {
		return nil
	}
	n := &node{}
	if from != nil {
		n.properties = from.properties
	}
	if to != nil {
		n.members = to.members
	}
	m.put(dst, n)
	return nil
}

// Move implements Store.
func (m *Memory) Move(_ context.Context, src, dst resource.Path) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(src)
	m.put(src, nil)
	m.put(dst, n)
	return nil
}

// Delete implements Store.
func (m *Memory) Delete(_ context.Context, p resource.Path) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(p, nil)
	return nil
}
