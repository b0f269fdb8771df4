// Package davheader parses the header fields of RFC 4918 §10 and the entity tags and times in them.
package davheader

import (
	"net/http"
	"strings"
	"time"

	"dav207/server/multistatus"
	"dav207/server/tree"
)

// Depth parses the Depth header (RFC 4918 §10.2). It returns missing if there is none.
func Depth(h http.Header, missing tree.Depth) (tree.Depth, error) {
	switch values := h.Values("Depth"); len(values) {
	case 0:
		return missing, nil
	case 1:
		return parseDepth(values[0])
	}
	return 0, errDepth
}

var errDepth = &multistatus.Error{Status: http.StatusBadRequest, Description: "Depth must be 0, 1 or infinity."}

func parseDepth(s string) (tree.Depth, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "0":
		return tree.Zero, nil
	case "1":
		return tree.One, nil
	case "infinity":
		return tree.Infinity, nil
	}
	return 0, errDepth
}

// PropfindDepth parses the Depth header of a PROPFIND. noroot is true for "1,noroot" and
// "infinity,noroot", which leave out the collection itself. Drafts of RFC 2518 had these values and
// clients of Exchange send them.
func PropfindDepth(h http.Header) (d tree.Depth, noroot bool, err error) {
	values := h.Values("Depth")
	if len(values) == 1 {
		before, after, _ := strings.Cut(values[0], ",")
		if noroot = strings.EqualFold(strings.TrimSpace(after), "noroot"); noroot {
			if d, err = parseDepth(before); d == tree.Zero {
				err = errDepth
			}
			return d, noroot, err
		}
	}
	d, err = Depth(h, tree.Infinity)
	return d, false, err
}

// Overwrite parses the Overwrite header (§10.6). Without one it returns true, also for MOVE.
func Overwrite(h http.Header) (bool, error) {
	switch values := h.Values("Overwrite"); {
	case len(values) == 0:
		return true, nil
	case len(values) == 1 && strings.EqualFold(values[0], "T"):
		return true, nil
	case len(values) == 1 && strings.EqualFold(values[0], "F"):
		return false, nil
	}
	return false, &multistatus.Error{Status: http.StatusBadRequest, Description: "Overwrite must be T or F."}
}

// LockToken parses the value of Lock-Token (§10.5). The npm package webdav sends the URL without
// brackets.
func LockToken(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	s := strings.TrimSpace(values[0])
	if !strings.HasPrefix(s, "<") {
		return s, isAbsoluteURI(s) && !strings.ContainsAny(s, " \t<>\"")
	}
	url, rest, ok := parseAngle(s)
	return url, ok && rest == ""
}

// EntityTag parses an entity-tag (RFC 9110 §8.8.3) at the start of s.
func EntityTag(s string) (etag, rest string, ok bool) {
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

// Tags returns the list of entity tags in a header, which may have several lines (RFC 9110 §5.3).
func Tags(head http.Header, name string) string {
	return strings.Trim(strings.Join(head[name], ","), ", \t")
}

// Date returns the HTTP-date in a header. ok is false for anything else, also for two dates (RFC
// 9110 §13.1.3, §13.1.4).
func Date(head http.Header, name string) (t time.Time, ok bool) {
	values := head[name]
	if len(values) != 1 {
		return time.Time{}, false
	}
	t, err := http.ParseTime(values[0])
	return t, err == nil
}

// MatchesTag reports whether a list of entity tags contains the current one; "*" matches any
// existing resource. The comparison is strong for If-Match, weak for If-None-Match (RFC 9110
// §8.8.3.2). The tags of this server are strong.
func MatchesTag(s, tag string, exists, strong bool) bool {
	for ; s != ""; s = strings.TrimLeft(s, ", \t") {
		if s[0] == '*' {
			return exists
		}
		etag, rest, ok := EntityTag(s)
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
