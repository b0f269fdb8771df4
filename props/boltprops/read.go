package boltprops

import (
	"bytes"
	"context"
	"iter"
	"slices"

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
	e, err := decode(k, value, new(lastEntry))
	return e.Properties, s.translate(err)
}

// All implements props.Store.
func (s *Store) All(ctx context.Context, p davpath.Path) iter.Seq2[props.Entry, error] {
	return func(yield func(props.Entry, error) bool) {
		var last lastEntry
		for _, in := range tree(p) {
			for in.from != nil {
				var b batch // callers retain parts of it
				if err := s.fill(ctx, &b, in); err != nil {
					yield(props.Entry{}, err)
					return
				}
				for _, kv := range b.pairs {
					last.properties = slices.Clone(last.properties) // shares their names
					e, err := decode(kv.key, kv.value, &last)
					if err == nil {
						e.Path, err = pathOf(kv.key)
					}
					if !yield(e, s.translate(err)) || err != nil {
						return
					}
				}
				in = b.rest
			}
		}
	}
}

// Moves implements props.Store.
func (s *Store) Moves(ctx context.Context) (moves []props.MoveIntent, err error) {
	err = s.view(ctx, func(t *txn) error {
		for k, value := range scan(t.bucket(movesBucket), everything) {
			body, err := unseal(k, value)
			if err != nil {
				return err
			}
			r := reader{b: body}
			dst := r.path()
			if err := r.end(k); err != nil {
				return err
			}
			src, err := davpath.Clean(string(k))
			if err != nil {
				return wrong("key %q: %v", k, err)
			}
			moves = append(moves, props.MoveIntent{Src: src, Dst: dst})
		}
		return nil
	})
	return moves, err
}

// The limits of a batch, which is copied in one transaction. A transaction that waited for a slow
// consumer would keep the file from growing, and free pages from being reused.
const (
	batchEntries = 64
	batchBytes   = 8 << 10
)

// batch is a copy of a part of a span.
type batch struct {
	pairs []pair
	data  []byte // of which pairs are parts
	rest  span   // what follows in the span; without from if nothing does
}

// fill copies the beginning of in to b, and reuses the memory of b.
func (s *Store) fill(ctx context.Context, b *batch, in span) error {
	b.pairs, b.data = b.pairs[:0], b.data[:0]
	return s.view(ctx, func(t *txn) error {
		var rest span
		for k, v := range scan(t.props, in) {
			if len(b.pairs) == batchEntries || len(b.data) >= batchBytes {
				rest = span{bytes.Clone(k), in.to}
				break
			}
			if b.pairs == nil {
				b.pairs, b.data = make([]pair, 0, batchEntries), make([]byte, 0, batchBytes)
			}
			at := len(b.data)
			b.data = append(append(b.data, k...), v...)
			b.pairs = append(b.pairs, pair{b.data[at : at+len(k)], b.data[at+len(k) : len(b.data) : len(b.data)]})
		}
		b.rest = rest
		return nil
	})
}

// memberReader implements props.Members. It copies entries in batches, and decodes those that Get
// is called for.
type memberReader struct {
	store *Store
	ctx   context.Context
	batch batch
	next  int    // index in batch of the next entry
	key   []byte // that of the member, after the common prefix of all
	start int    // length of the prefix
	last  lastEntry
}

// Members implements props.Store.
func (s *Store) Members(ctx context.Context, p davpath.Path) props.Members {
	in := members(p)
	return &memberReader{store: s, ctx: ctx, batch: batch{rest: in}, key: in.from, start: len(in.from)}
}

// Get implements props.Members.
func (m *memberReader) Get(name string) ([]props.Property, error) {
	m.key = append(m.key[:m.start], name...)
	for {
		for ; m.next < len(m.batch.pairs); m.next++ {
			kv := m.batch.pairs[m.next]
			if order := bytes.Compare(kv.key, m.key); order > 0 {
				return nil, nil
			} else if order == 0 {
				e, err := decode(kv.key, kv.value, &m.last)
				return e.Properties, m.store.translate(err)
			}
		}
		if m.batch.rest.from == nil {
			return nil, nil
		}
		if err := m.store.fill(m.ctx, &m.batch, span{m.key, m.batch.rest.to}); err != nil {
			return nil, err
		}
		m.next = 0
	}
}
