package server

import (
	"net/http"

	"dav207/server/reserve"
	"dav207/server/resource"
	"dav207/server/tree"
)

// copy answers COPY (§9.8).
func (h *Handler) copy(q *request) error {
	d, depthErr := depth(q.Header, tree.Infinity)
	if depthErr == nil && d == tree.One {
		depthErr = plain(http.StatusBadRequest, "COPY has no Depth: 1.") // §9.8.3
	}
	return h.transfer(q, reserve.Claim{Path: q.path, Subtree: true}, func(t *tree.Tree, dst resource.Path, report tree.Report) error {
		return t.Copy(q.ctx, q.path, dst, d, report)
	}, func(t *tree.Tree) error {
		r, err := h.readable(q, t)
		if err == nil && r.Info.IsDir() {
			err = depthErr // for what has no members the header means nothing (§10.2)
		}
		if err != nil {
			return err
		}
		return h.ready(q, t, r, true)
	})
}

// move answers MOVE (§9.9).
func (h *Handler) move(q *request) error {
	d, err := depth(q.Header, tree.Infinity)
	if err != nil {
		return err
	}
	if q.path.IsRoot() {
		return plain(http.StatusForbidden, "The root cannot be moved.")
	}
	return h.transfer(q, reserve.Claim{Path: q.path, Subtree: true, Write: true}, func(t *tree.Tree, dst resource.Path, report tree.Report) error {
		return t.Move(q.ctx, q.path, dst, report)
	}, func(t *tree.Tree) error {
		return h.mayRemove(q, t, d, true)
	})
}

// transfer is what COPY and MOVE share: the destination, and whether it may be overwritten. source checks the request's own
// resource.
func (h *Handler) transfer(q *request, claim reserve.Claim, operation func(*tree.Tree, resource.Path, tree.Report) error, source func(*tree.Tree) error) error {
	if err := h.oldBody(q); err != nil {
		return err
	}
	dst, err := h.destination(q)
	if err != nil {
		return err
	}
	replace, err := overwrite(q.Header)
	if err != nil {
		return err
	}
	if dst.Reserved() {
		return creatable(dst)
	}
	release, err := h.reserve(q, claim, reserve.Claim{Path: dst, Subtree: true, Write: true})
	if err != nil {
		return err
	}
	defer release()
	t := h.treeFor(q)
	if err := source(t); err != nil {
		return err
	}
	existed, err := t.Look(q.ctx, dst)
	switch {
	case err != nil:
		return err
	case existed && !replace && dst != q.path:
		return plain(http.StatusPreconditionFailed, "There is a resource at the Destination.") // §9.8.5
	case !existed:
		if err := creatable(dst); err != nil {
			return err
		}
		if err := h.endAt(q.ctx, t, dst); err != nil {
			return err
		}
	}
	done, err := h.partial(q, release, func(report tree.Report) error { return operation(t, dst, report) })
	if done {
		h.setWantedTime(q, dst)
		h.done(q, existed)
	}
	return err
}
