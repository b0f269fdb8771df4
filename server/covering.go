package server

import (
	"context"
	"slices"

	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/locks"
)

// covering returns the locks on a resource, by whatever name it is asked for.
func (h *Handler) covering(ctx context.Context, p davpath.Path) []locks.Lock {
	if h.locks.Len() == 0 {
		return nil
	}
	return h.coveringUnder(p, h.real(ctx, p))
}

// coveringRequest is covering for the resource of a request.
func (h *Handler) coveringRequest(q *request) []locks.Lock {
	if h.locks.Len() == 0 {
		return nil
	}
	return h.coveringUnder(q.path, h.realPath(q))
}

func (h *Handler) coveringUnder(p, real davpath.Path) []locks.Lock {
	covering := h.locks.Covering(p)
	if real != p {
		for _, l := range h.locks.Covering(real) {
			if !l.Covers(p) {
				covering = append(covering, l)
			}
		}
	}
	return covering
}

// covers reports whether a lock is on a resource, by whatever name it is asked for.
func (h *Handler) covers(ctx context.Context, l locks.Lock, p davpath.Path) bool {
	return l.Covers(p) || l.Covers(h.real(ctx, p))
}

// membership is what one listing knows of the locks on the members of the collection that it is in: all members of a
// collection in which nothing is locked by itself have the same ones.
type membership struct {
	collection davpath.Path
	real       davpath.Path // of collection
	inherited  []byte       // what DAV:lockdiscovery says of a member that is not locked by itself
	separate   bool         // there are others
	known      bool
}

type listingKey struct{}

// listing returns a context for the properties of what is listed at and below base.
func (h *Handler) listing(ctx context.Context, base davpath.Path) context.Context {
	if h.locks.Len() == 0 {
		return ctx
	}
	return context.WithValue(ctx, listingKey{}, base)
}

// memberLocks is the Prepare of DAV:lockdiscovery. A lock that is granted after a listing began need not show in it.
func (h *Handler) memberLocks(ctx context.Context) props.AppendFunc {
	if h.locks.Len() == 0 {
		return func(b []byte, _ *props.Resource) ([]byte, error) { return b, nil }
	}
	base, listed := ctx.Value(listingKey{}).(davpath.Path)
	m := membership{}
	return func(b []byte, r *props.Resource) ([]byte, error) {
		if !listed || r.Path == base || r.Link {
			return h.appendLocks(ctx, nil, b, h.covering(ctx, r.Path)), nil
		}
		if collection := r.Path.Parent(); !m.known || m.collection != collection {
			m = membership{collection: collection, real: h.real(ctx, collection), known: true}
			m.separate = h.locks.AnyBelow(collection) || h.locks.AnyBelow(m.real)
			inherited := slices.DeleteFunc(h.coveringUnder(collection, m.real), func(l locks.Lock) bool { return !l.Infinite })
			m.inherited = h.appendLocks(ctx, nil, nil, inherited)
		}
		if !m.separate {
			return append(b, m.inherited...), nil
		}
		return h.appendLocks(ctx, nil, b, h.coveringUnder(r.Path, m.real.Child(r.Path.Name()))), nil
	}
}
