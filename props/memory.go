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
	// Max bounds the memory that all properties together take, about, in bytes. 0 is no limit. It
	// must not change.
	Max int64

	mu    sync.RWMutex
	root  *node
	moves map[davpath.Path]davpath.Path
}

// node is a resource that has properties, or members that have. Its methods take nil for a resource
// without.
type node struct {
	properties []Property // never changed in place: readers hold them without the lock
	orphaned   time.Time
	members    map[string]*node
	size       int64 // of the properties of this resource, and of everything below it
}

// sizeOf returns the memory that properties take, about.
func sizeOf(properties []Property) (n int64) {
	const each = 256
	for i := range properties {
		n += int64(properties[i].Size()) + each
	}
	return n
}

// total returns the size of n, and of everything below it.
func (n *node) total() int64 {
	if n == nil {
		return 0
	}
	return n.size
}

// get returns the properties of n.
func (n *node) get() []Property {
	if n == nil {
		return nil
	}
	return n.properties
}

// find returns the node of p, or nil.
func (m *Memory) find(p davpath.Path) *node {
	n := m.root
	for s := range p.Segments() {
		if n == nil {
			return nil
		}
		n = n.members[s]
	}
	return n
}

// put stores n, which may be nil, as the node of p.
func (m *Memory) put(p davpath.Path, n *node) {
	m.root = m.root.with(slices.Collect(p.Segments()), n)
}

// with returns n after other has become the node below it that has these names. It returns nil for
// a node that is empty then.
func (n *node) with(names []string, other *node) *node {
	if len(names) == 0 {
		n = other
	} else {
		if n == nil {
			n = new(node)
		}
		n.size -= n.members[names[0]].total()
		member := n.members[names[0]].with(names[1:], other)
		if n.size += member.total(); member == nil {
			delete(n.members, names[0])
		} else {
			if n.members == nil {
				n.members = make(map[string]*node)
			}
			n.members[names[0]] = member
		}
	}
	if n == nil || len(n.properties) == 0 && len(n.members) == 0 {
		return nil
	}
	return n
}

// set replaces the properties of one resource. Its members keep theirs.
func (m *Memory) set(p davpath.Path, properties []Property) {
	n := &node{properties: properties, size: sizeOf(properties)}
	if old := m.find(p); old != nil {
		n.members = old.members
		n.size += old.size - sizeOf(old.properties)
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

// All implements Store.
func (m *Memory) All(_ context.Context, p davpath.Path) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m.mu.RLock()
		entries := m.find(p).entries(p, nil)
		m.mu.RUnlock()
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// entries appends the entries of n, whose path is p, and of everything below it.
func (n *node) entries(p davpath.Path, to []Entry) []Entry {
	if n == nil {
		return to
	}
	if len(n.properties) > 0 {
		to = append(to, Entry{Path: p, Properties: n.properties, Orphaned: n.orphaned})
	}
	for name, member := range n.members {
		to = member.entries(p.Child(name), to)
	}
	return to
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
	if m.full(sizeOf(after) - sizeOf(before)) {
		return ErrFull
	}
	m.set(p, after)
	return nil
}

// full reports whether there is no room for growth more bytes.
func (m *Memory) full(growth int64) bool {
	return m.Max > 0 && growth > 0 && m.root.total()+growth > m.Max
}

// growth returns by how much ops make the properties larger, about.
func (m *Memory) growth(ops []Op) (n int64) {
	for _, o := range ops {
		switch o := o.(type) {
		case Set:
			n += sizeOf(o.Properties) - sizeOf(m.find(o.Path).get())
		case Delete:
			n -= m.find(o.Path).total()
		}
	}
	return n
}

// Update implements Store.
func (m *Memory) Update(_ context.Context, ops ...Op) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if AnySet(ops) && m.full(m.growth(ops)) {
		return ErrFull
	}
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
