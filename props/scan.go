package props

import (
	"context"

	"dav207/server/resource"
)

// Scan reads the dead properties of one resource after another, in the order of a walk: a collection before its
// members, siblings by name. A listing of a collection then costs one ordered scan of the store, not one look-up for
// each member. It is not safe for concurrent use; Close ends it.
//
// What its methods return is good until the next call: the memory is used again.
type Scan struct {
	ctx   context.Context
	store Store
	in    []scanned // the collections that the walk is in
}

// scanned is a collection whose members are being scanned.
type scanned struct {
	path    resource.Path
	members Members
}

// NewScan returns a Scan of store.
func NewScan(ctx context.Context, store Store) *Scan {
	return &Scan{ctx: ctx, store: store}
}

// Root returns the properties of the resource at which the walk begins.
func (s *Scan) Root(p resource.Path) ([]Property, error) { return s.store.Get(s.ctx, p) }

// Member returns the properties of a resource that the walk came to below its beginning.
func (s *Scan) Member(p resource.Path) ([]Property, error) {
	collection := p.Parent()
	if n := len(s.in); n == 0 || s.in[n-1].path != collection {
		s.enter(collection)
	}
	return s.in[len(s.in)-1].members.Get(p.Name())
}

// enter makes a collection the innermost one that the walk is in.
func (s *Scan) enter(collection resource.Path) {
	for len(s.in) > 0 && !s.in[len(s.in)-1].path.Contains(collection) {
		s.leave()
	}
	if len(s.in) == 0 || s.in[len(s.in)-1].path != collection {
		s.in = append(s.in, scanned{collection, s.store.Members(s.ctx, collection)})
	}
}

func (s *Scan) leave() {
	s.in[len(s.in)-1].members.Close()
	s.in = s.in[:len(s.in)-1]
}

// Close ends the scan.
func (s *Scan) Close() {
	for len(s.in) > 0 {
		s.leave()
	}
}
