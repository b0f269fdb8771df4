package server

import (
	"context"
	"io/fs"
	"net/http"

	"dav207/server/access"
	"dav207/server/davpath"
)

// readOnly is the policy of a Handler that changes nothing: what the policy of its Options refuses or hides stays so, and of the rest
// only Read is allowed.
type readOnly struct {
	policy access.Policy // may be nil
}

// Check implements access.Policy.
func (r readOnly) Check(ctx context.Context, p access.Privilege, path davpath.Path) error {
	if r.policy != nil {
		if err := r.policy.Check(ctx, p, path); err != nil {
			return err
		}
	}
	if p == access.Read {
		return nil
	}
	return fs.ErrPermission
}

// offers reports whether a method can succeed on any resource. The others are not in the Allow header.
func (h *Handler) offers(method string) bool {
	if !h.readOnly {
		return true
	}
	switch method {
	case http.MethodOptions, http.MethodGet, http.MethodHead, "PROPFIND":
		return true
	}
	return false
}

// locking reports whether a method is one of class 2 (RFC 4918 §18.2).
func locking(method string) bool { return method == "LOCK" || method == "UNLOCK" }
