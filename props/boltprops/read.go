package boltprops

import (
	"bytes"
	"context"
	"iter"

	"dav207/props"
	"dav207/server/resource"
)

// Get implements props.Store.
func (s *Store) Get(ctx context.Context, r props.Resource) ([]props.Property, error) {
	k := key(r.Path)
	var value []byte
	var epoch uint64
	err := s.view(ctx, func(t *txn) error {
		value, epoch = bytes.Clone(get(t.props, k)), t.known
		return nil
	})
	if err != nil || value == nil {
		return nil, err
	}
	e, err := decode(k, value, epoch, nil)
	if err != nil {
		return nil, s.translate(err)
	}
	if e.of(r) == nil {
		return nil, nil
	}
	return e.properties, nil
}

// Members implements props.Store.
func (s *Store) Members(ctx context.Context, p resource.Path) iter.Seq2[props.Entry, error] {
	return s.entries(ctx, p.IsRoot(), members(p))
}

// All implements props.Store.
func (s *Store) All(ctx context.Context, p resource.Path) iter.Seq2[props.Entry, error] {
	return s.entries(ctx, false, tree(p)...)
}

// Moving implements props.Store.
func (s *Store) Moving(ctx context.Context) (moves []props.Moving, err error) {
	err = s.view(ctx, func(t *txn) error {
		moves, err = t.announced()
		return err
	})
	return moves, err
}

// What is copied in one transaction. A consumer may take its time: a transaction that waited for it would keep the file
// from growing, and its old pages from being used again.
const (
	batchEntries = 256
	batchBytes   = 256 << 10
)

// batch is a part of a span, copied.
type batch struct {
	data  []byte
	ends  [][2]int // of the key and of the value in data, one entry after another
	epoch uint64
	rest  span // what comes after it
	more  bool
}

// entries yields what is in the spans, batch by batch. The root is a member of none, although its key is among theirs.
func (s *Store) entries(ctx context.Context, skipRoot bool, spans ...span) iter.Seq2[props.Entry, error] {
	return func(yield func(props.Entry, error) bool) {
		var c paths
		size := 4 << 10
		for _, in := range spans {
			for more := true; more; {
				b, err := s.batch(ctx, in, size)
				if err != nil {
					yield(props.Entry{}, err)
					return
				}
				in, more, size = b.rest, b.more, max(size, len(b.data)+len(b.data)/8)
				shared := &slabs{text: string(b.data), entries: len(b.ends)}
				for k, value := range b.pairs() {
					if skipRoot && len(k) == 1 {
						continue
					}
					e, err := b.entry(&c, k, value, shared)
					if err != nil {
						yield(props.Entry{}, s.translate(err))
						return
					}
					if !yield(e, nil) {
						return
					}
				}
			}
		}
	}
}

// batch copies the begin of a span; size is what is likely to be needed.
func (s *Store) batch(ctx context.Context, in span, size int) (*batch, error) {
	var b *batch
	err := s.view(ctx, func(t *txn) error {
		b = &batch{epoch: t.known} // anew, should it be called again
		if t.props == nil {
			return nil
		}
		c := t.props.Cursor()
		for k, v := c.Seek(in.from); in.has(k); k, v = c.Next() {
			if b.data == nil {
				b.data = make([]byte, 0, min(size, 2*batchBytes))
			}
			b.data = append(append(b.data, k...), v...)
			b.ends = append(b.ends, [2]int{len(b.data) - len(v), len(b.data)})
			if len(b.ends) == batchEntries || len(b.data) >= batchBytes {
				b.rest, b.more = span{after(k), in.to}, true
				break
			}
		}
		return nil
	})
	return b, err
}

// pairs yields keys and values, whose capacity ends where data does: see slabs.
func (b *batch) pairs() iter.Seq2[[]byte, []byte] {
	return func(yield func(k, value []byte) bool) {
		begin, data := 0, b.data[:len(b.data):len(b.data)]
		for _, e := range b.ends {
			if !yield(data[begin:e[0]:e[0]], data[e[0]:e[1]]) {
				return
			}
			begin = e[1]
		}
	}
}

func (b *batch) entry(c *paths, k, value []byte, shared *slabs) (props.Entry, error) {
	e, err := decode(k, value, b.epoch, shared)
	if err != nil {
		return props.Entry{}, err
	}
	p, err := c.path(k)
	if err != nil {
		return props.Entry{}, err
	}
	return props.Entry{Path: p, Identities: e.identities, Properties: e.properties, Orphaned: e.orphaned}, nil
}
