package server

import (
	"context"
	"net/http"
	"slices"

	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/locks"
	"dav207/server/multistatus"
)

// guard is what one request may do: the policy, and the locks whose tokens it did not submit. It is the tree's Guard.
type guard struct {
	h *Handler
	q *request
}

// Check implements tree.Guard. A lock refuses with 423 and names its root (RFC 4918 §7.5, §16).
func (g *guard) Check(ctx context.Context, p access.Privilege, path davpath.Path) error {
	if err := g.h.allowed(ctx, p, path); err != nil {
		return err
	}
	if p == access.Read || g.h.locks.Len() == 0 {
		return nil
	}
	// A resource that links give several names is locked by what covers the name it is asked for, as a member of what that
	// leads through, and by what covers its own.
	if err := g.checkName(p, path); err != nil || path == g.q.path && g.q.seen.direct {
		return err
	}
	real := g.h.real(ctx, path)
	if p == access.Bind || p == access.Unbind {
		// A link itself is not locked by a lock on what it leads to, which stays when the link goes.
		real = g.h.realMember(ctx, path)
	}
	if real == path {
		return nil
	}
	return g.checkName(p, real)
}

// checkName asks for the locks on one name of a resource.
func (g *guard) checkName(p access.Privilege, path davpath.Path) error {
	if p != access.Bind && p != access.Unbind {
		return g.submitted(g.h.locks.Covering(path))
	}
	// The member itself, which may be a link, and the collection, whose lock guards its membership (§7.4): "The collection's
	// lock token is required in addition to the lock token on the internal member itself, if it is locked separately."
	covering := g.h.locks.Covering(path)
	separate := slices.DeleteFunc(slices.Clone(covering), func(l locks.Lock) bool { return l.Root != path })
	if len(separate) > 0 {
		covering = separate
	}
	if err := g.submitted(covering); err != nil || path.IsRoot() {
		return err
	}
	return g.submitted(g.h.locks.Covering(path.Parent()))
}

// Clear implements tree.Guard.
func (g *guard) Clear(path davpath.Path) bool {
	return g.h.policy == nil && (g.h.locks.Len() == 0 ||
		!g.h.locks.AnyBelow(path) && !g.h.locks.AnyBelow(g.h.real(context.Background(), path)))
}

// real returns the one name of a resource that links give several: locks are held under it, so that none is passed by
// another name (§6.1).
func (h *Handler) real(ctx context.Context, p davpath.Path) davpath.Path {
	return h.tree.Real(ctx, p)
}

// realPath is real for the resource of a request.
func (h *Handler) realPath(q *request) davpath.Path {
	if q.seen.direct {
		return q.path
	}
	return h.real(q.ctx, q.path)
}

// realMember is real for what is done to a member of a collection, which is not followed where it is a link itself.
func (h *Handler) realMember(ctx context.Context, p davpath.Path) davpath.Path {
	if p.IsRoot() {
		return p
	}
	return h.real(ctx, p.Parent()).Child(p.Name())
}

// submitted checks that the token of a lock on the resource was submitted by who holds it. One is enough: where there
// are more they are shared, and each holder may write (§6.2).
func (g *guard) submitted(covering []locks.Lock) error {
	if len(covering) == 0 {
		return nil
	}
	hrefs := make([]string, 0, 1)
	for _, l := range covering {
		if l.Principal == g.q.principal && g.q.ifs.submits(l.Token) {
			return nil
		}
		href := g.h.lockRoot(g.q.ctx, g.q, l)
		if len(hrefs) == 0 || hrefs[len(hrefs)-1] != href {
			hrefs = append(hrefs, href)
		}
	}
	return condition(http.StatusLocked, multistatus.LockTokenSubmitted, hrefs...)
}

// allowed asks the policy.
func (h *Handler) allowed(ctx context.Context, p access.Privilege, path davpath.Path) error {
	if h.policy == nil {
		return nil
	}
	return h.policy.Check(ctx, p, path)
}

// lockRoot returns the href of what a lock was taken on. q may be nil.
func (h *Handler) lockRoot(ctx context.Context, q *request, l locks.Lock) string {
	if q != nil && l.Root == q.path && q.seen.there {
		return h.hrefs(ctx).Href(l.Root, q.seen.collection)
	}
	info, err := h.tree.FS.Stat(ctx, l.Root.String())
	return h.hrefs(ctx).Href(l.Root, err == nil && info.IsDir())
}
