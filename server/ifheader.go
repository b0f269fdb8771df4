package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"dav207/server/davpath"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// ifHeader is a parsed If header (RFC 4918 §10.4). It is true if one of its lists is true.
type ifHeader struct {
	lists []ifList
}

// ifList is a List and the resource that it applies to.
type ifList struct {
	tag        string       // the Resource-Tag; "" means the Request-URI
	path       davpath.Path // of the tag
	foreign    bool         // the tag is not a URL of this tree
	conditions []ifCondition
}

// ifCondition is a Condition: either token or etag is set.
type ifCondition struct {
	not   bool
	token string
	etag  string // with quotes and W/
}

// The bounds on an If header. They suffice for the tokens of the members of a large collection.
const (
	maxIf           = 256 << 10
	maxIfConditions = 2048
)

var errIf = errors.New("malformed If header")

// noLock is a state token that never matches (§10.4.8).
const noLock = "DAV:no-lock"

// submits reports whether the header contains a state token: "the actual form doesn't matter;
// what's relevant is that the lock token appears in the If header, and that the If header itself
// evaluates to true" (§7.5.2).
func (f ifHeader) submits(token string) bool {
	for _, l := range f.lists {
		for _, c := range l.conditions {
			if c.token == token {
				return true
			}
		}
	}
	return false
}

// requires reports whether the header contains a state token without Not.
func (f ifHeader) requires(token string) bool {
	for _, l := range f.lists {
		for _, c := range l.conditions {
			if c.token == token && !c.not {
				return true
			}
		}
	}
	return false
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
	if q.ifs, err = parseIf(strings.Join(values, " ")); err != nil {
		return statusError(http.StatusBadRequest, "The If header cannot be read.")
	}
	lists := q.ifs.lists
	for i := range lists {
		l := &lists[i]
		switch {
		case l.tag == "":
			continue
		case i > 0 && l.tag == lists[i-1].tag:
			l.path, l.foreign = lists[i-1].path, lists[i-1].foreign
			continue
		}
		l.path, err = h.parseURL(q, l.tag)
		if l.foreign = errors.Is(err, errForeign) || errors.Is(err, davpath.ErrOutside); err != nil && !l.foreign {
			return &multistatus.Error{Status: http.StatusBadRequest, Err: err,
				Description: "A URL in the If header cannot name a resource."}
		}
	}
	return nil
}

// parseIf parses 1*No-tag-list | 1*Tagged-list (§10.4.2).
func parseIf(s string) (ifHeader, error) {
	var f ifHeader
	if len(s) > maxIf {
		return f, errIf
	}
	tag, tagged, used := "", false, true
	count := 0
	for s = skipSpace(s); s != ""; s = skipSpace(s) {
		switch s[0] {
		case '<':
			url, rest, ok := parseTag(s)
			if !ok || !used || len(f.lists) > 0 && !tagged {
				return f, errIf
			}
			tag, tagged, used, s = url, true, false, rest
		case '(':
			list := ifList{tag: tag}
			rest, err := list.parse(s[1:])
			if err != nil {
				return f, err
			}
			if count += len(list.conditions); count > maxIfConditions {
				return f, errIf
			}
			f.lists, used, s = append(f.lists, list), true, rest
		default:
			return f, errIf
		}
	}
	if len(f.lists) == 0 || !used {
		return f, errIf
	}
	return f, nil
}

// parseTag parses a Resource-Tag: an absolute URI or an absolute path in angle brackets.
func parseTag(s string) (url, rest string, ok bool) {
	url, rest, ok = parseAngle(s)
	return url, rest, ok && (url[0] == '/' && validEscapes(url) || isAbsoluteURI(url))
}

// parse parses the conditions up to the closing parenthesis and returns the rest.
func (l *ifList) parse(s string) (rest string, err error) {
	for s = skipSpace(s); s != "" && s[0] != ')'; s = skipSpace(s) {
		var c ifCondition
		if len(s) > 3 && strings.EqualFold(s[:3], "Not") && strings.IndexByte(" \t<[", s[3]) >= 0 {
			c.not = true
			s = skipSpace(s[3:])
		}
		var ok bool
		switch {
		case strings.HasPrefix(s, "<"):
			c.token, s, ok = parseAngle(s)
			ok = ok && isAbsoluteURI(c.token)
		case strings.HasPrefix(s, "["):
			c.etag, s, ok = parseBracket(s)
		}
		if !ok {
			return "", errIf
		}
		l.conditions = append(l.conditions, c)
	}
	if s == "" || len(l.conditions) == 0 {
		return "", errIf
	}
	return s[1:], nil
}

// parseAngle parses a URL in angle brackets.
func parseAngle(s string) (url, rest string, ok bool) {
	url, rest, ok = strings.Cut(s[1:], ">")
	return url, rest, ok && url != "" && !strings.ContainsAny(url, " \t<\"")
}

// isAbsoluteURI reports whether s may be an absolute-URI (RFC 3986 §4.3), as in a Coded-URL and a
// Resource-Tag.
func isAbsoluteURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" || !validEscapes(rest) {
		return false
	}
	for i, c := range []byte(scheme) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || strings.IndexByte("+-.", c) >= 0)) {
			return false
		}
	}
	return scheme != ""
}

// validEscapes reports whether every percent sign in s starts a valid escape and s has no fragment.
func validEscapes(s string) bool {
	_, err := url.PathUnescape(s)
	return err == nil && strings.IndexByte(s, '#') < 0
}

// parseBracket parses an entity tag in square brackets.
func parseBracket(s string) (etag, rest string, ok bool) {
	etag, rest, ok = parseEntityTag(skipSpace(s[1:]))
	rest = skipSpace(rest)
	if !ok || rest == "" || rest[0] != ']' {
		return "", "", false
	}
	return etag, rest[1:], true
}

// parseEntityTag parses an entity-tag (RFC 9110 §8.8.3) at the start of s.
func parseEntityTag(s string) (etag, rest string, ok bool) {
	n := 0
	if strings.HasPrefix(s, "W/") {
		n = 2
	}
	if len(s) <= n || s[n] != '"' {
		return "", s, false
	}
	end := strings.IndexByte(s[n+1:], '"')
	if end < 0 {
		return "", s, false
	}
	end += n + 2
	return s[:end], s[end:], true
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t") }

// evaluateIf returns 412 if there is an If header and it is false (§10.4.1).
func (h *Handler) evaluateIf(q *request, t *tree.Tree) error {
	if len(q.ifs.lists) == 0 {
		return nil
	}
	for i := range q.ifs.lists {
		if h.evaluateList(q, t, &q.ifs.lists[i]) {
			return nil
		}
	}
	return statusError(http.StatusPreconditionFailed, "The If header does not hold.")
}

// evaluateList reports whether every condition of a list is true.
func (h *Handler) evaluateList(q *request, t *tree.Tree, l *ifList) bool {
	path := q.path
	if l.tag != "" {
		path = l.path
	}
	// §10.4.4: "treat as if the URL identified a resource that exists but does not have the
	// specified state"
	known := !l.foreign && (path == q.path && q.found.there || t.Present(q.ctx, path))
	for _, c := range l.conditions {
		matches := known
		switch {
		case c.token == noLock:
			matches = false
		case l.foreign: // unknown state: a condition is false, with Not and without
			return false
		case !known:
		case c.token != "":
			matches = h.matchesToken(q, path, c.token, l.tag == "" && !c.not)
		default:
			matches = c.etag == h.currentTag(q, t, path)
		}
		if matches == c.not {
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
