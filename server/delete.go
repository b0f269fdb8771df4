package server

import (
	"net/http"

	"dav207/server/access"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// delete implements DELETE (RFC 4918 §9.6).
func (h *Handler) delete(q *request) error {
	if err := q.checkNoBody(); err != nil {
		return err
	}
	if q.path.IsRoot() {
		return errRemoveRoot
	}
	if err := h.refuse(q, h.checkPolicy(q.ctx, access.Unbind, q.path), h.deleteHead); err != nil {
		return err
	}
	release, err := h.reserve(q, q.deleteRange())
	if err != nil {
		return err
	}
	defer release()
	plan, err := h.planDelete(q, h.treeFor(q))
	if err != nil {
		return err
	}
	done, err := h.run(q, release, plan)
	if done {
		q.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (h *Handler) deleteHead(q *request) error {
	if err := q.checkNoLength(); err != nil {
		return err
	}
	if q.path.IsRoot() {
		return errRemoveRoot
	}
	return h.precheck(q, func(t *tree.Tree) error {
		_, err := h.planDelete(q, t)
		return err
	}, q.deleteRange())
}

func (q *request) deleteRange() pathlock.Range {
	return pathlock.Range{Path: q.path, Subtree: true, Write: true}
}

var errRemoveRoot = statusError(http.StatusForbidden, "The root cannot be removed.")

// planDelete checks a DELETE and returns its plan.
func (h *Handler) planDelete(q *request, t *tree.Tree) (*tree.Plan, error) {
	r, err := h.checkRemove(q, t, false)
	if err != nil {
		return nil, err
	}
	plan, err := t.PlanDelete(q.ctx, q.path)
	if err != nil {
		return nil, err
	}
	return plan, h.httpConditions(q, t, r, r.Info != nil)
}
