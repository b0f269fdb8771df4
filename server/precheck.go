package server

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"syscall"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davheader"
	"dav207/server/davpath"
	"dav207/server/davxml"
	"dav207/server/multistatus"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// checkExpect refuses a request whose client waits for 100 Continue (RFC 9110 §10.1.1), as far as
// the headers decide that. The method repeats the checks after it has read the body, since the
// resource may have changed. Without Expect only the method checks, so that an error in the body
// takes precedence.
func (h *Handler) checkExpect(q *request, m *method) error {
	if m.head == nil || q.Header.Get("Expect") == "" || q.body.Ended() {
		return nil
	}
	return m.head(q)
}

// refuse returns the error of check, which checks the request and changes nothing, if denied is not
// nil: the policy refuses the request in any case. Such a request does not wait for others, and
// others do not wait for it: else a user could stop those who use a tree that she may not change.
// Without an error, as after a change of the policy, the request goes on as any other.
func (h *Handler) refuse(q *request, denied error, check func(*request) error) error {
	if denied == nil {
		return nil
	}
	q.refusing = true
	defer func() { q.refusing = false }()
	return check(q)
}

// deniedWrite returns the error of the policy if it allows neither to create nor to replace p.
func (h *Handler) deniedWrite(ctx context.Context, p davpath.Path) error {
	if h.checkPolicy(ctx, access.WriteContent, p) == nil {
		return nil
	}
	return h.checkPolicy(ctx, access.Bind, p)
}

// precheck calls check while the request holds ranges.
func (h *Handler) precheck(q *request, check func(*tree.Tree) error, ranges ...pathlock.Range) error {
	release, err := h.reserve(q, ranges...)
	if err != nil {
		return err
	}
	defer release()
	return check(h.treeFor(q))
}

// authorize checks policy, If, locks, then HTTP conditions (RFC 9110 §13.2.1).
func (h *Handler) authorize(q *request, t *tree.Tree, p access.Privilege, r props.Resource, exists bool) error {
	if err := h.checkPolicy(q.ctx, p, q.path); err != nil {
		return err
	}
	if err := h.evaluateIf(q, t); err != nil {
		return err
	}
	if err := t.Guard.Check(q.ctx, p, q.path); err != nil {
		return err
	}
	return h.httpConditions(q, t, r, exists)
}

// lookupFor looks up the request's resource, which must exist, and calls authorize for privilege p.
func (h *Handler) lookupFor(q *request, t *tree.Tree, p access.Privilege) (props.Resource, error) {
	r, err := h.lookup(q, t)
	if err != nil {
		return r, err
	}
	return r, h.authorize(q, t, p, r, true)
}

// lookup returns the request's resource if the policy allows reading it.
func (h *Handler) lookup(q *request, t *tree.Tree) (props.Resource, error) {
	r, err := q.stat(t)
	if err != nil && !errors.Is(err, tree.ErrSpecial) {
		return r, err
	}
	// The policy comes before ErrSpecial, since it may hide the resource.
	if perr := h.checkPolicy(q.ctx, access.Read, q.path); perr != nil {
		return r, perr
	}
	return r, err
}

// checkCreate checks whether the request may create a resource at its URL, where there is none. It
// removes stale locks of that URL.
func (h *Handler) checkCreate(q *request, t *tree.Tree) error {
	if err := checkCreatable(q.path); err != nil {
		return err
	}
	if access.Hides(q.ctx, h.policy, q.path.Parent()) {
		return tree.ErrNoParent
	}
	if !q.found.vacant {
		if err := t.Parent(q.ctx, q.path); err != nil {
			return err
		}
	}
	if err := h.endLocksAtRequest(q); err != nil {
		return err
	}
	return h.authorize(q, t, access.Bind, props.Resource{Path: q.path}, false)
}

// checkSeen returns an error if the policy hides p: nothing can be created there, whether or not
// there is something.
func (h *Handler) checkSeen(ctx context.Context, p davpath.Path) error {
	switch {
	case !access.Hides(ctx, h.policy, p):
		return nil
	case access.Hides(ctx, h.policy, p.Parent()):
		return tree.ErrNoParent
	}
	return fs.ErrPermission
}

