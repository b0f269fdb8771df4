package mounts

import (
	"context"
	"io/fs"
	"strings"

	"dav207/server/access"
	"dav207/server/davpath"
)

// Policy returns a policy that refuses what the table must not have changed, and asks next, which
// may be nil, about the rest. A back end sees neither locks nor dead properties, so the table alone
// cannot keep them out. In a read-only mount nothing may be changed, its properties included, and
// nothing locked. In the tree of another user nothing is allowed but what the back end refuses by
// itself: reading. Collections above either cannot be locked: with infinite depth, which is the
// default, the lock would keep all users out of their own trees. Nothing is added to a synthesized
// collection, or removed from it.
func (t *Table) Policy(next access.Policy) access.Policy {
	p := policy{t, next}
	if single, ok := next.(access.PropertyPolicy); ok {
		return propertyPolicy{p, single}
	}
	return p
}

type policy struct {
	t    *Table
	next access.Policy // may be nil
}

// propertyPolicy is a policy whose next decides about single properties.
type propertyPolicy struct {
	policy
	access.PropertyPolicy
}

// Check implements access.Policy.
func (p propertyPolicy) Check(ctx context.Context, what access.Privilege, path davpath.Path) error {
	return p.policy.Check(ctx, what, path)
}

var (
	_ access.TreePolicy     = policy{}
	_ access.UnlockPolicy   = policy{}
	_ access.ListingPolicy  = policy{}
	_ access.TreePolicy     = propertyPolicy{}
	_ access.UnlockPolicy   = propertyPolicy{}
	_ access.PropertyPolicy = propertyPolicy{}
)

// Check implements access.Policy.
func (p policy) Check(ctx context.Context, what access.Privilege, path davpath.Path) error {
	if p.next != nil {
		if err := p.next.Check(ctx, what, path); err != nil {
			return err
		}
	}
	switch what {
	case access.Read:
		return nil
	case access.Unlock:
		if p.next == nil { // a lock of another user
			return fs.ErrPermission
		}
		return nil // also where the mount has become read-only
	}
	n, readOnly, err := p.t.protected(ctx, path)
	switch {
	case err != nil, readOnly, what == access.Lock && n.holdsProtected(),
		(what == access.Bind || what == access.Unbind) && !path.IsRoot() && p.t.synthesized(ctx, path.Parent()):
		return fs.ErrPermission
	}
	return nil
}

// AllowsAll implements access.TreePolicy.
func (p policy) AllowsAll(ctx context.Context, what access.Privilege, path davpath.Path) bool {
	whole, ok := p.next.(access.TreePolicy)
	if p.next != nil && (!ok || !whole.AllowsAll(ctx, what, path)) {
		return false
	}
	n, readOnly, err := p.t.protected(ctx, path)
	return what == access.Read || err == nil && !readOnly && (n == nil || len(n.members) == 0) && (what != access.Unlock || p.next != nil)
}

// AllowsSome implements access.TreePolicy.
func (p policy) AllowsSome(ctx context.Context, what access.Privilege, path davpath.Path) bool {
	if whole, ok := p.next.(access.TreePolicy); ok && !whole.AllowsSome(ctx, what, path) {
		return false
	}
	if what == access.Read || what == access.Unlock {
		return what == access.Read || p.next != nil
	}
	n, readOnly, err := p.t.protected(ctx, path)
	return err == nil && (!readOnly || n.hasWritable())
}

// ForListing implements access.ListingPolicy.
func (p policy) ForListing(ctx context.Context) (_ context.Context, byProperty bool) {
	if next, ok := p.next.(access.ListingPolicy); ok {
		return next.ForListing(ctx)
	}
	return ctx, true
}

// CheckOwnUnlock implements access.UnlockPolicy.
func (p policy) CheckOwnUnlock(ctx context.Context, path davpath.Path) error {
	if next, ok := p.next.(access.UnlockPolicy); ok {
		return next.CheckOwnUnlock(ctx, path)
	}
	return nil
}

// protected returns the node at p, nil if no mount is at p or below, and whether the innermost
// mount around p is read-only. It is fs.ErrPermission in the tree of another user. It opens none.
func (t *Table) protected(ctx context.Context, p davpath.Path) (n *node, readOnly bool, err error) {
	n = t.bound(ctx).root
	for rest := p.String()[1:]; ; {
		if n.mount != nil {
			readOnly = n.mount.ReadOnly
		}
		if rest == "" {
			return n, readOnly, nil
		}
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		if n.members[userSegment] != nil {
			if err := t.enter(ctx, segment); err != nil {
				return nil, false, err
			}
			readOnly, segment = false, userSegment // of a mount that the trees cover
		}
		if n = n.members[segment]; n == nil {
			return nil, readOnly, nil
		}
	}
}

// holdsProtected reports whether there are trees of users or read-only mounts below n, which may be
// nil.
func (n *node) holdsProtected() bool {
	if n == nil {
		return false
	}
	for segment, member := range n.members {
		if segment == userSegment || member.mount != nil && member.mount.ReadOnly || member.holdsProtected() {
			return true
		}
	}
	return false
}

// hasWritable reports whether a mount below n, which may be nil, is not read-only.
func (n *node) hasWritable() bool {
	if n == nil {
		return false
	}
	for _, member := range n.members {
		if member.mount != nil && !member.mount.ReadOnly || member.hasWritable() {
			return true
		}
	}
	return false
}
