package server

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"

	"dav207/server/access"
	"dav207/server/multistatus"
	"dav207/server/reserve"
	"dav207/server/resource"
	"dav207/server/tree"
)

// partial runs an operation of the engine and answers for it: what it returns is for the request as a whole, and each
// failure that it reports is a response of a 207. done reports that all went well and nothing was answered yet.
func (h *Handler) partial(q *request, operation func(tree.Report) error) (done bool, err error) {
	out := multistatus.NewWriter(q.w)
	report := func(p resource.Path, collection bool, err error) {
		h.warnMember(q, p, err)
		out.Write(failure(h.hrefs(q.ctx).Href(p, collection), err)) // Close returns the error
		out.Tick()
	}
	switch err = operation(report); {
	case err == nil:
		return true, nil
	case !errors.Is(err, tree.ErrPartial):
		return false, err
	}
	if err := out.Close(); err != nil {
		return false, abort(err)
	}
	return false, nil
}

// warnMember logs why one of many resources failed.
func (h *Handler) warnMember(q *request, p resource.Path, err error) {
	h.log.LogAttrs(q.ctx, slog.LevelWarn, "member failed", slog.String("method", q.Method), slog.String("name", p.String()),
		slog.Int("status", asError(err).Status), slog.Any("err", err))
}

// delete answers DELETE (RFC 4918 §9.6).
func (h *Handler) delete(q *request) error {
	d, err := depth(q.Header, tree.Infinity)
	if err != nil {
		return err
	}
	if q.path.IsRoot() {
		return plain(http.StatusForbidden, "The root cannot be removed.")
	}
	release, err := h.reserve(q, reserve.Claim{Path: q.path, Subtree: true, Write: true})
	if err != nil {
		return err
	}
	defer release()
	t := h.treeFor(q)
	if err := h.mayRemove(q, t, d); err != nil {
		return err
	}
	done, err := h.partial(q, func(report tree.Report) error { return t.Delete(q.ctx, q.path, report) })
	if done {
		q.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// mayRemove checks a request that takes its resource away: what the engine does not. A link that leads nowhere and
// what is neither file nor collection can be removed although it can not be served.
func (h *Handler) mayRemove(q *request, t *tree.Tree, d tree.Depth) error {
	if err := h.allowed(q.ctx, access.Read, q.path); errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r, err := t.Stat(q.ctx, q.path)
	switch {
	case r.Info == nil:
		return nil // a link that leads nowhere, or nothing, as the engine will find
	case err == nil && r.Info.IsDir() && d != tree.Infinity:
		return plain(http.StatusBadRequest, "A collection goes with its members: Depth must be infinity.") // §9.6.1, §9.9.3
	}
	if err := h.allowed(q.ctx, access.Unbind, q.path); err != nil {
		return err
	}
	return h.conditions(q, t, r, true) // the locks come last, and are the engine's to ask for
}

// copy answers COPY (§9.8).
func (h *Handler) copy(q *request) error {
	d, err := depth(q.Header, tree.Infinity)
	if err == nil && d == tree.One {
		err = plain(http.StatusBadRequest, "COPY has no Depth: 1.") // §9.8.3
	}
	if err != nil {
		return err
	}
	return h.transfer(q, reserve.Claim{Path: q.path, Subtree: true}, func(t *tree.Tree, dst resource.Path, report tree.Report) error {
		return t.Copy(q.ctx, q.path, dst, d, report)
	}, func(t *tree.Tree) error {
		_, err := h.existing(q, t, access.Read)
		return err
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
		if _, err := t.Stat(q.ctx, q.path); err != nil {
			return err
		}
		return h.mayRemove(q, t, d)
	})
}

// transfer is what COPY and MOVE share: the destination, and whether it may be overwritten. source checks the request's own
// resource.
func (h *Handler) transfer(q *request, claim reserve.Claim, operation func(*tree.Tree, resource.Path, tree.Report) error, source func(*tree.Tree) error) error {
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
	_, err = t.Stat(q.ctx, dst)
	existed := err == nil || errors.Is(err, tree.ErrSpecial)
	switch {
	case !existed && !errors.Is(err, fs.ErrNotExist):
		return err
	case existed && !replace && dst != q.path:
		return plain(http.StatusPreconditionFailed, "There is a resource at the Destination.") // §9.8.5
	case !existed:
		if err := creatable(dst); err != nil {
			return err
		}
	}
	done, err := h.partial(q, func(report tree.Report) error { return operation(t, dst, report) })
	if done {
		h.setWantedTime(q, dst)
		h.done(q, existed)
	}
	return err
}
