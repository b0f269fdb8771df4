package server

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// httpConditions evaluates the conditional headers of RFC 9110 §13 in the order of its §13.2.2. r is what is at the
// Request-URI; exists is false where nothing is. It is called when no other reason to refuse was found (§13.2.1 there),
// and again before a change that had to wait.
func (h *Handler) httpConditions(q *request, t *tree.Tree, r props.Resource, exists bool) error {
	head := q.Header
	reading := q.Method == http.MethodGet || q.Method == http.MethodHead
	if head.Get("If-Match") == "" && head.Get("If-None-Match") == "" && head.Get("If-Unmodified-Since") == "" &&
		(!reading || head.Get("If-Modified-Since") == "") { // RFC 9110 §13.1.3
		return nil
	}
	tag := ""
	if exists && !r.Info.IsDir() {
		var err error
		if tag, err = t.ETag(q.ctx, r.Info); err != nil {
			return err
		}
	}
	failed := false
	if values := head.Values("If-Match"); len(values) > 0 {
		failed = !listed(values, tag, exists, true)
	} else if since, err := http.ParseTime(head.Get("If-Unmodified-Since")); err == nil && exists && props.Dated(r.Info.ModTime()) {
		failed = r.Info.ModTime().Truncate(time.Second).After(since)
	}
	if values := head.Values("If-None-Match"); len(values) > 0 {
		if !failed && listed(values, tag, exists, false) {
			if reading {
				return &multistatus.Error{Status: http.StatusNotModified}
			}
			failed = true
		}
	} else if since, err := http.ParseTime(head.Get("If-Modified-Since")); err == nil && !failed && reading && tag != "" &&
		props.Dated(r.Info.ModTime()) && !r.Info.ModTime().Truncate(time.Second).After(since) {
		return &multistatus.Error{Status: http.StatusNotModified}
	}
	if failed {
		return plain(http.StatusPreconditionFailed, "")
	}
	return nil
}

// listed reports whether a list of entity tags names the current one: "*" is any that exists. The comparison is strong for
// If-Match, weak for If-None-Match (RFC 9110 §8.8.3.2); the tags of this server are strong.
func listed(values []string, tag string, exists, strong bool) bool {
	for s := strings.TrimSpace(strings.Join(values, ",")); s != ""; s = strings.TrimLeft(s, ", \t") {
		if s[0] == '*' {
			return exists
		}
		etag, rest, ok := entityTag(s)
		if !ok {
			return false
		}
		if !strong {
			etag = strings.TrimPrefix(etag, "W/")
		}
		if tag != "" && etag == tag {
			return true
		}
		s = rest
	}
	return false
}

// ask puts the questions that come before a change in their order: may it be done at all, is the If header true, is a lock in
// the way, and, as RFC 9110 §13.2.1 wants it, last whether HTTP's own conditions hold.
func (h *Handler) ask(q *request, t *tree.Tree, p access.Privilege, r props.Resource, exists bool) error {
	if err := h.allowed(q.ctx, p, q.path); err != nil {
		return err
	}
	if err := h.evaluateIf(q, t); err != nil {
		return err
	}
	if err := t.Guard.Check(q.ctx, p, q.path); err != nil {
		return err
	}
	return h.httpConditions(q, t, r, exists)
}

// ready evaluates the If header, and has the engine evaluate HTTP's own conditions when nothing else stands in the way.
func (h *Handler) ready(q *request, t *tree.Tree, r props.Resource, exists bool) error {
	t.Before = func() error { return h.httpConditions(q, t, r, exists) }
	return h.evaluateIf(q, t)
}

// existing looks at the resource of the request for a method that needs one, with the privilege it needs there.
func (h *Handler) existing(q *request, t *tree.Tree, p access.Privilege) (props.Resource, error) {
	r, err := h.readable(q, t)
	if err != nil {
		return r, err
	}
	return r, h.ask(q, t, p, r, true)
}

// readable looks at the resource of the request.
func (h *Handler) readable(q *request, t *tree.Tree) (props.Resource, error) {
	r, err := h.stat(q, t)
	if err != nil && !errors.Is(err, tree.ErrSpecial) {
		return r, err
	}
	// What is hidden is as if it were not there; so the policy comes first.
	if perr := h.allowed(q.ctx, access.Read, q.path); perr != nil {
		return r, perr
	}
	return r, err
}
