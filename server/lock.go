package server

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davheader"
	"dav207/server/davpath"
	"dav207/server/davxml"
	"dav207/server/locks"
	"dav207/server/multistatus"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// lock implements LOCK (RFC 4918 §9.10): a request with a body creates a lock, one without
// refreshes a lock.
func (h *Handler) lock(q *request) error {
	body, err := h.parseBody(q)
	if err != nil {
		return err
	}
	if body == nil {
		return h.refresh(q)
	}
	wanted, err := q.requestedLock(body)
	if err != nil {
		return err
	}
	if err := h.refuse(q, h.deniedLock(q), h.lockHead); err != nil {
		return err
	}
	release, err := h.reserve(q, pathlock.Range{Path: q.path, Subtree: wanted.Infinite, Write: true})
	if err != nil {
		return err
	}
	defer release()
	t := h.treeFor(q)
	r, created, err := h.checkLock(q, t, &wanted)
	if err != nil {
		return err
	}
	if wanted.Infinite && !created && r.Info.IsDir() {
		conflicts, err := h.memberConflicts(q, t, r, wanted)
		if err != nil {
			return err
		}
		if len(conflicts) > 0 {
			release() // other requests need not wait for this client to read
			return h.respondConflicts(q, conflicts)
		}
	}
	wanted.Root = h.realRequestPath(q)
	granted, err := h.grantLock(q, t, wanted, created)
	if err != nil {
		return err
	}
	release() // other requests need not wait for this client to read
	q.w.Header().Set("Lock-Token", "<"+granted.Token+">")
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return h.respondLock(q, status)
}

// deniedLock returns the error of the policy if it refuses the lock whatever is there.
func (h *Handler) deniedLock(q *request) error {
	if err := h.checkPolicy(q.ctx, access.Lock, q.path); err != nil {
		return err
	}
	return h.deniedWrite(q.ctx, q.path)
}

// requestedLock returns the lock that a LOCK with a body asks for, without its root.
func (q *request) requestedLock(body *davxml.Element) (locks.Lock, error) {
	wanted, err := parseLockInfo(body)
	if err != nil {
		return wanted, err
	}
	wanted.Infinite, err = q.lockInfinite()
	wanted.Principal, wanted.Timeout = q.principal, locks.ParseTimeout(q.Header.Values("Timeout"))
	return wanted, err
}

// grantLock records the lock and, if create, creates an empty resource for it (§9.10.4). If a step
// fails it removes the lock.
func (h *Handler) grantLock(q *request, t *tree.Tree, wanted locks.Lock, create bool) (locks.Lock, error) {
	granted, err := h.locks.Create(wanted)
	if err != nil {
		return granted, h.lockError(q, err)
	}
	err = h.locks.Sync(q.ctx, true)
	if err == nil && create {
		err = h.clearStaleProps(q, t)
	}
	if err == nil && create {
		err = h.createEmpty(q, t)
	}
	if err != nil {
		h.locks.Unlock(granted.Token)
	}
	return granted, err
}

func (h *Handler) lockHead(q *request) error {
	if err := h.checkMaxXML(q); err != nil {
		return err
	}
	var wanted *locks.Lock
	if q.ContentLength > 0 { // a new lock, not a refresh
		if _, err := q.lockInfinite(); err != nil {
			return err
		}
		wanted = &locks.Lock{Shared: true} // the weakest: its conflicts are conflicts of any lock
	}
	return h.precheck(q, func(t *tree.Tree) error {
		_, _, err := h.checkLock(q, t, wanted)
		return err
	}, pathlock.Range{Path: q.path})
}

// lockInfinite reports whether the Depth of a LOCK is infinity.
func (q *request) lockInfinite() (bool, error) {
	d, err := davheader.Depth(q.Header, tree.Infinity)
	if err == nil && d == tree.One {
		err = statusError(http.StatusBadRequest, "A lock has Depth 0 or infinity.") // §9.10.3
	}
	return d == tree.Infinity, err
}

// checkLock checks whether the request's resource may be locked, without its members. created is
// true if LOCK has to create it.
func (h *Handler) checkLock(q *request, t *tree.Tree, wanted *locks.Lock) (r props.Resource, created bool, err error) {
	r, err = q.stat(t)
	created = errors.Is(err, fs.ErrNotExist)
	switch {
	case created:
		err = h.checkLockUnmapped(q, t)
	case err == nil:
		err = h.checkLockMapped(q, t, r, wanted)
	}
	return r, created, err
}

// checkLockMapped checks whether an existing resource may be locked. It does not require the tokens
// of other locks; these either conflict or do not (§9.10.5). wanted is nil if the scope is not
// known yet.
func (h *Handler) checkLockMapped(q *request, t *tree.Tree, r props.Resource, wanted *locks.Lock) error {
	if err := h.checkLockable(q.ctx, q.path); err != nil {
		return err
	}
	if err := h.evaluateIf(q, t); err != nil {
		return err
	}
	if wanted != nil {
		covering := slices.DeleteFunc(h.coveringRequestLocks(q), func(l locks.Lock) bool { return l.Shared && wanted.Shared })
		if len(covering) > 0 {
			return h.lockError(q, &locks.ConflictError{Root: q.path, Locks: covering})
		}
	}
	return h.httpConditions(q, t, r, true)
}

