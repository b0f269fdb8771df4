package server

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/davheader"
	"dav207/server/davpath"
	"dav207/server/multistatus"
	"dav207/server/origin"
	"dav207/server/tree"
)

// httpConditions evaluates the conditional headers of RFC 9110 in the order of §13.2.2, except for
// If-Range. r is the resource at the Request-URI; exists is false if there is none. The caller has
// made all other checks before (§13.2.1), and calls it again before a change that had to wait.
func (h *Handler) httpConditions(q *request, t *tree.Tree, r props.Resource, exists bool) error {
	match, noneMatch := davheader.Tags(q.Header, "If-Match"), davheader.Tags(q.Header, "If-None-Match")
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
		return davheader.MatchesTag(match, tag, exists, true)
	}
	since, ok := davheader.Date(q.Header, "If-Unmodified-Since")
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
		return davheader.MatchesTag(noneMatch, tag, exists, false)
	}
	since, ok := davheader.Date(q.Header, "If-Modified-Since")
	// A collection has no Last-Modified: its page shows the members, which change without it.
	if !ok || !reads || !exists || r.Info.IsDir() {
		return false
	}
	// A date in the future comes from a wrong clock. Changes until then would be missed.
	modified, known := h.modifiedSince(q, r, since)
	return known && !modified && !since.After(time.Now())
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
	case since.Unix() == last.Unix(), wasGiven(r.Info, since):
		return false, true
	case since.Unix() < last.Unix():
		return true, true
	}
	return !h.tree.FS.UnchangedSince(q.ctx, r.Path, since), true
}

// wasGiven reports whether date was the Last-Modified of a file whose modification time was still
// to come: it is the time of its last change. A second between the two is required, since systems
// stamp a change with a time a little before it.
func wasGiven(info *fsbackend.Info, date time.Time) bool {
	changed := info.ChangeTime
	return !changed.IsZero() && changed.Unix() == date.Unix() && info.ModTime().Sub(changed) >= time.Second
}

// ifRange reports whether the Range of a request applies to the file described by info (RFC 9110
// §13.1.5). It does without If-Range, and with one that equals the file's entity tag or
// Last-Modified. Two values, or one that cannot be parsed, match nothing.
func ifRange(head http.Header, tag string, info *fsbackend.Info) bool {
	values := head["If-Range"]
	if len(values) != 1 {
		return len(values) == 0
	}
	if etag, rest, ok := davheader.EntityTag(values[0]); ok {
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

// parseIf parses the If header of the request; repeated lines are joined. It returns 400 if a tag
// cannot name a resource: every Not would be true for it, and the server would make a change that
// the header forbids.
func (h *Handler) parseIf(q *request) error {
	values := q.Header.Values("If")
	if len(values) == 0 {
		return nil
	}
	var err error
	if q.ifs, err = davheader.ParseIf(strings.Join(values, " ")); err != nil {
		return statusError(http.StatusBadRequest, "The If header cannot be read.")
	}
	return q.ifs.Resolve(func(tag string) (p davpath.Path, foreign bool, err error) {
		p, err = q.origin.ParseURL(tag)
		if errors.Is(err, origin.ErrForeign) || errors.Is(err, davpath.ErrOutside) {
			return p, true, nil
		}
		if err != nil {
			err = &multistatus.Error{Status: http.StatusBadRequest, Err: err,
				Description: "A URL in the If header cannot name a resource."}
		}
		return p, false, err
	})
}

// evaluateIf returns 412 if there is an If header and it is false (§10.4.1).
func (h *Handler) evaluateIf(q *request, t *tree.Tree) error {
	if len(q.ifs.Lists) == 0 {
		return nil
	}
	for i := range q.ifs.Lists {
		if h.evaluateList(q, t, &q.ifs.Lists[i]) {
			return nil
		}
	}
	return statusError(http.StatusPreconditionFailed, "The If header does not hold.")
}

// evaluateList reports whether every condition of a list is true.
func (h *Handler) evaluateList(q *request, t *tree.Tree, l *davheader.List) bool {
	path := q.path
	if l.Tag != "" {
		path = l.Path
	}
	// §10.4.4: "treat as if the URL identified a resource that exists but does not have the
	// specified state"
	known := !l.Foreign && (path == q.path && q.found.there || t.Present(q.ctx, path)) &&
		!access.Hides(q.ctx, h.policy, path)
	for _, c := range l.Conditions {
		matches := known
		switch {
		case c.Token == davheader.NoLock:
			matches = false
		case l.Foreign: // unknown state: a condition is false, with Not and without
			return false
		case !known:
		case c.Token != "":
			matches = h.matchesToken(q, path, c.Token, l.Tag == "" && !c.Not)
		default:
			matches = c.ETag == h.currentTag(q, t, path)
		}
		if matches == c.Not {
			return false
		}
	}
	return true
}

// matchesToken reports whether the lock with that token covers path. For DELETE and MOVE an
// untagged token may also be of a lock on a member, since macOS submits the tokens of members so.
func (h *Handler) matchesToken(q *request, path davpath.Path, token string, untagged bool) bool {
	l, ok := h.locks.Lookup(token)
	if !ok {
		return false
	}
	if h.covers(q.ctx, l, path) {
		return true
	}
	return untagged && (q.Method == "DELETE" || q.Method == "MOVE") && h.realPath(q.ctx, path).Contains(l.Root)
}

// currentTag returns the entity tag at path. It returns "" if there is none or the path is
// reserved.
func (h *Handler) currentTag(q *request, t *tree.Tree, path davpath.Path) string {
	r, err := t.Stat(q.ctx, path)
	if err != nil || r.Info.IsDir() || path.Reserved() {
		return ""
	}
	tag, err := r.Info.ETag(q.ctx)
	if err != nil {
		return ""
	}
	return tag
}
