package server

import (
	"errors"
	"io/fs"
	"net/http"

	"dav207/server/access"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// mkcol implements MKCOL (§9.3).
func (h *Handler) mkcol(q *request) error {
	if err := q.checkNoBody(); err != nil {
		return err
	}
	if err := h.refuse(q, h.checkPolicy(q.ctx, access.Bind, q.path), h.mkcolHead); err != nil {
		return err
	}
	release, err := h.reserve(q, writes(q.path))
	if err != nil {
		return err
	}
	defer release()
	t := h.treeFor(q)
	if err := h.checkMkcol(q, t); err != nil {
		return err
	}
	if err := h.clearStaleProps(q, t); err != nil {
		return err
	}
	if err := t.FS.Mkdir(q.ctx, q.path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			if _, missing := t.Stat(q.ctx, q.path); errors.Is(missing, fs.ErrNotExist) { // a dangling link: 403, as for PUT and LOCK
				return statusError(http.StatusForbidden, "There is a link at this URL that leads nowhere.")
			}
		}
		return h.parentError(q, t, err)
	}
	h.setRequestedTimes(q, t, q.path)
	h.respondCreated(q, false)
	return nil
}

func (h *Handler) mkcolHead(q *request) error {
	if err := q.checkNoLength(); err != nil {
		return err
	}
	return h.precheck(q, func(t *tree.Tree) error { return h.checkMkcol(q, t) }, pathlock.Range{Path: q.path})
}

// checkMkcol checks whether MKCOL may create a collection.
func (h *Handler) checkMkcol(q *request, t *tree.Tree) error {
	switch _, err := q.stat(t); {
	case err == nil, errors.Is(err, tree.ErrSpecial):
		return statusError(http.StatusMethodNotAllowed, "There is a resource at this URL.") // §9.3.1
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return h.checkCreate(q, t)
}
