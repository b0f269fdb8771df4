package props

import (
	"context"
	"iter"

	"dav207/server/resource"
)

// Scan reads the dead properties of one resource after another, in the order of a walk: a collection before its
// members, siblings by name. A listing of a collection then costs one ordered scan of the store, not one look-up for
// each member. It is not safe for concurrent use; Close ends it.
type Scan struct {
	ctx     context.Context
	store   Store
	cursors []cursor // the collections that the walk is in
}

// cursor stands in the members of one collection.
type cursor struct {
	collection resource.Path
	next       func() ([]Entry, error, bool)
	stop       func()
	entries    []Entry // the first is the one where it stands; none at the end
	failed     error   // what comes after them
}

// NewScan returns a Scan of store.
func NewScan(ctx context.Context, store Store) *Scan {
	return &Scan{ctx: ctx, store: store}
}

// Root returns the properties of the resource at which the walk begins.
func (s *Scan) Root(r Resource) ([]Property, error) { return s.store.Get(s.ctx, r) }

// Member returns the properties of a resource that the walk came to below its beginning.
func (s *Scan) Member(r Resource) ([]Property, error) {
	p := r.Path
	collection := p.Parent()
	for len(s.cursors) > 0 && s.top().collection != collection && !s.top().collection.Contains(p) {
		s.pop()
	}
	if len(s.cursors) == 0 || s.top().collection != collection {
		next, stop := iter.Pull2(some(s.store.Members(s.ctx, collection)))
		s.cursors = append(s.cursors, cursor{collection: collection, next: next, stop: stop})
		if err := s.top().advance(); err != nil {
			return nil, err
		}
	}
	c := s.top()
	for len(c.entries) > 0 && c.entries[0].Path.Compare(p) < 0 {
		if err := c.advance(); err != nil {
			return nil, err
		}
	}
	if len(c.entries) > 0 && c.entries[0].Path == p && c.entries[0].Of(r) {
		return c.entries[0].Properties, nil
	}
	return nil, nil
}

// some yields entries a few at a time: to ask for one costs several times what it costs to look at it. An error comes after all
// that came before it.
func some(entries iter.Seq2[Entry, error]) iter.Seq2[[]Entry, error] {
	return func(yield func([]Entry, error) bool) {
		few := make([]Entry, 0, 64)
		for e, err := range entries {
			if err == nil {
				few = append(few, e)
			}
			if len(few) == cap(few) || err != nil {
				if !yield(few, err) {
					return
				}
				few = few[:0]
			}
		}
		if len(few) > 0 {
			yield(few, nil)
		}
	}
}

func (s *Scan) top() *cursor { return &s.cursors[len(s.cursors)-1] }

func (s *Scan) pop() {
	s.top().stop()
	s.cursors = s.cursors[:len(s.cursors)-1]
}

func (c *cursor) advance() error {
	if len(c.entries) > 1 {
		c.entries = c.entries[1:]
		return nil
	}
	if c.failed != nil {
		c.entries = nil
		return c.failed
	}
	c.entries, c.failed, _ = c.next()
	if len(c.entries) == 0 {
		return c.failed
	}
	return nil
}

// Close ends the scan.
func (s *Scan) Close() {
	for len(s.cursors) > 0 {
		s.pop()
	}
}
