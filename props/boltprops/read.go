package boltprops

import (
	"bytes"
	"context"
	"iter"
	"sync"

	"dav207/props"
	"dav207/server/davpath"
)

// Get implements props.Store.
func (s *Store) Get(ctx context.Context, p davpath.Path) ([]props.Property, error) {
	k := key(p)
	var value []byte
	err := s.view(ctx, func(t *txn) error {
		value = bytes.Clone(get(t.props, k))
		return nil
	})
	if err != nil || value == nil {
		return nil, err
	}
	e, err := decode(k, value, nil, nil)
	return e.properties, s.translate(err)
}

// All implements props.Store.
func (s *Store) All(ctx context.Context, p davpath.Path) iter.Seq2[props.Entry, error] {
	return func(yield func(props.Entry, error) bool) {
		var n names
		var b batch
		for _, in := range tree(p) {
			for b.more = true; b.more; in = b.rest {
				b.data = make([]byte, 0, len(b.data)) // callers retain parts of the last one
				if err := s.fill(ctx, &b, in); err != nil {
					yield(props.Entry{}, err)
					return
				}
				for i := range b.ends {
					e, err := b.entry(i, &n)
					if !yield(e, s.translate(err)) || err != nil {
						return
					}
				}
			}
		}
	}
}

// Moves implements props.Store.
func (s *Store) Moves(ctx context.Context) (moves []props.MoveIntent, err error) {
	err = s.view(ctx, func(t *txn) error {
		moves, err = t.moveIntents()
		return err
	})
	return moves, err
}

// The limits of a batch, which is copied in one transaction. A transaction that waited for a slow
// consumer would keep the file from growing, and free pages from being reused.
const (
	batchEntries = 256
	batchBytes   = 32 << 10
)

// batch is a copy of a part of a span.
type batch struct {
	data []byte
	ends [][2]int // offsets in data of the ends of each key and of its value
	rest span     // what follows it in the span
	more bool
}

// fill copies the beginning of in to b, and reuses the memory of b.
func (s *Store) fill(ctx context.Context, b *batch, in span) error {
	return s.view(ctx, func(t *txn) error {
		b.data, b.ends, b.more = b.data[:0], b.ends[:0], false // view may call this more than once
		if t.props == nil {
			return nil
		}
		c := t.props.Cursor()
		for k, v := c.Seek(in.from); in.has(k); k, v = c.Next() {
			if len(b.ends) == batchEntries || len(b.data) >= batchBytes {
				b.rest, b.more = span{bytes.Clone(k), in.to}, true
				break
			}
			b.data = append(append(b.data, k...), v...)
			b.ends = append(b.ends, [2]int{len(b.data) - len(v), len(b.data)})
		}
		return nil
	})
}

// pair returns the key and the value of entry i.
func (b *batch) pair(i int) (k, value []byte) {
	begin := 0
	if i > 0 {
		begin = b.ends[i-1][1]
	}
	middle, end := b.ends[i][0], b.ends[i][1]
	return b.data[begin:middle:middle], b.data[middle:end:end]
}

// entry decodes entry i.
func (b *batch) entry(i int, n *names) (props.Entry, error) {
	k, value := b.pair(i)
	e, err := decode(k, value, n, nil)
	if err != nil {
		return props.Entry{}, err
	}
	p, err := pathOf(k)
	if err != nil {
		return props.Entry{}, err
	}
	return props.Entry{Path: p, Properties: e.properties, Orphaned: e.orphaned}, nil
}

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
