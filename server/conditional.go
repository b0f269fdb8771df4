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

// httpConditions evaluates the conditional headers of RFC 9110 §13 in the order of its §13.2.2,
// except for If-Range. r is what is at the Request-URI; exists is false where nothing is. It is
// called when no other reason to refuse was found (§13.2.1 there), and again before a change that
// had to wait.
func (h *Handler) httpConditions(q *request, t *tree.Tree, r props.Resource, exists bool) error {
	match, noneMatch := tagsIn(q.Header, "If-Match"), tagsIn(q.Header, "If-None-Match")
	tag := ""
	if exists && !r.Info.IsDir() && match+noneMatch != "" {
		var err error
		if tag, err = t.ETag(q.ctx, r.Info); err != nil {
			return err
		}
	}
	failed := false
	if match != "" {
		failed = !listed(match, tag, exists, true)
	} else if since, ok := dateIn(q.Header, "If-Unmodified-Since"); ok && exists {
		modified, known := h.modifiedSince(q, r, since)
		failed = known && modified
	}
	if failed {
		return plain(http.StatusPreconditionFailed, "")
	}
	reads := q.Method == http.MethodGet || q.Method == http.MethodHead
	have := false // what the client has is what there is
	if noneMatch != "" {
		have = listed(noneMatch, tag, exists, false)
	} else if since, ok := dateIn(q.Header, "If-Modified-Since"); ok && reads && exists && !r.Info.IsDir() {
		// A collection has no Last-Modified: its page shows members, which change without it. A
		// date still to come is from a clock that is wrong: what changes until then would not be
		// seen.
		if modified, known := h.modifiedSince(q, r, since); known && !modified && !since.After(time.Now()) {
			have = true
		}
	}
	switch {
	case have && reads:
		return &multistatus.Error{Status: http.StatusNotModified}
	case have:
		return plain(http.StatusPreconditionFailed, "")
	}
	return nil
}

// tagsIn returns the list of entity tags in the header called name, which may have several lines
// (RFC 9110 §5.3).
func tagsIn(head http.Header, name string) string {
	return strings.Trim(strings.Join(head[name], ","), ", \t")
}

// dateIn returns the HTTP-date in the header called name. Anything else there, two dates included,
// is as if the header were not there (RFC 9110 §13.1.3, §13.1.4).
func dateIn(head http.Header, name string) (time.Time, bool) {
	values := head[name]
	if len(values) != 1 {
		return time.Time{}, false
	}
	t, err := http.ParseTime(values[0])
	return t, err == nil
}

// modifiedSince compares a date with the Last-Modified of r, as validators: after a MOVE or PUT
// that puts an older file in its place, what is there now is another one although its date is
// earlier (RFC 9110 §13.1.3, §13.1.4). So the only date that is proof by itself is the one that was
// handed out. Another one is the client's own, and counts where the file system knows that nothing
// has changed since. known is false where r has no Last-Modified: conditions by date mean nothing
// then.
func (h *Handler) modifiedSince(q *request, r props.Resource, since time.Time) (modified, known bool) {
	last := props.LastModified(r.Info)
	switch {
	case last.IsZero():
		return false, false
	case since.Unix() == last.Unix():
		return false, true
	case since.Unix() < last.Unix():
		return true, true
	}
	c, ok := h.tree.FS.(tree.ChangeChecker)
	return !ok || !c.UnchangedSince(q.ctx, r.Path.String(), since), true
}

// listed reports whether a list of entity tags names the current one: "*" is any that exists. The comparison is strong for
// If-Match, weak for If-None-Match (RFC 9110 §8.8.3.2); the tags of this server are strong.
func listed(s, tag string, exists, strong bool) bool {
	for ; s != ""; s = strings.TrimLeft(s, ", \t") {
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
	r, err := q.stat(t)
	if err != nil && !errors.Is(err, tree.ErrSpecial) {
		return r, err
	}
	// What is hidden is as if it were not there; so the policy comes first.
	if perr := h.allowed(q.ctx, access.Read, q.path); perr != nil {
		return r, perr
	}
	return r, err
}
