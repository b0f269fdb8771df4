package davheader

import (
	"errors"
	"net/url"
	"strings"

	"dav207/server/davpath"
)

// If is a parsed If header (RFC 4918 §10.4). It is true if one of its lists is true.
type If struct {
	Lists []List
}

// List is a List and the resource that it applies to.
type List struct {
	Tag        string       // the Resource-Tag; "" means the Request-URI
	Path       davpath.Path // of the tag, see Resolve
	Foreign    bool         // the tag is not a URL of this tree, see Resolve
	Conditions []Condition
}

// Condition is a Condition: either token or etag is set.
type Condition struct {
	Not   bool
	Token string
	ETag  string // with quotes and W/
}

// The bounds on an If header. They suffice for the tokens of the members of a large collection.
const (
	maxIf           = 256 << 10
	maxIfConditions = 2048
)

var ErrIf = errors.New("malformed If header")

// NoLock is a state token that never matches (§10.4.8).
const NoLock = "DAV:no-lock"

// Submits reports whether the header contains a state token: "the actual form doesn't matter;
// what's relevant is that the lock token appears in the If header, and that the If header itself
// evaluates to true" (§7.5.2).
func (f If) Submits(token string) bool {
	for _, l := range f.Lists {
		for _, c := range l.Conditions {
			if c.Token == token {
				return true
			}
		}
	}
	return false
}

// Requires reports whether the header contains a state token without Not.
func (f If) Requires(token string) bool {
	for _, l := range f.Lists {
		for _, c := range l.Conditions {
			if c.Token == token && !c.Not {
				return true
			}
		}
	}
	return false
}

// ParseIf parses 1*No-tag-list | 1*Tagged-list (§10.4.2).
func ParseIf(s string) (If, error) {
	var f If
	if len(s) > maxIf {
		return f, ErrIf
	}
	tag, tagged, used := "", false, true
	count := 0
	for s = skipSpace(s); s != ""; s = skipSpace(s) {
		switch s[0] {
		case '<':
			url, rest, ok := parseTag(s)
			if !ok || !used || len(f.Lists) > 0 && !tagged {
				return f, ErrIf
			}
			tag, tagged, used, s = url, true, false, rest
		case '(':
			list := List{Tag: tag}
			rest, err := list.parse(s[1:])
			if err != nil {
				return f, err
			}
			if count += len(list.Conditions); count > maxIfConditions {
				return f, ErrIf
			}
			f.Lists, used, s = append(f.Lists, list), true, rest
		default:
			return f, ErrIf
		}
	}
	if len(f.Lists) == 0 || !used {
		return f, ErrIf
	}
	return f, nil
}

// parseTag parses a Resource-Tag: an absolute URI or an absolute path in angle brackets.
func parseTag(s string) (url, rest string, ok bool) {
	url, rest, ok = parseAngle(s)
	return url, rest, ok && (url[0] == '/' && validEscapes(url) || isAbsoluteURI(url))
}

// parse parses the conditions up to the closing parenthesis and returns the rest.
func (l *List) parse(s string) (rest string, err error) {
	for s = skipSpace(s); s != "" && s[0] != ')'; s = skipSpace(s) {
		var c Condition
		if len(s) > 3 && strings.EqualFold(s[:3], "Not") && strings.IndexByte(" \t<[", s[3]) >= 0 {
			c.Not = true
			s = skipSpace(s[3:])
		}
		var ok bool
		switch {
		case strings.HasPrefix(s, "<"):
			c.Token, s, ok = parseAngle(s)
			ok = ok && isAbsoluteURI(c.Token)
		case strings.HasPrefix(s, "["):
			c.ETag, s, ok = parseBracket(s)
		}
		if !ok {
			return "", ErrIf
		}
		l.Conditions = append(l.Conditions, c)
	}
	if s == "" || len(l.Conditions) == 0 {
		return "", ErrIf
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
	etag, rest, ok = EntityTag(skipSpace(s[1:]))
	rest = skipSpace(rest)
	if !ok || rest == "" || rest[0] != ']' {
		return "", "", false
	}
	return etag, rest[1:], true
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t") }

// Resolve sets Path and Foreign of each list that has a tag, with parse. It returns the first error
// of parse.
func (f If) Resolve(parse func(tag string) (p davpath.Path, foreign bool, err error)) (err error) {
	for i := range f.Lists {
		l := &f.Lists[i]
		switch {
		case l.Tag == "":
		case i > 0 && l.Tag == f.Lists[i-1].Tag:
			l.Path, l.Foreign = f.Lists[i-1].Path, f.Lists[i-1].Foreign
		default:
			if l.Path, l.Foreign, err = parse(l.Tag); err != nil {
				return err
			}
		}
	}
	return nil
}