// checkLockUnmapped checks whether LOCK may create a resource.
func (h *Handler) checkLockUnmapped(q *request, t *tree.Tree) error {
	if strings.HasSuffix(q.URL.Path, "/") {
		return statusError(http.StatusMethodNotAllowed, "The URL is that of a collection, see MKCOL.")
	}
	if err := h.checkCreate(q, t); err != nil {
		return err
	}
	return h.checkPolicy(q.ctx, access.Lock, q.path)
}

// checkLockable returns the error of the policy for a lock on the existing resource p.
func (h *Handler) checkLockable(ctx context.Context, p davpath.Path) error {
	if err := h.checkPolicy(ctx, access.WriteContent, p); err != nil {
		return err
	}
	return h.checkPolicy(ctx, access.Lock, p)
}

// createEmpty creates an empty file at the request's URL.
func (h *Handler) createEmpty(q *request, t *tree.Tree) error {
	u, err := t.FS.Create(q.ctx, q.path)
	if err != nil {
		return h.parentError(q, t, err)
	}
	defer u.Close()
	_, err = u.Commit(q.ctx)
	return h.parentError(q, t, err)
}

// memberConflicts returns a response for each member of a collection that prevents its lock.
func (h *Handler) memberConflicts(q *request, t *tree.Tree, r props.Resource, wanted locks.Lock) (map[davpath.Path]*multistatus.Response, error) {
	if covering := h.coveringRequestLocks(q); slices.ContainsFunc(covering, func(l locks.Lock) bool { return !l.Shared || !wanted.Shared }) {
		return nil, nil // Create returns the conflict on the collection itself
	}
	conflicts, err := h.deniedMembers(q, t, r)
	if err != nil {
		return nil, err
	}
	for _, l := range h.locks.Below(h.realRequestPath(q)) {
		if _, twice := conflicts[l.Root]; twice || l.Shared && wanted.Shared || access.Hides(q.ctx, h.policy, l.Root) {
			continue // Create returns the conflict with a hidden lock
		}
		href := h.lockRoot(q.ctx, q, l, l.Root)
		conflicts[l.Root] = failure(href, conditionError(http.StatusLocked, multistatus.NoConflictingLock, href))
	}
	return conflicts, nil
}

// respondConflicts responds to a LOCK of a collection that fails because of members: 207 with the
// status of each, and 424 for the Request-URI (§9.10.3, §9.10.9).
func (h *Handler) respondConflicts(q *request, conflicts map[davpath.Path]*multistatus.Response) error {
	out := multistatus.NewWriter(q.w, q.Request)
	for _, p := range slices.SortedFunc(maps.Keys(conflicts), davpath.Path.Compare) {
		out.Write(conflicts[p]) // Close returns the error
	}
	out.Write(&multistatus.Response{Href: h.hrefs(q.ctx).Href(q.path, true), Status: http.StatusFailedDependency})
	if err := out.Close(); err != nil {
		return abort(err)
	}
	return nil
}

// maxDenied is how many members a refused LOCK names: the response is in memory as a whole, and
// each has a line in the log.
const maxDenied = 1000

