package server

import (
	"errors"
	"io/fs"
	"net/http"

	"dav207/server/pathlock"
	"dav207/server/tree"
)

// mkcol answers MKCOL (§9.3).
func (h *Handler) mkcol(q *request) error {
	if err := q.noBody(); err != nil {
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
	h.clearStaleProps(q, t)
	if err := t.FS.Mkdir(q.ctx, q.path.String(), 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) {
			if _, missing := t.Stat(q.ctx, q.path); errors.Is(missing, fs.ErrNotExist) { // as PUT and LOCK refuse it
				return plain(http.StatusForbidden, "There is a link at this URL that leads nowhere.")
			}
		}
		return h.parentGone(q, t, err)
	}
	h.setWantedTimes(q, t, q.path)
	h.done(q, false)
	return nil
}

func (h *Handler) mkcolHead(q *request) error {
	if err := q.noLength(); err != nil {
		return err
	}
	return h.looking(q, func(t *tree.Tree) error { return h.checkMkcol(q, t) }, pathlock.Range{Path: q.path})
}

// checkMkcol says why no collection can be created.
func (h *Handler) checkMkcol(q *request, t *tree.Tree) error {
	switch _, err := q.stat(t); {
	case err == nil, errors.Is(err, tree.ErrSpecial):
		return plain(http.StatusMethodNotAllowed, "There is a resource at this URL.") // §9.3.1
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return h.mayCreate(q, t)
}
