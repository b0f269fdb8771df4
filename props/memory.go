package props

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"dav207/server/davpath"
)

// Memory is a Store in memory. The zero value is empty and ready for use.
type Memory struct {
	mu    sync.RWMutex
	root  node
	moves map[davpath.Path]davpath.Path
}

// node is a resource that has properties, or members that have.
type node struct {
	properties []Property // never changed in place: readers hold them without the lock
	orphaned   time.Time
	members    map[string]*node
}

// get returns n's properties; n may be nil.
func (n *node) get() []Property {
	if n == nil {
		return nil
	}
	return n.properties
}

// find returns the node of p, or nil.
func (m *Memory) find(p davpath.Path) *node {
	n := &m.root
	for s := range p.Segments() {
		if n = n.members[s]; n == nil {
			return nil
		}
	}
	return n
}

// put stores n as the node of p. If n is nil or empty it removes the node of p, and then each
// ancestor that is empty.
func (m *Memory) put(p davpath.Path, n *node) {
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
	path := []*node{&m.root}
	names := slices.Collect(p.Segments())
	for _, s := range names[:len(names)-1] {
		last := path[len(path)-1]
		next := last.members[s]
		if next == nil {
			if n == nil {
				return
			}
			next = &node{}
			last.add(s, next)
		}
		path = append(path, next)
	}
	if n != nil {
		path[len(path)-1].add(names[len(names)-1], n)
		return
	}
	for i := len(names) - 1; i >= 0; i-- {
		delete(path[i].members, names[i])
		if !path[i].empty() {
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

// set replaces the properties of one resource. Its members keep theirs.
func (m *Memory) set(p davpath.Path, properties []Property) {
	n := &node{properties: properties}
	if old := m.find(p); old != nil {
		n.members = old.members
	}
	m.put(p, n)
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, p davpath.Path) ([]Property, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.find(p).get(), nil
}

// Members implements Store.
func (m *Memory) Members(_ context.Context, p davpath.Path) Members {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return memoryMembers{m, m.find(p)}
}

// memoryMembers implements Members. collection is nil if no member had properties.
type memoryMembers struct {
	memory     *Memory
	collection *node
}

// Get implements Members.
func (m memoryMembers) Get(name string) ([]Property, error) {
	if m.collection == nil {
		return nil, nil
	}
	m.memory.mu.RLock()
	defer m.memory.mu.RUnlock()
	return m.collection.members[name].get(), nil
}

// Close implements Members.
func (memoryMembers) Close() {}

// All implements Store.
func (m *Memory) All(_ context.Context, p davpath.Path) iter.Seq2[Entry, error] {
	return m.yield(func() (entries []Entry) {
		var visit func(p davpath.Path, n *node)
		visit = func(p davpath.Path, n *node) {
			if len(n.properties) > 0 {
				entries = append(entries, Entry{Path: p, Properties: n.properties, Orphaned: n.orphaned})
			}
			for name, member := range n.members {
				visit(p.Child(name), member)
			}
		}
		if n := m.find(p); n != nil {
			visit(p, n)
		}
		return entries
	})
}

// yield calls collect with the lock held, and yields its entries without it.
func (m *Memory) yield(collect func() []Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m.mu.RLock()
		entries := collect()
		m.mu.RUnlock()
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Patch implements Store.
func (m *Memory) Patch(_ context.Context, p davpath.Path, changes []Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.find(p).get()
	after := Apply(before, changes)
	if err := CheckQuota(before, after); err != nil {
		return err
	}
	m.set(p, after)
	return nil
}

// Update implements Store.
func (m *Memory) Update(_ context.Context, ops ...Op) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range ops {
		m.apply(o)
	}
	return nil
}

func (m *Memory) apply(o Op) {
	switch o := o.(type) {
	case Set:
		m.set(o.Path, o.Properties)
	case Move:
		n := m.find(o.Src)
		m.put(o.Src, nil)
		m.put(o.Dst, n)
		delete(m.moves, o.Src)
	case Delete:
		m.put(o.Path, nil)
	case MoveIntent:
		if m.moves == nil {
			m.moves = make(map[davpath.Path]davpath.Path)
		}
		m.moves[o.Src] = o.Dst
	case MoveDone:
		delete(m.moves, o.Src)
	case Orphan:
		if n := m.find(o.Path); n != nil {
			n.orphaned = o.Since
		}
	}
}

// Moves implements Store.
func (m *Memory) Moves(context.Context) ([]MoveIntent, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []MoveIntent
	for src, dst := range m.moves {
		out = append(out, MoveIntent{src, dst})
	}
	return out, nil
}
