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

// ifHeader is the If header of a request (RFC 4918 §10.4): lists of conditions, one of which must hold as a whole.
type ifHeader struct {
	lists []ifList
}

// ifList is a List with the resource it speaks of.
type ifList struct {
	tag        string       // the Resource-Tag, "" for none: the Request-URI
	path       davpath.Path // that of the tag
	foreign    bool         // the tag is a URL of another server, or outside of the tree
	conditions []ifCondition
}

// ifCondition is a Condition: exactly one of token and etag is set.
type ifCondition struct {
	not   bool
	token string
	etag  string // as sent: W/ and quotes included
}

// What an If header may at most have: enough for the tokens of a large collection's members.
const (
	maxIf           = 256 << 10
	maxIfConditions = 2048
)

var errIf = errors.New("malformed If header")

// noLock is a state token that no resource ever has (§10.4.8).
const noLock = "DAV:no-lock"

// submits reports whether a state token stands in the header: "the actual form doesn't matter; what's relevant is that the
// lock token appears in the If header, and that the If header itself evaluates to true" (§7.5.2).
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

// names reports whether a state token stands in the header as one that must match.
func (f ifHeader) names(token string) bool {
	for _, l := range f.lists {
		for _, c := range l.conditions {
			if c.token == token && !c.not {
				return true
			}
		}
	}
	return false
}

// parseIf reads the If header of the request. Repeated lines are taken as one. A tag that can name
// no resource is refused: of what cannot be found, each Not would be true, and a change that the
// header forbids would be made.
func (h *Handler) parseIf(q *request) error {
	values := q.Header.Values("If")
	if len(values) == 0 {
		return nil
	}
	var err error
	if q.ifs, err = parseIf(strings.Join(values, " ")); err != nil {
		return plain(http.StatusBadRequest, "The If header cannot be read.")
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
			url, rest, ok := angle(s)
			ok = ok && (url[0] == '/' && escapes(url) || absolute(url))
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

// parse reads the conditions up to the closing parenthesis and returns what follows it.
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
			c.token, s, ok = angle(s)
			ok = ok && absolute(c.token)
		case strings.HasPrefix(s, "["):
			c.etag, s, ok = bracket(s)
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

// angle reads <URL>.
func angle(s string) (url, rest string, ok bool) {
	url, rest, ok = strings.Cut(s[1:], ">")
	return url, rest, ok && url != "" && !strings.ContainsAny(url, " \t<\"")
}

// absolute reports whether s can be an absolute-URI (RFC 3986 §4.3), as a Coded-URL and a Resource-Tag want it.
func absolute(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" || !escapes(rest) {
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

// escapes reports whether every percent sign in s is followed by two hexadecimal digits, and whether s has no fragment.
func escapes(s string) bool {
	_, err := url.PathUnescape(s)
	return err == nil && strings.IndexByte(s, '#') < 0
}

// bracket reads [entity-tag].
func bracket(s string) (etag, rest string, ok bool) {
	etag, rest, ok = entityTag(skipSpace(s[1:]))
	rest = skipSpace(rest)
	if !ok || rest == "" || rest[0] != ']' {
		return "", "", false
	}
	return etag, rest[1:], true
}

// entityTag reads an entity-tag of RFC 9110 §8.8.3 at the start of s.
func entityTag(s string) (etag, rest string, ok bool) {
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

// evaluateIf answers 412 where the If header is there and false (§10.4.1).
func (h *Handler) evaluateIf(q *request, t *tree.Tree) error {
	if len(q.ifs.lists) == 0 {
		return nil
	}
	for i := range q.ifs.lists {
		if h.holds(q, t, &q.ifs.lists[i]) {
			return nil
		}
	}
	return plain(http.StatusPreconditionFailed, "The If header does not hold.")
}

// holds reports whether every condition of a list is true of its resource.
func (h *Handler) holds(q *request, t *tree.Tree, l *ifList) bool {
	path := q.path
	if l.tag != "" {
		path = l.path
	}
	// "treat as if the URL identified a resource that exists but does not have the specified state" (§10.4.4)
	known := !l.foreign && (path == q.path && q.seen.there || t.Present(q.ctx, path))
	for _, c := range l.conditions {
		matches := known
		switch {
		case c.token == noLock:
			matches = false
		case l.foreign: // its state is not known: neither a condition nor its opposite is true
			return false
		case !known:
		case c.token != "":
			matches = h.lockedWith(q, path, c.token, l.tag == "" && !c.not)
		default:
			matches = c.etag == h.currentTag(q, t, path)
		}
		if matches == c.not {
			return false
		}
	}
	return true
}

// lockedWith reports whether the lock of that token covers path. We also take it for one of the Request-URI if it is on
// a member of what a DELETE or MOVE is about to take away, since the client of macOS names the locks of members so.
func (h *Handler) lockedWith(q *request, path davpath.Path, token string, untagged bool) bool {
	l, ok := h.locks.Lookup(token)
	if !ok {
		return false
	}
	if h.covers(q.ctx, l, path) {
		return true
	}
	return untagged && (q.Method == "DELETE" || q.Method == "MOVE") && h.real(q.ctx, path).Contains(l.Root)
}

// currentTag returns the entity tag of what is at path, "" where there is none, or where the requester may not know.
func (h *Handler) currentTag(q *request, t *tree.Tree, path davpath.Path) string {
	r, err := t.Stat(q.ctx, path)
	if err != nil || r.Info.IsDir() || path.Reserved() {
		return ""
	}
	tag, err := t.ETag(q.ctx, r.Info)
	if err != nil {
		return ""
	}
	return tag
}
