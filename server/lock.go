package server

import (
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
	"dav207/server/davxml"
	"dav207/server/locks"
	"dav207/server/multistatus"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// lock answers LOCK (RFC 4918 §9.10): a new lock, or without a body the refresh of one.
func (h *Handler) lock(q *request) error {
	timeout := locks.ParseTimeout(q.Header.Values("Timeout"))
	body, err := h.parseBody(q)
	if err != nil {
		return err
	}
	if body == nil {
		return h.refresh(q)
	}
	wanted, err := parseLockInfo(body)
	if err != nil {
		return err
	}
	if wanted.Infinite, err = q.lockInfinite(); err != nil {
		return err
	}
	wanted.Principal, wanted.Timeout = q.principal, timeout

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
		refused, err := h.refusesLock(q, t, r, wanted)
		if err != nil {
			return err
		}
		if len(refused) > 0 {
			release() // nobody waits for how fast this client reads
			return h.sayRefused(q, refused)
		}
	}
	wanted.Root = h.realPath(q)
	granted, err := h.locks.Create(wanted)
	if err != nil {
		return h.lockError(q, err)
	}
	if err := h.locks.Sync(q.ctx, true); err != nil {
		h.locks.Unlock(granted.Token)
		return err
	}
	if created {
		// §9.10.4: an empty resource.
		h.clearStaleProps(q, t)
		if err := h.createEmpty(q, t); err != nil {
			h.locks.Unlock(granted.Token)
			return err
		}
	}
	release() // nobody waits for how fast this client reads
	q.w.Header().Set("Lock-Token", "<"+granted.Token+">")
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return h.sayLock(q, status)
}

func (h *Handler) lockHead(q *request) error {
	if err := h.tooLarge(q); err != nil {
		return err
	}
	var wanted *locks.Lock
	if q.ContentLength > 0 { // a new lock, and no refresh
		if _, err := q.lockInfinite(); err != nil {
			return err
		}
		wanted = &locks.Lock{Shared: true} // what conflicts with that conflicts with every lock
	}
	return h.looking(q, func(t *tree.Tree) error {
		_, _, err := h.checkLock(q, t, wanted)
		return err
	}, pathlock.Range{Path: q.path})
}

// lockInfinite reads the Depth of a LOCK.
func (q *request) lockInfinite() (bool, error) {
	d, err := depth(q.Header, tree.Infinity)
	if err == nil && d == tree.One {
		err = plain(http.StatusBadRequest, "A lock has Depth 0 or infinity.") // §9.10.3
	}
	return d == tree.Infinity, err
}

// checkLock says why the resource of a LOCK cannot be locked, its members aside, and whether it has to
// be created.
func (h *Handler) checkLock(q *request, t *tree.Tree, wanted *locks.Lock) (r props.Resource, created bool, err error) {
	r, err = q.stat(t)
	created = errors.Is(err, fs.ErrNotExist)
	switch {
	case created:
		err = h.mayLockUnmapped(q, t)
	case err == nil:
		err = h.mayLock(q, t, r, wanted)
	}
	return r, created, err
}

// mayLock says why a resource that is there may not be locked. Another lock is no reason to ask for its token, but a conflict
// or none (§9.10.5); wanted is nil as long as the scope is not known.
func (h *Handler) mayLock(q *request, t *tree.Tree, r props.Resource, wanted *locks.Lock) error {
	if err := h.allowed(q.ctx, access.WriteContent, q.path); err != nil {
		return err
	}
	if err := h.evaluateIf(q, t); err != nil {
		return err
	}
	if wanted != nil {
		covering := slices.DeleteFunc(h.coveringRequest(q), func(l locks.Lock) bool { return l.Shared && wanted.Shared })
		if len(covering) > 0 {
			return h.lockError(q, &locks.ConflictError{Root: q.path, Locks: covering})
		}
	}
	return h.httpConditions(q, t, r, true)
}

// mayLockUnmapped says why no resource may be created by a LOCK.
func (h *Handler) mayLockUnmapped(q *request, t *tree.Tree) error {
	if strings.HasSuffix(q.URL.Path, "/") {
		return plain(http.StatusMethodNotAllowed, "The URL is that of a collection, see MKCOL.")
	}
	return h.mayCreate(q, t)
}

func (h *Handler) createEmpty(q *request, t *tree.Tree) error {
	w, commit, err := t.Stage(q.ctx, q.path)
	if err != nil {
		return h.parentGone(q, t, err)
	}
	defer w.Close()
	return h.parentGone(q, t, commit())
}

// refusesLock returns a response for each member of a collection that keeps it from being locked.
func (h *Handler) refusesLock(q *request, t *tree.Tree, r props.Resource, wanted locks.Lock) (map[davpath.Path]*multistatus.Response, error) {
	if covering := h.coveringRequest(q); slices.ContainsFunc(covering, func(l locks.Lock) bool { return !l.Shared || !wanted.Shared }) {
		return nil, nil // the collection itself is locked, which Create finds
	}
	refused, err := h.refusedMembers(q, t, r)
	if err != nil {
		return nil, err
	}
	for _, l := range h.locks.Below(h.realPath(q)) {
		if _, twice := refused[l.Root]; twice || l.Shared && wanted.Shared {
			continue
		}
		href := h.lockRoot(q.ctx, q, l)
		refused[l.Root] = failure(href, condition(http.StatusLocked, multistatus.NoConflictingLock, href))
	}
	return refused, nil
}

