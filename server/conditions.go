package server

import (
	"net/http"
	"strings"
	"time"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// httpConditions evaluates the conditional headers of RFC 9110 in the order of §13.2.2, except for
// If-Range. r is the resource at the Request-URI; exists is false if there is none. The caller has
// made all other checks before (§13.2.1), and calls it again before a change that had to wait.
func (h *Handler) httpConditions(q *request, t *tree.Tree, r props.Resource, exists bool) error {
	match, noneMatch := tagsIn(q.Header, "If-Match"), tagsIn(q.Header, "If-None-Match")
	tag := ""
	if exists && !r.Info.IsDir() && match+noneMatch != "" {
		var err error
		if tag, err = r.Info.ETag(q.ctx); err != nil {
			return err
		}
	}
	if !h.matchHolds(q, r, match, tag, exists) {
		return statusError(http.StatusPreconditionFailed, "")
	}
	reads := q.Method == http.MethodGet || q.Method == http.MethodHead
	switch unchanged := h.clientHas(q, r, noneMatch, tag, exists, reads); {
	case unchanged && reads:
		return &multistatus.Error{Status: http.StatusNotModified}
	case unchanged:
		return statusError(http.StatusPreconditionFailed, "")
	}
	return nil
}

// matchHolds evaluates If-Match, whose list is match, or else If-Unmodified-Since.
func (h *Handler) matchHolds(q *request, r props.Resource, match, tag string, exists bool) bool {
	if len(q.Header["If-Match"]) > 0 { // an empty list matches nothing (RFC 9110 §13.1.1)
		return matchesTag(match, tag, exists, true)
	}
	since, ok := dateIn(q.Header, "If-Unmodified-Since")
	if !ok || !exists {
		return true
	}
	modified, known := h.modifiedSince(q, r, since)
	return !known || !modified
}

// clientHas evaluates If-None-Match, whose list is noneMatch, or else If-Modified-Since. It reports
// whether the client has the current state of the resource.
func (h *Handler) clientHas(q *request, r props.Resource, noneMatch, tag string, exists, reads bool) bool {
	if len(q.Header["If-None-Match"]) > 0 {
		return matchesTag(noneMatch, tag, exists, false)
	}
	since, ok := dateIn(q.Header, "If-Modified-Since")
	// A collection has no Last-Modified: its page shows the members, which change without it.
	if !ok || !reads || !exists || r.Info.IsDir() {
		return false
	}
	// A date in the future comes from a wrong clock. Changes until then would be missed.
	modified, known := h.modifiedSince(q, r, since)
	return known && !modified && !since.After(time.Now())
}

// tagsIn returns the list of entity tags in a header, which may have several lines (RFC 9110 §5.3).
func tagsIn(head http.Header, name string) string {
	return strings.Trim(strings.Join(head[name], ","), ", \t")
}

// dateIn returns the HTTP-date in a header. ok is false for anything else, also for two dates (RFC
// 9110 §13.1.3, §13.1.4).
func dateIn(head http.Header, name string) (t time.Time, ok bool) {
	values := head[name]
	if len(values) != 1 {
		return time.Time{}, false
	}
	t, err := http.ParseTime(values[0])
	return t, err == nil
}

// modifiedSince reports whether r was modified after since (RFC 9110 §13.1.3, §13.1.4). If since
// equals Last-Modified the client has the current state. A later date is no proof, since MOVE and
// PUT can put an older file in place: then the back end must know that nothing has changed since.
// known is false if r has no Last-Modified; conditions on a date are ignored then.
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
	return !h.tree.FS.UnchangedSince(q.ctx, r.Path, since), true
}

// matchesTag reports whether a list of entity tags contains the current one; "*" matches any
// existing resource. The comparison is strong for If-Match, weak for If-None-Match (RFC 9110
// §8.8.3.2). The tags of this server are strong.
func matchesTag(s, tag string, exists, strong bool) bool {
	for ; s != ""; s = strings.TrimLeft(s, ", \t") {
		if s[0] == '*' {
			return exists
		}
		etag, rest, ok := parseEntityTag(s)
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

// ifRange reports whether the Range of a request applies to the file described by info (RFC 9110
// §13.1.5). It does without If-Range, and with one that equals the file's entity tag or
// Last-Modified. Two values, or one that cannot be parsed, match nothing.
func ifRange(head http.Header, tag string, info *fsbackend.Info) bool {
	values := head["If-Range"]
	if len(values) != 1 {
		return len(values) == 0
	}
	if etag, rest, ok := parseEntityTag(values[0]); ok {
		return rest == "" && etag == tag // tag is strong, so a weak one is never equal
	}
	date, err := http.ParseTime(values[0])
	return err == nil && strongDate(info, date, time.Now())
}

// strongDate reports whether date is the Last-Modified of a file and a strong validator (RFC 9110
// §8.8.2.2). A file can change twice within a second, so the second must be over. The file must
// also be unchanged after that second; only ChangeTime proves it, since a modification time can be
// set.
func strongDate(info *fsbackend.Info, date, now time.Time) bool {
	last := props.LastModified(info)
	if last.IsZero() || last.Unix() != date.Unix() || last.Unix() >= now.Unix() {
		return false
	}
	changed := info.ChangeTime
	return !changed.IsZero() && changed.Unix() <= date.Unix()
}
