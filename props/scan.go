package props

import (
	"context"

	"dav207/server/davpath"
)

// Scan reads the dead properties of one resource after another, in the order of a walk: a
// collection before its members, siblings by name. A listing of a collection then takes one ordered
// scan of the store instead of one look-up for each member. A Scan is not safe for concurrent use.
//
// Results are valid until the next call.
type Scan struct {
	ctx   context.Context
	store Store
	in    []openCollection // the collections that the walk is in, outermost first
}

// openCollection is a collection whose members are being read.
type openCollection struct {
	path    davpath.Path
	members Members
}

// NewScan returns a Scan of store.
func NewScan(ctx context.Context, store Store) *Scan {
	return &Scan{ctx: ctx, store: store}
}

// Root returns the properties of the root of the walk.
func (s *Scan) Root(p davpath.Path) ([]Property, error) { return s.store.Get(s.ctx, p) }

// Member returns the properties of a resource below the root of the walk.
func (s *Scan) Member(p davpath.Path) ([]Property, error) {
	collection := p.Parent()
	if n := len(s.in); n == 0 || s.in[n-1].path != collection {
		s.enter(collection)
	}
	return s.in[len(s.in)-1].members.Get(p.Name())
}

// enter makes collection the innermost one of s.in.
func (s *Scan) enter(collection davpath.Path) {
	for len(s.in) > 0 && !s.in[len(s.in)-1].path.Contains(collection) {
		s.in = s.in[:len(s.in)-1]
	}
	if len(s.in) == 0 || s.in[len(s.in)-1].path != collection {
		s.in = append(s.in, openCollection{collection, s.store.Members(s.ctx, collection)})
	}
}
