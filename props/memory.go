package props

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"dav207/server/resource"
)

// Memory is a Store that lives as long as the process. The zero value is empty and ready for use.
type Memory struct {
	mu     sync.RWMutex
	root   node
	moving map[resource.Path]resource.Path
}

// node is a resource in the tree of those that have properties, or have members that have.
type node struct {
	entry   // the slices are never changed in place: readers hold them without the lock
	members map[string]*node
}

type entry struct {
	properties []Property
	identities []string
	orphaned   time.Time
}

func (n *node) at(p resource.Path) Entry {
	return Entry{Path: p, Identities: n.identities, Properties: n.properties, Orphaned: n.orphaned}
}

// of returns n's properties if they are those of r.
func (n *node) of(r Resource) []Property {
	if n == nil {
		return nil
	}
	if e := n.at(r.Path); !e.Of(r) {
		return nil
	}
	return n.properties
}

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

// set gives one resource properties of its own; none removes the entry.
func (m *Memory) set(r Resource, properties []Property) {
	n := &node{}
	if old := m.find(r.Path); old != nil {
		n.members = old.members
	}
	if len(properties) > 0 {
		n.entry = entry{properties: properties}
		if id := r.Identity(); id != "" {
			n.identities = []string{id}
		}
	}
	m.put(r.Path, n)
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, r Resource) ([]Property, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.find(r.Path).of(r), nil
}

// Members implements Store.
func (m *Memory) Members(_ context.Context, p resource.Path) Members {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return memoryMembers{m, m.find(p)}
}

// memoryMembers are the members of a collection; its node is nil where it had none that have properties.
type memoryMembers struct {
	memory     *Memory
	collection *node
}

// Get implements Members.
func (m memoryMembers) Get(r Resource) ([]Property, error) {
	if m.collection == nil {
		return nil, nil
	}
	m.memory.mu.RLock()
	defer m.memory.mu.RUnlock()
	return m.collection.members[r.Path.Name()].of(r), nil
}

// Close implements Members.
func (memoryMembers) Close() {}

// All implements Store.
func (m *Memory) All(_ context.Context, p resource.Path) iter.Seq2[Entry, error] {
	return m.yield(func() (entries []Entry) {
		var visit func(p resource.Path, n *node)
		visit = func(p resource.Path, n *node) {
			if len(n.properties) > 0 {
				entries = append(entries, n.at(p))
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

// yield gives out what collect finds, without holding anybody up meanwhile.
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
func (m *Memory) Patch(_ context.Context, r Resource, changes []Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.find(r.Path).of(r)
	after := Apply(before, changes)
	if err := CheckQuota(before, after); err != nil {
		return err
	}
	m.set(r, after)
	return nil
}

// Update implements Store.
func (m *Memory) Update(_ context.Context, steps ...Step) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range steps {
		m.take(s)
	}
	return nil
}

func (m *Memory) take(s Step) {
	switch s := s.(type) {
	case Set:
		m.set(s.Resource, s.Properties)
	case Adopt:
		if n := m.find(s.Resource.Path); len(n.of(s.Resource)) > 0 && len(n.identities) > 0 {
			n.identities = both(s.Resource.Identity(), s.Next)
		}
	case Move:
		n := m.find(s.Src)
		m.put(s.Src, nil)
		m.put(s.Dst, n)
		delete(m.moving, s.Src)
	case Delete:
		m.put(s.Path, nil)
	case Moving:
		if m.moving == nil {
			m.moving = make(map[resource.Path]resource.Path)
		}
		m.moving[s.Src] = s.Dst
	case Settled:
		delete(m.moving, s.Src)
	case Orphan:
		if n := m.find(s.Path); n != nil {
			n.orphaned = s.Since
		}
	}
}

// both returns two identities as the owners of properties; if one is not known, anybody is.
func both(a, b string) []string {
	if a == "" || b == "" {
		return nil
	}
	return []string{a, b}
}

// Moving implements Store.
func (m *Memory) Moving(context.Context) ([]Moving, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []Moving
	for src, dst := range m.moving {
		out = append(out, Moving{src, dst})
	}
	return out, nil
}
