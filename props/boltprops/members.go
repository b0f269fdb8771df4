package boltprops

import (
	"context"
	"sync"

	"dav207/props"
	"dav207/server/davpath"
)

// memberReader implements props.Members. It copies entries in batches, and decodes those that Get
// is called for.
type memberReader struct {
	store  *Store
	ctx    context.Context
	span   span
	prefix int // length of the common prefix of all keys
	more   bool
	batch  batch
	next   int // index in batch of the next entry

	// Buffers, reused for each member.
	from  []byte
	names names
	last  lastEntry
}

// readers holds closed readers: without their buffers a listing with two dead properties on each
// file takes 8 % longer.
var readers = sync.Pool{New: func() any { return new(memberReader) }}

// Members implements props.Store.
func (s *Store) Members(ctx context.Context, p davpath.Path) props.Members {
	m := readers.Get().(*memberReader)
	m.store, m.ctx, m.span = s, ctx, members(p)
	m.prefix, m.more, m.next = len(m.span.from), true, 0
	m.batch.ends = m.batch.ends[:0]
	return m
}

// Get implements props.Members.
func (m *memberReader) Get(name string) ([]props.Property, error) {
	for {
		for ; m.next < len(m.batch.ends); m.next++ {
			k, value := m.batch.pair(m.next)
			if found := k[m.prefix:]; string(found) == name {
				e, err := decode(k, value, &m.names, &m.last)
				return e.properties, m.store.translate(err)
			} else if string(found) > name {
				return nil, nil
			}
		}
		if !m.more {
			return nil, nil
		}
		m.from = append(append(m.from[:0], m.span.from...), name...)
		if err := m.store.fill(m.ctx, &m.batch, span{m.from, m.span.to}); err != nil {
			return nil, err
		}
		m.next, m.more = 0, m.batch.more
	}
}

// Close implements props.Members.
func (m *memberReader) Close() {
	if cap(m.batch.data) > 4*batchBytes || len(m.last.properties) > maxNames {
		return // its buffers are large
	}
	m.store, m.ctx, m.span = nil, nil, span{}
	readers.Put(m)
}
