package server

import (
	"net/http"

	"dav207/server/davpath"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// transfer is a COPY or MOVE as its head describes it.
type transfer struct {
	dst     davpath.Path
	replace bool
	claims  []pathlock.Range
	source  func(*tree.Tree) error // checks the request's own resource
	run     func(*tree.Tree, tree.Report) error
}

// copy answers COPY (§9.8).
func (h *Handler) copy(q *request) error { return h.transfer(q, h.copyOf) }

func (h *Handler) copyHead(q *request) error { return h.transferHead(q, h.copyOf) }

// move answers MOVE (§9.9).
func (h *Handler) move(q *request) error { return h.transfer(q, h.moveOf) }

func (h *Handler) moveHead(q *request) error { return h.transferHead(q, h.moveOf) }

func (h *Handler) copyOf(q *request) (*transfer, error) {
	d, depthErr := depth(q.Header, tree.Infinity)
	if depthErr == nil && d == tree.One {
		depthErr = plain(http.StatusBadRequest, "COPY has no Depth: 1.") // §9.8.3
	}
	x, err := h.transferOf(q, pathlock.Range{Path: q.path, Subtree: true})
	if err != nil {
		return nil, err
	}
	x.run = func(t *tree.Tree, report tree.Report) error { return t.Copy(q.ctx, q.path, x.dst, d, report) }
	x.source = func(t *tree.Tree) error {
		r, err := h.readable(q, t)
		if err == nil && r.Info.IsDir() {
			err = depthErr // for what has no members the header means nothing (§10.2)
		}
		if err != nil {
			return err
		}
		return h.ready(q, t, r, true)
	}
	return x, nil
}

func (h *Handler) moveOf(q *request) (*transfer, error) {
	d, err := depth(q.Header, tree.Infinity)
	if err != nil {
		return nil, err
	}
	if q.path.IsRoot() {
		return nil, plain(http.StatusForbidden, "The root cannot be moved.")
	}
	x, err := h.transferOf(q, pathlock.Range{Path: q.path, Subtree: true, Write: true})
	if err != nil {
		return nil, err
	}
	x.run = func(t *tree.Tree, report tree.Report) error { return t.Move(q.ctx, q.path, x.dst, report) }
	x.source = func(t *tree.Tree) error { return h.mayRemove(q, t, d, true) }
	return x, nil
}

// transferOf reads what COPY and MOVE have in common.
func (h *Handler) transferOf(q *request, claim pathlock.Range) (*transfer, error) {
	dst, err := h.destination(q)
	if err != nil {
		return nil, err
	}
	replace, err := overwrite(q.Header)
	if err != nil {
		return nil, err
	}
	if dst.Reserved() {
		return nil, creatable(dst)
	}
	return &transfer{dst: dst, replace: replace,
		claims: []pathlock.Range{claim, {Path: dst, Subtree: true, Write: true}}}, nil
}

// checkTransfer says why a COPY or MOVE cannot be done, but for what the engine says, and whether
// there is a resource at the Destination.
func (h *Handler) checkTransfer(q *request, t *tree.Tree, x *transfer) (existed bool, err error) {
	if err := x.source(t); err != nil {
		return false, err
	}
	existed, err = t.Look(q.ctx, x.dst)
	switch {
	case err != nil:
		return false, err
	case existed && !x.replace && x.dst != q.path:
		return true, plain(http.StatusPreconditionFailed, "There is a resource at the Destination.") // §9.8.5
	case !existed:
		if err := creatable(x.dst); err != nil {
			return false, err
		}
		return false, h.endAt(q.ctx, x.dst)
	}
	return true, nil
}

func (h *Handler) transferHead(q *request, of func(*request) (*transfer, error)) error {
	if err := h.tooLarge(q); err != nil {
		return err
	}
	x, err := of(q)
	if err != nil {
		return err
	}
	return h.looking(q, func(t *tree.Tree) error {
		if _, err := h.checkTransfer(q, t, x); err != nil {
			return err
		}
		return untilChange(t, func(report tree.Report) error { return x.run(t, report) })
	}, x.claims...)
}

func (h *Handler) transfer(q *request, of func(*request) (*transfer, error)) error {
	if err := h.oldBody(q); err != nil {
		return err
	}
	x, err := of(q)
	if err != nil {
		return err
	}
	release, err := h.reserve(q, x.claims...)
	if err != nil {
		return err
	}
	defer release()
	t := h.treeFor(q)
	existed, err := h.checkTransfer(q, t, x)
	if err != nil {
		return err
	}
	done, err := h.partial(q, release, func(report tree.Report) error { return x.run(t, report) })
	if done {
		h.setWantedTimes(q, t, x.dst)
		h.done(q, existed)
	}
	return err
}