// sayRefused answers a LOCK of a collection that cannot be had because of some of its members: 207 with the status of each,
// and 424 for the Request-URI (§9.10.3, §9.10.9).
func (h *Handler) sayRefused(q *request, refused map[davpath.Path]*multistatus.Response) error {
	out := multistatus.NewWriter(q.w)
	for _, p := range slices.SortedFunc(maps.Keys(refused), davpath.Path.Compare) {
		out.Write(refused[p]) // Close returns the error
	}
	out.Write(&multistatus.Response{Href: h.hrefs(q.ctx).Href(q.path, true), Status: http.StatusFailedDependency})
	if err := out.Close(); err != nil {
		return abort(err)
	}
	return nil
}

// refusedMembers returns a response for each member that the policy does not let be locked. What cannot be looked at can
// be locked all the same.
func (h *Handler) refusedMembers(q *request, t *tree.Tree, r props.Resource) (map[davpath.Path]*multistatus.Response, error) {
	refused := make(map[davpath.Path]*multistatus.Response)
	if h.policy == nil {
		return refused, nil
	}
	all := *t
	all.Guard = nil
	for member := range all.Walk(q.ctx, r, tree.Infinity) {
		if q.ctx.Err() != nil {
			return nil, q.ctx.Err()
		}
		if member.Path == r.Path {
			continue // the request itself was asked about
		}
		err := h.allowed(q.ctx, access.Read, member.Path)
		if err == nil {
			err = h.allowed(q.ctx, access.WriteContent, member.Path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // what is hidden is not told of
			h.warnMember(q, member.Path, err)
			refused[member.Path] = failure(h.hrefs(q.ctx).Href(member.Path, member.Info != nil && member.Info.IsDir()), err)
		}
	}
	return refused, nil
}

// lockError answers for a lock that was not granted.
func (h *Handler) lockError(q *request, err error) error {
	if conflict := (*locks.ConflictError)(nil); errors.As(err, &conflict) {
		var hrefs []string
		for _, l := range conflict.Locks {
			if href := h.lockRoot(q.ctx, q, l); !slices.Contains(hrefs, href) {
				hrefs = append(hrefs, href)
			}
		}
		return condition(http.StatusLocked, multistatus.NoConflictingLock, hrefs...)
	}
	switch {
	case errors.Is(err, locks.ErrTooMany):
		return &multistatus.Error{Status: http.StatusInsufficientStorage, Err: err, // a limit of ours (RFC 4331 §6)
			Condition: multistatus.Precondition(multistatus.QuotaNotExceeded)}
	case errors.Is(err, locks.ErrOwnerTooLarge):
		return &multistatus.Error{Status: http.StatusRequestEntityTooLarge, Err: err, Description: "DAV:owner is too large."}
	}
	return err
}

// refresh restarts the time of the lock whose token is in the If header (§9.10.2), whatever the other headers say.
func (h *Handler) refresh(q *request) error {
	if len(q.ifs.lists) == 0 {
		return invalid("A LOCK without a body refreshes the lock named in an If header.")
	}
	t := h.treeFor(q)
	if err := h.evaluateIf(q, t); err != nil {
		return condition(http.StatusPreconditionFailed, multistatus.LockTokenMatchesRequestURI)
	}
	if r, err := q.stat(t); err == nil {
		if err := h.httpConditions(q, t, r, true); err != nil {
			return err
		}
	}
	if err := h.unmapped(q, t, multistatus.LockTokenMatchesRequestURI, http.StatusPreconditionFailed); err != nil {
		return err
	}
	for _, l := range h.coveringRequest(q) {
		if !q.ifs.names(l.Token) {
			continue
		}
		if l.Principal != q.principal {
			return plain(http.StatusForbidden, "The lock is somebody else's.")
		}
		if _, err := h.locks.Refresh(l.Token, locks.ParseTimeout(q.Header.Values("Timeout"))); errors.Is(err, locks.ErrNoSuchLock) {
			break
		} else if err != nil {
			return err
		}
		if err := h.locks.Sync(q.ctx, false); err != nil {
			return err
		}
		return h.sayLock(q, http.StatusOK)
	}
	return condition(http.StatusPreconditionFailed, multistatus.LockTokenMatchesRequestURI)
}

// sayLock answers with the lockdiscovery of the resource (§9.10.1).
func (h *Handler) sayLock(q *request, status int) error {
	discovery := h.appendLocks(q.ctx, q, make([]byte, 0, 768), h.coveringRequest(q))
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

// parseLockInfo reads a DAV:lockinfo (§14.11).
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
			l.Owner = []byte{} // there is one, and it is empty
		}
	}
	return l, nil
}

// childOf walks down by the names of DAV: elements.
func childOf(e *davxml.Element, names ...string) *davxml.Element {
	for _, n := range names {
		if e = e.Child(multistatus.Namespace, n); e == nil {
			return nil
		}
	}
	return e
}