// deniedMembers returns a response for each member that the policy does not allow to be locked, up
// to maxDenied. It ignores members that cannot be read for other reasons.
func (h *Handler) deniedMembers(q *request, t *tree.Tree, r props.Resource) (map[davpath.Path]*multistatus.Response, error) {
	conflicts := make(map[davpath.Path]*multistatus.Response)
	if h.allowsAll(q.ctx, r.Path, access.Read, access.WriteContent, access.Lock) {
		return conflicts, nil
	}
	all := *t
	all.Guard = visibleGuard{h}
	for member := range all.Walk(q.ctx, r, tree.Infinity) {
		if q.ctx.Err() != nil {
			return nil, q.ctx.Err()
		}
		if len(conflicts) == maxDenied {
			break
		}
		if member.Path == r.Path {
			continue // checkLockMapped has checked it
		}
		err := h.checkPolicy(q.ctx, access.Read, member.Path)
		if err == nil {
			err = h.checkLockable(q.ctx, member.Path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // fs.ErrNotExist: the policy hides it
			h.warnMember(q, member.Path, err)
			conflicts[member.Path] = failure(h.hrefs(q.ctx).Href(member.Path, member.Info != nil && member.Info.IsDir()), err)
		}
	}
	return conflicts, nil
}

// lockError returns an error of package locks with its status.
func (h *Handler) lockError(q *request, err error) error {
	if conflict := (*locks.ConflictError)(nil); errors.As(err, &conflict) {
		var hrefs []string
		for _, l := range conflict.Locks {
			if href := h.lockRoot(q.ctx, q, l, q.path); !slices.Contains(hrefs, href) {
				hrefs = append(hrefs, href)
			}
		}
		return conditionError(http.StatusLocked, multistatus.NoConflictingLock, hrefs...)
	}
	switch {
	case errors.Is(err, locks.ErrTooMany):
		return &multistatus.Error{Status: http.StatusInsufficientStorage, Err: err, // a limit of the server (RFC 4331 §6)
			Condition: multistatus.Precondition(multistatus.QuotaNotExceeded)}
	case errors.Is(err, locks.ErrOwnerTooLarge):
		return &multistatus.Error{Status: http.StatusRequestEntityTooLarge, Err: err, Description: "DAV:owner is too large."}
	}
	return err
}

// refresh restarts the timeout of the lock whose token is in the If header (§9.10.2). Other headers
// of LOCK have no effect.
func (h *Handler) refresh(q *request) error {
	if len(q.ifs.Lists) == 0 {
		return invalid("A LOCK without a body refreshes the lock named in an If header.")
	}
	t := h.treeFor(q)
	r, statErr := q.stat(t)
	if statErr == nil {
		if err := h.checkPolicy(q.ctx, access.WriteContent, q.path); err != nil {
			return err
		}
	}
	if err := h.evaluateIf(q, t); err != nil {
		return conditionError(http.StatusPreconditionFailed, multistatus.LockTokenMatchesRequestURI)
	}
	if statErr == nil {
		if err := h.httpConditions(q, t, r, true); err != nil {
			return err
		}
	}
	if err := h.checkMapped(q, t, multistatus.LockTokenMatchesRequestURI, http.StatusPreconditionFailed); err != nil {
		return err
	}
	for _, l := range h.coveringRequestLocks(q) {
		if !q.ifs.Requires(l.Token) {
			continue
		}
		if err := h.checkRefresh(q, l); err != nil {
			return err
		}
		if _, err := h.locks.Refresh(l.Token, locks.ParseTimeout(q.Header.Values("Timeout"))); errors.Is(err, locks.ErrNoSuchLock) {
			break
		} else if err != nil {
			return err
		}
		if err := h.locks.Sync(q.ctx, false); err != nil {
			return err
		}
		return h.respondLock(q, http.StatusOK)
	}
	return conditionError(http.StatusPreconditionFailed, multistatus.LockTokenMatchesRequestURI)
}

// checkRefresh checks whether the user may refresh a lock.
func (h *Handler) checkRefresh(q *request, l locks.Lock) error {
	if l.Principal != q.principal {
		return statusError(http.StatusForbidden, "The lock is somebody else's.")
	}
	if err := h.checkLockable(q.ctx, q.path); err != nil {
		return err
	}
	return h.checkRoot(q, l, access.WriteContent, access.Lock)
}

// checkRoot returns an error unless the policy allows privileges for the root of a lock, too, if
// the request names a resource below it: what it does to the lock it does to all of its scope.
func (h *Handler) checkRoot(q *request, l locks.Lock, privileges ...access.Privilege) error {
	if l.Root == h.realRequestPath(q) {
		return nil
	}
	for _, p := range privileges {
		if h.checkPolicy(q.ctx, p, l.Root) != nil {
			return fs.ErrPermission // also if the root is hidden: the request's resource is not
		}
	}
	return nil
}

// respondLock responds with DAV:lockdiscovery of the resource (§9.10.1).
func (h *Handler) respondLock(q *request, status int) error {
	discovery := h.appendLocks(q.ctx, q, make([]byte, 0, 768), q.path, h.coveringRequestLocks(q))
	body, err := multistatus.AppendProp(make([]byte, 0, len(discovery)+256), multistatus.Property{XMLName: props.DAV("lockdiscovery"), InnerXML: discovery})
	if err != nil {
		return err
	}
	head := q.w.Header()
	head.Set("Content-Type", multistatus.ContentType)
	head.Set("Content-Length", strconv.Itoa(len(body)))
	q.w.WriteHeader(status)
	q.w.Write(body)
	return nil
}

// parseLockInfo parses a DAV:lockinfo (§14.11).
func parseLockInfo(root *davxml.Element) (locks.Lock, error) {
	var l locks.Lock
	if !isDAV(root, "lockinfo") {
		return l, invalid("The body must be a DAV:lockinfo.")
	}
	exclusive, shared := childOf(root, "lockscope", "exclusive"), childOf(root, "lockscope", "shared")
	if (exclusive == nil) == (shared == nil) || childOf(root, "locktype", "write") == nil {
		return l, invalid("A DAV:lockinfo has the lockscope exclusive or shared, and the locktype write.")
	}
	l.Shared = shared != nil
	if owner := root.Child(multistatus.Namespace, "owner"); owner != nil {
		l.OwnerAttr, l.Owner = owner.Content()
		l.OwnerLang = owner.Lang
		if l.Owner == nil {
			l.Owner = []byte{} // not nil: DAV:owner is present and empty
		}
	}
	return l, nil
}

// childOf returns the descendant at a path of DAV: element names, or nil.
func childOf(e *davxml.Element, names ...string) *davxml.Element {
	for _, n := range names {
		if e = e.Child(multistatus.Namespace, n); e == nil {
			return nil
		}
	}
	return e
}
