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
	id         []byte
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
func (m *memberReader) Get(r props.Resource) ([]props.Property, error) {
	name := r.Path.Name()
	for {
		for ; m.next < len(m.batch.ends); m.next++ {
			k, value := m.batch.pair(m.next)
			if found := k[m.prefix:]; string(found) == name {
				properties, err := m.decode(k, value, r)
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

func (m *memberReader) decode(k, value []byte, r props.Resource) ([]props.Property, error) {
	o, err := open(k, value, m.batch.epoch, &m.names)
	if err != nil || !m.of(&o, r) {
		return nil, err
	}
	n := o.rest.count(leastProperty)
	if known := len(m.properties); n > known {
		m.properties = append(m.properties, make([]props.Property, n-known)...)
		m.heads = append(m.heads, make([][]byte, n-known)...)
	}
	for i := range n {
		// Most have the same properties as the member before: then the bytes are the same up to the content, too.
		p, before := &m.properties[i], o.rest.b
		if head := m.heads[i]; len(head) > 0 && bytes.HasPrefix(before, head) {
			o.rest.b = before[len(head):]
		} else {
			*p = o.rest.property()
			if head = before[:len(before)-len(o.rest.b)]; len(head) <= maxHead {
				m.heads[i] = append(m.heads[i][:0], head...)
			} else {
				m.heads[i] = nil
			}
		}
		p.InnerXML = o.rest.bytes()
	}
	if err := o.end(k, n); err != nil {
		m.heads = m.heads[:0] // they may be half of what was there
		m.properties = m.properties[:0]
		return nil, err
	}
	return m.properties[:n:n], nil
}

// of is props.Entry.Of, and makes no strings.
func (m *memberReader) of(o *opened, r props.Resource) bool {
	if o.identities == 0 {
		return true
	}
	if m.id = r.AppendIdentity(m.id[:0]); len(m.id) == 0 {
		return true
	}
	for range o.identities {
		if bytes.Equal(o.ids.bytes(), m.id) {
			return true
		}
	}
	return false
}

// Close implements props.Members.
func (m *memberReader) Close() {
	if cap(m.batch.data) > 4*batchBytes || len(m.properties) > maxNames {
		return // it has met something large: that is not kept
	}
	m.store, m.ctx, m.span = nil, nil, span{}
	readers.Put(m)
}
