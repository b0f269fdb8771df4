package server

import (
	"context"
	"net/http"

	"dav207/server/access"
	"dav207/server/locks"
	"dav207/server/multistatus"
	"dav207/server/resource"
)

// guard is what one request may do: the policy, and the locks whose tokens it did not submit. It is the tree's Guard.
type guard struct {
	h *Handler
	q *request
}

// Check implements tree.Guard. A lock refuses with 423 and names its root (RFC 4918 §7.5, §16).
func (g *guard) Check(ctx context.Context, p access.Privilege, path resource.Path) error {
	if err := g.h.allowed(ctx, p, path); err != nil {
		return err
	}
	if p == access.Read || g.h.locks.Len() == 0 {
		return nil
	}
	if err := g.submitted(g.h.locks.Covering(path)); err != nil {
		return err
	}
	if (p == access.Bind || p == access.Unbind) && !path.IsRoot() {
		// A lock on the collection guards its membership (§7.4).
		return g.submitted(g.h.locks.Covering(path.Parent()))
	}
	return nil
}

// Clear implements tree.Guard.
func (g *guard) Clear(path resource.Path) bool {
	return g.h.policy == nil && !g.h.locks.AnyBelow(path)
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
		href := g.h.lockRoot(g.q.ctx, l)
		if len(hrefs) == 0 || hrefs[len(hrefs)-1] != href {
			hrefs = append(hrefs, href)
		}
	}
	return condition(http.StatusLocked, multistatus.LockTokenSubmitted, hrefs...)
}

// allowed asks the policy.
func (h *Handler) allowed(ctx context.Context, p access.Privilege, path resource.Path) error {
	if h.policy == nil {
		return nil
	}
	return h.policy.Check(ctx, p, path)
}

// propertyPolicy returns the policy's rules for properties, or nil.
func (h *Handler) propertyPolicy() access.PropertyPolicy {
	p, _ := h.policy.(access.PropertyPolicy)
	return p
}

// lockRoot returns the href of what a lock was taken on.
func (h *Handler) lockRoot(ctx context.Context, l locks.Lock) string {
	info, err := h.tree.FS.Stat(ctx, l.Root.String())
	return h.hrefs(ctx).Href(l.Root, err == nil && info.IsDir())
}
