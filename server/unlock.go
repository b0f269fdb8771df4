package server

import (
	"errors"
	"net/http"
	"strings"

	"dav207/server/access"
	"dav207/server/locks"
	"dav207/server/multistatus"
)

// unlock answers UNLOCK (§9.11).
func (h *Handler) unlock(q *request) error {
	token, ok := codedURL(q.Header.Values("Lock-Token"))
	if !ok {
		return invalid("There must be one Lock-Token, a URL in angle brackets.") // §9.11.1
	}
	if err := h.evaluateIf(q, h.treeFor(q)); err != nil {
		return err
	}
	l, ok := h.locks.Lookup(token)
	if !ok || !l.Covers(q.path) {
		return condition(http.StatusConflict, multistatus.LockTokenMatchesRequestURI)
	}
	if l.Principal != q.principal {
		if h.policy == nil {
			return plain(http.StatusForbidden, "The lock is somebody else's.")
		}
		if err := h.policy.Check(q.ctx, access.Unlock, q.path); err != nil {
			return err
		}
	}
	if err := h.locks.Unlock(token); errors.Is(err, locks.ErrNoSuchLock) {
		return condition(http.StatusConflict, multistatus.LockTokenMatchesRequestURI)
	} else if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// codedURL reads the value of a Lock-Token header (§10.5).
func codedURL(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	s := strings.TrimSpace(values[0])
	if !strings.HasPrefix(s, "<") {
		return "", false
	}
	url, rest, ok := angle(s)
	return url, ok && rest == ""
}