// parentError returns the error of creating a resource, with the status for a missing parent: 409.
// The parent may also have been replaced during an upload, and the back end cannot move the temp
// file to the new one.
func (h *Handler) parentError(q *request, t *tree.Tree, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return err
	}
	if t.Parent(q.ctx, q.path) == nil {
		return &multistatus.Error{Status: http.StatusConflict, Err: err,
			Description: "The collection was replaced by another one meanwhile: send the request again."}
	}
	return errors.Join(tree.ErrNoParent, err)
}

// clearStaleProps removes properties stored for a URL at which the request creates a resource. They
// belong to a resource that was removed outside the server or just before a crash, or whose
// properties could not be removed with it because the disk was full. The caller creates the
// resource afterwards, so that a crash in between does not leave it with them.
func (h *Handler) clearStaleProps(q *request, t *tree.Tree) error {
	return t.Props.Update(context.WithoutCancel(q.ctx), props.Delete{Path: q.path})
}

// checkMapped returns an error with status and precondition name if the request's URL has no
// resource: then no lock covers it.
func (h *Handler) checkMapped(q *request, t *tree.Tree, name string, status int) error {
	if _, err := q.stat(t); errors.Is(err, fs.ErrNotExist) {
		return conditionError(status, name)
	}
	return nil
}

// checkRemove checks whether DELETE or MOVE may remove the request's resource, except for locks,
// which the plan checks. If served, the resource must be a file or a collection. Otherwise it may
// also be a dangling link or a special file; then r.Info is nil.
func (h *Handler) checkRemove(q *request, t *tree.Tree, served bool) (props.Resource, error) {
	r, err := t.Stat(q.ctx, q.path)
	switch {
	case err != nil && served:
		return r, err
	case r.Info == nil && !t.Present(q.ctx, q.path):
		return r, err
	case err == nil && r.Info.IsDir(): // §10.2: Depth is ignored for a resource without members
		if d, err := davheader.Depth(q.Header, tree.Infinity); err != nil {
			return r, err
		} else if d != tree.Infinity {
			return r, statusError(http.StatusBadRequest, "A collection goes with its members: Depth must be infinity.") // §9.6.1, §9.9.3
		}
	}
	if err := h.checkPolicy(q.ctx, access.Unbind, q.path); err != nil {
		return r, err
	}
	return r, h.evaluateIf(q, t) // the plan checks the locks
}

// parseBody parses the XML body of a request. It returns nil without an error if there is no body.
func (h *Handler) parseBody(q *request) (*davxml.Element, error) {
	if q.body.Ended() {
		return nil, nil
	}
	if err := h.checkMaxXML(q); err != nil {
		return nil, err
	}
	q.body.SetDeadline()
	cache := &h.xmlCache
	if q.Method == "PROPPATCH" { // whose bodies hardly ever repeat
		cache = nil
	}
	root, err := q.body.ReadXML(cache, q.ContentLength, h.maxXML)
	if errors.Is(err, davxml.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, xmlError(err)
	}
	return root, nil
}

// checkMaxXML returns an error if Content-Length exceeds Options.MaxXML.
func (h *Handler) checkMaxXML(q *request) error {
	if q.ContentLength > h.maxXML {
		return &multistatus.Error{Status: http.StatusRequestEntityTooLarge}
	}
	return nil
}

// checkNoBody returns 415 if the request has a body where RFC 4918 defines none (§9.3). It ignores
// Content-Type, which some clients send with an empty body.
func (q *request) checkNoBody() error {
	if err := q.checkNoLength(); err != nil {
		return err
	}
	more, err := q.body.Empty()
	if more {
		return errBody
	}
	return err
}

// checkNoLength is checkNoBody by Content-Length only.
func (q *request) checkNoLength() error {
	if q.ContentLength > 0 {
		return errBody
	}
	return nil
}

var errBody = statusError(http.StatusUnsupportedMediaType, "A body has no meaning here.")

func isDAV(e *davxml.Element, local string) bool {
	return e.Name.Space == multistatus.Namespace && e.Name.Local == local
}
