package server

import (
	"errors"
	"net/http"

	"dav207/server/access"
	"dav207/server/davheader"
	"dav207/server/locks"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// unlock implements UNLOCK (§9.11).
func (h *Handler) unlock(q *request) error {
	if err := q.checkNoBody(); err != nil {
		return err
	}
	token, err := h.checkUnlock(q, h.treeFor(q))
	if err != nil {
		return err
	}
	if err := h.locks.Unlock(token); errors.Is(err, locks.ErrNoSuchLock) {
		return conditionError(http.StatusConflict, multistatus.LockTokenMatchesRequestURI)
	} else if err != nil {
		return err
	}
	if err := h.locks.Sync(q.ctx, false); err != nil {
		return err // the lock has ended, but may exist again after a restart
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handler) unlockHead(q *request) error {
	if err := q.checkNoLength(); err != nil {
		return err
	}
	_, err := h.checkUnlock(q, h.treeFor(q))
	return err
}

// checkUnlock returns the token of the lock that an UNLOCK may remove.
func (h *Handler) checkUnlock(q *request, t *tree.Tree) (string, error) {
	token, ok := davheader.LockToken(q.Header.Values("Lock-Token"))
	if !ok {
		return "", invalid("There must be one Lock-Token, a URL in angle brackets.") // §9.11.1
	}
	r, statErr := q.stat(t)
	if err := h.evaluateIf(q, t); err != nil {
		return "", err
	}
	l, ok := h.locks.Lookup(token)
	if !ok || !h.covers(q.ctx, l, q.path) {
		return "", conditionError(http.StatusConflict, multistatus.LockTokenMatchesRequestURI)
	}
	if l.Root != h.realRequestPath(q) { // the resource may have been removed outside the server
		if err := h.checkMapped(q, t, multistatus.LockTokenMatchesRequestURI, http.StatusConflict); err != nil {
			return "", err
		}
	}
	if err := h.mayUnlock(q, l); err != nil {
		return "", err
	}
	return token, h.httpConditions(q, t, r, statErr == nil)
}

// mayUnlock checks whether the user may remove a lock.
func (h *Handler) mayUnlock(q *request, l locks.Lock) error {
	if l.Principal == q.principal {
		if policy, ok := h.policy.(access.UnlockPolicy); ok {
			return policy.CheckOwnUnlock(q.ctx, q.path)
		}
		return nil
	}
	if h.policy == nil {
		return statusError(http.StatusForbidden, "The lock is somebody else's.")
	}
	if err := h.policy.Check(q.ctx, access.Unlock, q.path); err != nil {
		return err
	}
	return h.checkRoot(q, l, access.Unlock)
}
