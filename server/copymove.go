package server

import (
	"errors"
	"net/http"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davheader"
	"dav207/server/davpath"
	"dav207/server/davxml"
	"dav207/server/multistatus"
	"dav207/server/origin"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// transfer holds the headers of a COPY or MOVE.
type transfer struct {
	move     bool
	dst      davpath.Path
	replace  bool
	depth    tree.Depth
	depthErr error // of COPY; ignored unless the source is a collection
}

// copyOrMove implements COPY (§9.8) and MOVE (§9.9).
func (h *Handler) copyOrMove(q *request) error {
	if err := h.checkTransferBody(q); err != nil {
		return err
	}
	x, err := h.parseTransfer(q)
	if err != nil {
		return err
	}
	if err := h.refuse(q, h.deniedTransfer(q, x), h.copyOrMoveHead); err != nil {
		return err
	}
	release, err := h.reserve(q, x.ranges(q)...)
	if err != nil {
		return err
	}
	defer release()
	t := h.treeFor(q)
	plan, existed, err := h.planTransfer(q, t, x)
	if err != nil {
		return err
	}
	done, err := h.run(q, release, plan)
	if done {
		h.setRequestedTimes(q, t, x.dst)
		h.respondCreated(q, existed)
	}
	return err
}

// deniedTransfer returns the error of the policy if it refuses the transfer whatever is there.
func (h *Handler) deniedTransfer(q *request, x *transfer) error {
	if x.move {
		if err := h.checkPolicy(q.ctx, access.Unbind, q.path); err != nil {
			return err
		}
	}
	return h.deniedWrite(q.ctx, x.dst)
}

func (h *Handler) copyOrMoveHead(q *request) error {
	if err := h.checkMaxXML(q); err != nil {
		return err
	}
	x, err := h.parseTransfer(q)
	if err != nil {
		return err
	}
	return h.precheck(q, func(t *tree.Tree) error {
		_, _, err := h.planTransfer(q, t, x)
		return err
	}, x.ranges(q)...)
}

// checkTransferBody returns 415 if a COPY or MOVE has a body (§8.4) other than DAV:propertybehavior
// of RFC 2518 §12.12. Old clients send that one; the server does what it asks for in any case.
func (h *Handler) checkTransferBody(q *request) error {
	root, err := h.parseBody(q)
	if errors.Is(err, davxml.ErrMalformed) || errors.Is(err, davxml.ErrCharset) ||
		root != nil && !isDAV(root, "propertybehavior") {
		return errBody
	}
	return err
}

// parseTransfer parses Destination, Depth and Overwrite.
func (h *Handler) parseTransfer(q *request) (*transfer, error) {
	x := &transfer{move: q.Method == "MOVE"}
	x.depth, x.depthErr = davheader.Depth(q.Header, tree.Infinity)
	switch {
	case x.move && q.path.IsRoot():
		return nil, statusError(http.StatusForbidden, "The root cannot be moved.")
	case !x.move && x.depthErr == nil && x.depth == tree.One:
		x.depthErr = statusError(http.StatusBadRequest, "COPY has no Depth: 1.") // §9.8.3
	}
	var err error
	if x.dst, err = h.destination(q); err != nil {
		return nil, err
	}
	if x.replace, err = davheader.Overwrite(q.Header); err != nil {
		return nil, err
	}
	if x.dst.Reserved() {
		return nil, checkCreatable(x.dst)
	}
	return x, nil
}

// destination parses the Destination header (§10.3): an absolute URL of this server, or an absolute
// path. It accepts any scheme of webScheme, since a proxy may have another one and some clients
// send their own.
func (h *Handler) destination(q *request) (davpath.Path, error) {
	values := q.Header.Values("Destination")
	if len(values) != 1 {
		return davpath.Path{}, statusError(http.StatusBadRequest, "There must be one Destination.")
	}
	p, err := q.origin.ParseURL(values[0])
	switch {
	case errors.Is(err, origin.ErrForeign), errors.Is(err, davpath.ErrOutside):
		return p, &multistatus.Error{Status: http.StatusBadGateway, Err: err, // §9.8.5
			Description: "The Destination is not on this server."}
	case err != nil:
		return p, &multistatus.Error{Status: http.StatusBadRequest, Err: err,
			Description: "The Destination is not a URL that can name a resource."}
	}
	return p, nil
}

// ranges returns the ranges that the request reads and writes.
func (x *transfer) ranges(q *request) []pathlock.Range {
	return []pathlock.Range{{Path: q.path, Subtree: true, Write: x.move}, {Path: x.dst, Subtree: true, Write: true}}
}

// planTransfer checks a COPY or MOVE and returns its plan. existed is true if there is a resource
// at the Destination.
func (h *Handler) planTransfer(q *request, t *tree.Tree, x *transfer) (plan *tree.Plan, existed bool, err error) {
	r, err := h.checkSource(q, t, x)
	if err != nil {
		return nil, false, err
	}
	if err := h.checkSeen(q.ctx, x.dst); err != nil {
		return nil, false, err
	}
	existed, err = t.Look(q.ctx, x.dst)
	switch {
	case err != nil:
	case !existed && access.Hides(q.ctx, h.policy, x.dst.Parent()):
		err = tree.ErrNoParent
	case existed && !x.replace && x.dst != q.path:
		err = statusError(http.StatusPreconditionFailed, "There is a resource at the Destination.") // §9.8.5
	case !existed:
		if err = checkCreatable(x.dst); err == nil && !q.refusing {
			err = h.endLocksAt(q.ctx, x.dst)
		}
	}
	if err != nil {
		return nil, existed, err
	}
	if x.move {
		plan, err = t.PlanMove(q.ctx, q.path, x.dst)
	} else {
		plan, err = t.PlanCopy(q.ctx, q.path, x.dst, x.depth)
	}
	if err == nil {
		err = h.httpConditions(q, t, r, true)
	}
	return plan, existed, err
}

// checkSource looks up the request's resource and checks whether it may be copied or moved.
func (h *Handler) checkSource(q *request, t *tree.Tree, x *transfer) (props.Resource, error) {
	if x.move {
		return h.checkRemove(q, t, true)
	}
	r, err := h.lookup(q, t)
	if err == nil && r.Info.IsDir() {
		err = x.depthErr // §10.2: Depth is ignored for a resource without members
	}
	if err == nil {
		err = h.evaluateIf(q, t)
	}
	return r, err
}
