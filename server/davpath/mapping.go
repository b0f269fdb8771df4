package davpath

import (
	"fmt"
	"net/url"
	"strings"
)

// Mapping translates between the paths of URLs and Paths: it knows the prefix under which the tree is served.
// The zero value serves it at "/".
type Mapping struct {
	prefix  Path
	escaped string // the prefix as it stands in URLs, without a trailing slash
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

// Parse turns the still escaped path of a URL into a Path. It decodes once, resolves dot segments and takes the
// prefix away. The error wraps ErrMalformed or ErrOutside; with ErrOutside the returned path is the whole
// one, the prefix not taken away.
//
// An encoded slash is refused: as data it cannot be a part of a name on the file systems served, and as a separator it
// would let one resource be spelled in two ways.
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
	whole, err := build(&b, segments)
	if err != nil {
		return Path{}, err
	}
	if !m.prefix.Contains(whole) {
		return whole, ErrOutside
	}
	return whole.Rebase(m.prefix, Root), nil
}

// canonical reports whether an escaped path is that of a Path as it stands.
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

// Href returns p as it stands in a DAV:href: an absolute path, escaped, with a trailing slash after a collection
// (RFC 4918 §5.2, §8.3).
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

// Hrefs appends the hrefs of one resource after another, as AppendHref does, in less time where they are members of one
// collection. It is not safe for concurrent use.
type Hrefs struct {
	mapping    Mapping
	collection string // whose href, with a slash at its end, is kept
	kept       []byte
}

// Hrefs returns Hrefs of the Mapping.
func (m Mapping) Hrefs() *Hrefs { return &Hrefs{mapping: m} }

// Append appends Href(p, collection) to b.
func (h *Hrefs) Append(b []byte, p Path, collection bool) []byte {
	slash := strings.LastIndexByte(p.s, '/')
	if slash < 0 {
		return h.mapping.AppendHref(b, p, collection)
	}
	if above := p.s[:slash]; len(h.kept) == 0 || above != h.collection {
		h.collection, h.kept = above, h.mapping.AppendHref(h.kept[:0], Path{above}, true)
	}
	b = append(b, h.kept...)
	b = appendEscaped(b, p.s[slash+1:])
	if collection {
		b = append(b, '/')
	}
	return b
}

// plain marks the bytes that stand for themselves in an href: the pchar of RFC 3986 §3.3, less the two that XML
// would want escaped.
var plain = func() (t [256]bool) {
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
		if c := s[i]; !plain[c] {
			b = append(append(b, s[from:i]...), '%', hex[c>>4], hex[c&15])
			from = i + 1
		}
	}
	return append(b, s[from:]...)
}
