package server

import (
	"errors"
	"io/fs"
	"net/http"

	"dav207/server/access"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// delete answers DELETE (RFC 4918 §9.6).
func (h *Handler) delete(q *request) error {
	if err := q.noBody(); err != nil {
		return err
	}
	d, err := q.deleteDepth()
	if err != nil {
		return err
	}
	release, err := h.reserve(q, pathlock.Range{Path: q.path, Subtree: true, Write: true})
	if err != nil {
		return err
	}
	defer release()
	t := h.treeFor(q)
	if err := h.mayRemove(q, t, d, false); err != nil {
		return err
	}
	done, err := h.partial(q, release, func(report tree.Report) error { return t.Delete(q.ctx, q.path, report) })
	if done {
		q.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (h *Handler) deleteHead(q *request) error {
	if err := q.noLength(); err != nil {
		return err
	}
	d, err := q.deleteDepth()
	if err != nil {
		return err
	}
	return h.looking(q, func(t *tree.Tree) error {
		if err := h.mayRemove(q, t, d, false); err != nil {
			return err
		}
		return untilChange(t, func(report tree.Report) error { return t.Delete(q.ctx, q.path, report) })
	}, pathlock.Range{Path: q.path, Subtree: true, Write: true})
}

// deleteDepth checks what a DELETE says of itself.
func (q *request) deleteDepth() (tree.Depth, error) {
	d, err := depth(q.Header, tree.Infinity)
	if err == nil && q.path.IsRoot() {
		err = plain(http.StatusForbidden, "The root cannot be removed.")
	}
	return d, err
}

// mayRemove checks a request that takes its resource away: what the engine does not. Unless only what can be served is wanted, a
// link that leads nowhere and what is neither file nor collection can be removed, too.
func (h *Handler) mayRemove(q *request, t *tree.Tree, d tree.Depth, served bool) error {
	if err := h.allowed(q.ctx, access.Read, q.path); errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r, err := t.Stat(q.ctx, q.path)
	switch {
	case err != nil && served:
		return err
	case r.Info == nil && !t.Present(q.ctx, q.path):
		return err
	case err == nil && r.Info.IsDir() && d != tree.Infinity:
		return plain(http.StatusBadRequest, "A collection goes with its members: Depth must be infinity.") // §9.6.1, §9.9.3
	}
	if err := h.allowed(q.ctx, access.Unbind, q.path); err != nil {
		return err
	}
	return h.ready(q, t, r, r.Info != nil) // the locks are the engine's to ask for
}
