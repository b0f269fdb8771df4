package server

import (
	"context"
	"encoding/xml"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/locks"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// guard decides what one request may do: it checks the policy and the locks. It implements
// tree.Guard.
type guard struct {
	h *Handler
	q *request
}

// treeFor returns the engine with this request's guard. Its Gone removes the locks of deleted
// resources.
func (h *Handler) treeFor(q *request) *tree.Tree {
	q.tree, q.guard = h.tree, guard{h: h, q: q}
	t := &q.tree
	t.Guard = &q.guard
	t.Gone = func(p davpath.Path, below bool) {
		if h.locks.Len() == 0 {
			return
		}
		p = h.realMemberPath(context.WithoutCancel(q.ctx), p)
		if !below {
			h.locks.Remove(p)
			return
		}
		for _, l := range h.locks.Below(p) {
			h.locks.Unlock(l.Token)
		}
	}
	if h.property != nil {
		t.Readable = func(p davpath.Path, property xml.Name) bool {
			return h.property.CheckProperty(q.ctx, access.Read, p, property) == nil
		}
		t.Writable = func(p davpath.Path, property xml.Name) bool {
			return h.property.CheckProperty(q.ctx, access.WriteProperties, p, property) == nil
		}
	}
	return t
}

// Check implements tree.Guard. A lock whose token was not submitted causes 423 with the lock's root
// (RFC 4918 §7.5, §16).
func (g *guard) Check(ctx context.Context, p access.Privilege, path davpath.Path) error {
	if err := g.h.checkPolicy(ctx, p, path); err != nil {
		return err
	}
	if p == access.Read || g.h.locks.Len() == 0 {
		return nil
	}
	// A path with symbolic links is another name of a resource. Locks on both names apply.
	if err := g.checkName(p, path); err != nil || path == g.q.path && g.q.found.direct {
		return err
	}
	real := g.h.realPath(ctx, path)
	if p == access.Bind || p == access.Unbind {
		// Only the parent is resolved: a lock on a link's target does not lock the link.
		real = g.h.realMemberPath(ctx, path)
	}
	if real == path {
		return nil
	}
	return g.checkName(p, real)
}

// checkName checks the locks on one name of a resource.
func (g *guard) checkName(p access.Privilege, path davpath.Path) error {
	if p != access.Bind && p != access.Unbind {
		return g.checkSubmitted(path, g.h.locks.Covering(path))
	}
	// Both the member and the collection whose membership changes (§7.4): "The collection's lock
	// token is required in addition to the lock token on the internal member itself, if it is
	// locked separately."
	covering := g.h.locks.Covering(path)
	own := slices.DeleteFunc(slices.Clone(covering), func(l locks.Lock) bool { return l.Root != path })
	if len(own) > 0 {
		covering = own
	}
	if err := g.checkSubmitted(path, covering); err != nil || path.IsRoot() {
		return err
	}
	return g.checkSubmitted(path.Parent(), g.h.locks.Covering(path.Parent()))
}

// treePrivileges are those that the engine asks for.
var treePrivileges = []access.Privilege{access.Read, access.WriteContent, access.WriteProperties, access.Bind, access.Unbind}

// Clear implements tree.Guard.
func (g *guard) Clear(path davpath.Path, privileges ...access.Privilege) bool {
	if len(privileges) == 0 {
		privileges = treePrivileges
	}
	if !g.h.allowsAll(g.q.ctx, path, privileges...) {
		return false
	}
	return g.h.locks.Len() == 0 || slices.Equal(privileges, treePrivileges[:1]) ||
		!g.h.locks.AnyBelow(path) && !g.h.locks.AnyBelow(g.h.realPath(context.WithoutCancel(g.q.ctx), path))
}

// realPath resolves the symbolic links in p. Locks are stored under the real path, so that every
// name of a resource finds them (§6.1).
func (h *Handler) realPath(ctx context.Context, p davpath.Path) davpath.Path {
	return h.tree.Real(ctx, p)
}

// realRequestPath returns realPath of the request's resource.
func (h *Handler) realRequestPath(q *request) davpath.Path {
	if q.found.direct {
		return q.path
	}
	return h.realPath(q.ctx, q.path)
}

// realMemberPath resolves the links in the parent of p, not p itself. It is for operations on a
// member that may be a link.
func (h *Handler) realMemberPath(ctx context.Context, p davpath.Path) davpath.Path {
	if p.IsRoot() {
		return p
	}
	return h.realPath(ctx, p.Parent()).Child(p.Name())
}

// checkSubmitted checks that the request submitted the token of one of the locks that cover path
// and that its principal created that lock. One is enough: several locks on one resource are shared
// locks, and each holder may write (§6.2).
func (g *guard) checkSubmitted(path davpath.Path, covering []locks.Lock) error {
	if len(covering) == 0 {
		return nil
	}
	hrefs := make([]string, 0, 1)
	for _, l := range covering {
		if l.Principal == g.q.principal && g.q.ifs.Submits(l.Token) {
			return nil
		}
		href := g.h.lockRoot(g.q.ctx, g.q, l, path)
		if len(hrefs) == 0 || hrefs[len(hrefs)-1] != href {
			hrefs = append(hrefs, href)
		}
	}
	return conditionError(http.StatusLocked, multistatus.LockTokenSubmitted, hrefs...)
}

// checkPolicy returns the error of the policy, if there is one.
func (h *Handler) checkPolicy(ctx context.Context, p access.Privilege, path davpath.Path) error {
	if h.policy == nil {
		return nil
	}
	return h.policy.Check(ctx, p, path)
}

// allowsAll reports whether the policy certainly allows the privileges for everything below path.
func (h *Handler) allowsAll(ctx context.Context, path davpath.Path, privileges ...access.Privilege) bool {
	whole, ok := h.policy.(access.TreePolicy)
	return h.policy == nil || ok &&
		!slices.ContainsFunc(privileges, func(p access.Privilege) bool { return !whole.AllowsAll(ctx, p, path) })
}

// allowsSome reports whether the policy may allow a privilege for path or for something below it.
func (h *Handler) allowsSome(ctx context.Context, p access.Privilege, path davpath.Path) bool {
	whole, ok := h.policy.(access.TreePolicy)
	return !ok || whole.AllowsSome(ctx, p, path)
}

// lockRoot returns the href of the root of a lock that covers path or, if the policy hides the
// root, that of path, which is all of the lock's scope that the user knows. q may be nil.
func (h *Handler) lockRoot(ctx context.Context, q *request, l locks.Lock, path davpath.Path) string {
	root := l.Root
	if access.Hides(ctx, h.policy, root) {
		root = path
	}
	if q != nil && root == q.path && q.found.there {
		return h.hrefs(ctx).Href(root, q.found.collection)
	}
	info, err := h.tree.FS.Stat(ctx, root)
	return h.hrefs(ctx).Href(root, err == nil && info.IsDir())
}

// readOnly is the policy for Options.ReadOnly. It applies the other policy first, then allows only
// Read.
type readOnly struct {
	policy access.Policy // may be nil
}

// Check implements access.Policy.
func (r readOnly) Check(ctx context.Context, p access.Privilege, path davpath.Path) error {
	if r.policy != nil {
		if err := r.policy.Check(ctx, p, path); err != nil {
			return err
		}
	}
	if p == access.Read {
		return nil
	}
	return fs.ErrPermission
}

// AllowsAll implements access.TreePolicy.
func (r readOnly) AllowsAll(ctx context.Context, p access.Privilege, path davpath.Path) bool {
	whole, ok := r.policy.(access.TreePolicy)
	return p == access.Read && (r.policy == nil || ok && whole.AllowsAll(ctx, p, path))
}

// AllowsSome implements access.TreePolicy.
func (r readOnly) AllowsSome(ctx context.Context, p access.Privilege, path davpath.Path) bool {
	whole, ok := r.policy.(access.TreePolicy)
	return p == access.Read && (!ok || whole.AllowsSome(ctx, p, path))
}

// ForListing implements access.ListingPolicy.
func (r readOnly) ForListing(ctx context.Context) (context.Context, bool) {
	if remembers, ok := r.policy.(access.ListingPolicy); ok {
		return remembers.ForListing(ctx)
	}
	return ctx, true
}

// forListing returns the context for a listing, and the policy for the properties there.
func (h *Handler) forListing(ctx context.Context) (context.Context, access.PropertyPolicy) {
	property := h.property
	if remembers, ok := h.policy.(access.ListingPolicy); ok {
		var byProperty bool
		if ctx, byProperty = remembers.ForListing(ctx); !byProperty {
			property = nil
		}
	}
	return ctx, property
}

// coveringLocks returns the locks that cover a resource, under p and under its real path.
func (h *Handler) coveringLocks(ctx context.Context, p davpath.Path) []locks.Lock {
	if h.locks.Len() == 0 {
		return nil
	}
	return h.coveringPathLocks(p, h.realPath(ctx, p))
}

// coveringRequestLocks returns coveringLocks of the request's resource.
func (h *Handler) coveringRequestLocks(q *request) []locks.Lock {
	if h.locks.Len() == 0 {
		return nil
	}
	return h.coveringPathLocks(q.path, h.realRequestPath(q))
}

// coveringPathLocks returns the locks that cover p or real.
func (h *Handler) coveringPathLocks(p, real davpath.Path) []locks.Lock {
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

// covers reports whether a lock covers a resource, under p or under its real path.
func (h *Handler) covers(ctx context.Context, l locks.Lock, p davpath.Path) bool {
	return l.Covers(p) || l.Covers(h.realPath(ctx, p))
}

// endLocksAt removes the locks whose root is p, which has no resource. It was removed outside the
// server, and no request could submit the tokens for an unmapped URL (RFC 4918 §10.4.4).
func (h *Handler) endLocksAt(ctx context.Context, p davpath.Path) error {
	if h.locks.Len() == 0 {
		return nil
	}
	return h.endLocksRooted(ctx, h.realMemberPath(ctx, p))
}

// endLocksAtRequest is endLocksAt for the request's resource.
func (h *Handler) endLocksAtRequest(q *request) error {
	if q.refusing {
		return nil
	}
	if q.found.vacant && q.found.direct {
		return h.endLocksRooted(q.ctx, q.path)
	}
	return h.endLocksAt(q.ctx, q.path)
}

// endLocksRooted removes the locks whose root is p.
func (h *Handler) endLocksRooted(ctx context.Context, p davpath.Path) error {
	if h.locks.Len() == 0 {
		return nil
	}
	ended := false
	for _, l := range h.locks.Covering(p) {
		if l.Root != p {
			continue
		}
		if err := h.locks.Unlock(l.Token); err != nil && !errors.Is(err, locks.ErrNoSuchLock) {
			return err
		}
		ended = true
	}
	if ended {
		h.locks.Flush(ctx) // before a new resource exists, which a crash would leave locked
	}
	return nil
}

// junkNames are files that systems write for themselves: the last three by Windows, the others by
// macOS. Not among them are .~lock.NAME#, which LibreOffice reads, and .TemporaryItems, where
// programs on macOS save documents.
var junkNames = []string{
	".ds_store", ".apdisk", ".spotlight-v100", ".trashes", ".fseventsd",
	".metadata_never_index", ".metadata_never_index_unless_rootfs", ".metadata_direct_scope_only",
	"thumbs.db", "ehthumbs.db", "desktop.ini",
}

// junkName reports whether a segment is the name of such a file. Case is ignored.
func junkName(segment string) bool {
	return strings.HasPrefix(segment, "._") ||
		slices.ContainsFunc(junkNames, func(n string) bool { return strings.EqualFold(n, segment) })
}

// withoutJunk returns the engine for a listing, without junk if Options.HideJunk is set.
func (h *Handler) withoutJunk(t *tree.Tree) *tree.Tree {
	if !h.hideJunk {
		return t
	}
	l := *t
	l.Guard = junkGuard{t.Guard}
	return &l
}

// visibleGuard hides the collections in which the user sees nothing, and nothing else: a walk
// through them would take time that tells how much they hold.
type visibleGuard struct{ h *Handler }

// Clear implements tree.Guard.
func (g visibleGuard) Clear(davpath.Path, ...access.Privilege) bool { return false }

// Check implements tree.Guard.
func (g visibleGuard) Check(ctx context.Context, _ access.Privilege, path davpath.Path) error {
	if access.Hides(ctx, g.h.policy, path) && !g.h.allowsSome(ctx, access.Read, path) {
		return fs.ErrNotExist
	}
	return nil
}

// junkGuard hides members that are junk. Walk does not check the collection that it lists, so a
// collection with such a name can be listed.
type junkGuard struct{ tree.Guard }

// Clear implements tree.Guard.
func (g junkGuard) Clear(davpath.Path, ...access.Privilege) bool { return false }

func (g junkGuard) Check(ctx context.Context, p access.Privilege, path davpath.Path) error {
	if junkName(path.Name()) {
		return fs.ErrNotExist
	}
	return g.Guard.Check(ctx, p, path)
}
