package davpath

import (
	"fmt"
	"net/url"
	"strings"
)

// Mapping translates between the paths of URLs and Paths. It knows the prefix under which the tree
// is served. The zero value serves it at "/".
type Mapping struct {
	prefix  Path
	escaped string // the prefix, escaped for URLs, without a trailing slash
}

// NewMapping returns the mapping for a decoded prefix such as "/dav"; "" and "/" mean none.
func NewMapping(prefix string) (Mapping, error) {
	p, err := Clean(prefix)
	if err != nil {
		return Mapping{}, err
	}
	return Mapping{prefix: p, escaped: string(appendEscaped(nil, p.s))}, nil
}

// Prefix returns the prefix as a path from the root of the URL space.
func (m Mapping) Prefix() Path { return m.prefix }

// Parse returns the Path of a still escaped URL path. It decodes once, resolves dot segments and
// removes the prefix. The error wraps ErrMalformed or ErrOutside. With ErrOutside the returned Path
// still has the prefix.
//
// An encoded slash is an error: no file system served can have it in a name, and as a separator it
// would give one resource two spellings.
func (m Mapping) Parse(escaped string) (Path, error) {
	if m.prefix.IsRoot() && canonical(escaped) {
		return Path{escaped}, nil
	}
	segments := strings.Split(escaped, "/")
	if segments[0] != "" {
		return Path{}, fmt.Errorf("%w: not absolute", ErrMalformed)
	}
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return Path{}, fmt.Errorf("%w: bad escape", ErrMalformed)
		}
		if strings.IndexByte(decoded, '/') >= 0 {
			return Path{}, fmt.Errorf("%w: encoded slash", ErrMalformed)
		}
		segments[i] = decoded
	}
	var b strings.Builder
	full, err := build(&b, segments)
	if err != nil {
		return Path{}, err
	}
	if !m.prefix.Contains(full) {
		return full, ErrOutside
	}
	return full.Rebase(m.prefix, Root), nil
}

// canonical reports whether an escaped path is that of a Path without any change.
func canonical(escaped string) bool {
	for i := range len(escaped) {
		switch c := escaped[i]; {
		case c == '%' || c == 0:
			return false
		case i == 0 && c != '/':
			return false
		case c == '/' && (i+1 == len(escaped) || escaped[i+1] == '/' || escaped[i+1] == '.'):
			return false // an empty segment, or perhaps one of dots
		}
	}
	return escaped != ""
}

// Href returns p as the text of a DAV:href: an absolute path, escaped, with a trailing slash for a
// collection (RFC 4918 §5.2, §8.3).
func (m Mapping) Href(p Path, collection bool) string {
	return string(m.AppendHref(nil, p, collection))
}

// AppendHref appends Href(p, collection) to b.
func (m Mapping) AppendHref(b []byte, p Path, collection bool) []byte {
	b = append(b, m.escaped...)
	b = appendEscaped(b, p.s)
	if collection || p.s == "" {
		b = append(b, '/')
	}
	return b
}

// Hrefs appends hrefs as AppendHref does. It keeps the href of the last collection, which makes
// members of one collection faster. It is not safe for concurrent use.
type Hrefs struct {
	mapping    Mapping
	collection string // of the last member
	prefix     []byte // the href of collection, with a slash at its end
}

// Hrefs returns new Hrefs for m.
func (m Mapping) Hrefs() *Hrefs { return &Hrefs{mapping: m} }

// Append appends Href(p, collection) to b.
func (h *Hrefs) Append(b []byte, p Path, collection bool) []byte {
	slash := strings.LastIndexByte(p.s, '/')
	if slash < 0 {
		return h.mapping.AppendHref(b, p, collection)
	}
	if parent := p.s[:slash]; len(h.prefix) == 0 || parent != h.collection {
		h.collection, h.prefix = parent, h.mapping.AppendHref(h.prefix[:0], Path{parent}, true)
	}
	b = append(b, h.prefix...)
	b = appendEscaped(b, p.s[slash+1:])
	if collection {
		b = append(b, '/')
	}
	return b
}

// unescaped marks the bytes that need no escape in an href: the pchar of RFC 3986 §3.3, except the
// two that XML would escape.
var unescaped = func() (t [256]bool) {
	for c := range t {
		t[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c < 128 && strings.IndexByte("-._~!$()*+,;=:@/", byte(c)) >= 0
	}
	return
}()

func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	from := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; !unescaped[c] {
			b = append(append(b, s[from:i]...), '%', hex[c>>4], hex[c&15])
			from = i + 1
		}
	}
	return append(b, s[from:]...)
}
