package server

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"

	"dav207/server/access"
	"dav207/server/locks"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// unlock answers UNLOCK (§9.11).
func (h *Handler) unlock(q *request) error {
	if err := q.noBody(); err != nil {
		return err
	}
	token, err := h.checkUnlock(q, h.treeFor(q))
	if err != nil {
		return err
	}
	if err := h.locks.Unlock(token); errors.Is(err, locks.ErrNoSuchLock) {
		return condition(http.StatusConflict, multistatus.LockTokenMatchesRequestURI)
	} else if err != nil {
		return err
	}
	if err := h.locks.Sync(q.ctx, false); err != nil {
		return err // it has ended, and may be back after a restart
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handler) unlockHead(q *request) error {
	if err := q.noLength(); err != nil {
		return err
	}
	_, err := h.checkUnlock(q, h.treeFor(q))
	return err
}

// checkUnlock returns the token of the lock that an UNLOCK may end.
func (h *Handler) checkUnlock(q *request, t *tree.Tree) (string, error) {
	token, ok := codedURL(q.Header.Values("Lock-Token"))
	if !ok {
		return "", invalid("There must be one Lock-Token, a URL in angle brackets.") // §9.11.1
	}
	r, statErr := q.stat(t)
	if err := h.evaluateIf(q, t); err != nil {
		return "", err
	}
	l, ok := h.locks.Lookup(token)
	if !ok || !h.covers(q.ctx, l, q.path) {
		return "", condition(http.StatusConflict, multistatus.LockTokenMatchesRequestURI)
	}
	if l.Root != h.realPath(q) { // whose resource may be gone behind our back
		if err := h.unmapped(q, t, multistatus.LockTokenMatchesRequestURI, http.StatusConflict); err != nil {
			return "", err
		}
	}
	if l.Principal != q.principal {
		if h.policy == nil {
			return "", plain(http.StatusForbidden, "The lock is somebody else's.")
		}
		if err := h.policy.Check(q.ctx, access.Unlock, q.path); err != nil {
			return "", err
		}
	}
	return token, h.httpConditions(q, t, r, statErr == nil)
}

// unmapped refuses a URL that is not that of a resource: no lock covers it yet.
func (h *Handler) unmapped(q *request, t *tree.Tree, name string, status int) error {
	if _, err := q.stat(t); errors.Is(err, fs.ErrNotExist) {
		return condition(status, name)
	}
	return nil
}

// codedURL reads the value of a Lock-Token header (§10.5). The package webdav of npm sends the URL without its brackets.
func codedURL(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	s := strings.TrimSpace(values[0])
	if !strings.HasPrefix(s, "<") {
		return s, absolute(s) && !strings.ContainsAny(s, " \t<>\"")
	}
	url, rest, ok := angle(s)
	return url, ok && rest == ""
}
