package boltprops

import (
	"bytes"
	"context"
	"sync"

	"dav207/props"
	"dav207/server/resource"
)

// memberReader implements props.Members: it reads ahead, batch by batch, and takes apart only what it is asked for.
type memberReader struct {
	store  *Store
	ctx    context.Context
	span   span
	prefix int // the length of what all keys begin with
	more   bool
	batch  batch
	next   int // in the batch: what comes before it was passed by

	// What is used again for each member.
	from       []byte
	names      names
	properties []props.Property
	heads      [][]byte // how each of properties stood in its value, up to its content
}

// readers are those that are closed.
var readers = sync.Pool{New: func() any { return new(memberReader) }}

// Members implements props.Store.
func (s *Store) Members(ctx context.Context, p resource.Path) props.Members {
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
				properties, err := m.decode(k, value)
				return properties, m.store.translate(err)
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

// maxHead bounds what is remembered of a property.
const maxHead = 1 << 10

func (m *memberReader) decode(k, value []byte) ([]props.Property, error) {
	r, _, err := open(k, value, &m.names)
	if err != nil {
		return nil, err
	}
	n := r.count(leastProperty)
	if known := len(m.properties); n > known {
		m.properties = append(m.properties, make([]props.Property, n-known)...)
		m.heads = append(m.heads, make([][]byte, n-known)...)
	}
	for i := range n {
		// Most have the same properties as the member before: then the bytes are the same up to the content, too.
		p, before := &m.properties[i], r.b
		if head := m.heads[i]; len(head) > 0 && bytes.HasPrefix(before, head) {
			r.b = before[len(head):]
		} else {
			*p = r.property()
			if head = before[:len(before)-len(r.b)]; len(head) <= maxHead {
				m.heads[i] = append(m.heads[i][:0], head...)
			} else {
				m.heads[i] = nil
			}
		}
		p.InnerXML = r.bytes()
	}
	if err := r.endEntry(k, n); err != nil {
		m.heads = m.heads[:0] // they may be half of what was there
		m.properties = m.properties[:0]
		return nil, err
	}
	return m.properties[:n:n], nil
}

// Close implements props.Members.
func (m *memberReader) Close() {
	if cap(m.batch.data) > 4*batchBytes || len(m.properties) > maxNames {
		return // it has met something large: that is not kept
	}
	m.store, m.ctx, m.span = nil, nil, span{}
	readers.Put(m)
}
