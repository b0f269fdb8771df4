// Package davpath names resources: Path is the one canonical path that rules, locks, properties and
// back ends use.
//
// Only this package makes Paths. Each was decoded exactly once, is absolute, and has no empty
// segment, no dot segment, no NUL and no trailing slash. Two spellings of one URL give equal Paths,
// and a prefix of a Path ends at a segment.
//
// The package does not access any file system: a Path may name nothing, a file or a collection.
package davpath

import (
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Path is the canonical name of a resource below the root of the server. The zero value is the root
// itself. Paths are comparable with == and can be map keys.
type Path struct {
	s string // "" for the root, otherwise "/a/b": a slash before every segment and none at the end
}

// Root is the path of the topmost collection.
var Root = Path{}

var (
	// ErrMalformed is wrapped by the errors of Parse for a path that can never name a resource:
	// with a bad escape, a NUL, an encoded slash, or dot segments that lead above the root.
	ErrMalformed = errors.New("malformed path")
	// ErrOutside is wrapped by the errors of Mapping.Parse for a URL path outside the prefix.
	ErrOutside = errors.New("outside of the served prefix")
)

// Clean returns the Path of a decoded, slash-separated name, with or without a leading or trailing
// slash. It resolves dot segments. Dot segments that lead above the root, and a NUL, are
// ErrMalformed.
func Clean(name string) (Path, error) {
	var b strings.Builder
	return build(&b, strings.Split(name, "/"))
}

// Must is Clean for tests, examples and constants. It panics where Clean returns an error.
func Must(name string) Path {
	p, err := Clean(name)
	if err != nil {
		panic(err)
	}
	return p
}

// build joins decoded segments, resolving "" "." and "..".
func build(b *strings.Builder, segments []string) (Path, error) {
	kept := segments[:0:0]
	for _, s := range segments {
		switch {
		case s == "" || s == ".":
		case s == "..":
			if len(kept) == 0 {
				return Path{}, fmt.Errorf("%w: dot segments lead above the root", ErrMalformed)
			}
			kept = kept[:len(kept)-1]
		case strings.IndexByte(s, 0) >= 0:
			return Path{}, fmt.Errorf("%w: NUL in a segment", ErrMalformed)
		default:
			kept = append(kept, s)
		}
	}
	for _, s := range kept {
		b.WriteByte('/')
		b.WriteString(s)
	}
	return Path{b.String()}, nil
}

// String returns the decoded name: "/" for the root, "/a/b" otherwise.
func (p Path) String() string {
	if p.s == "" {
		return "/"
	}
	return p.s
}

// IsRoot reports whether p is the root.
func (p Path) IsRoot() bool { return p.s == "" }

// Name returns the last segment, or "" for the root.
func (p Path) Name() string { return p.s[strings.LastIndexByte(p.s, '/')+1:] }

// Parent returns the collection that p is a member of; the root is its own parent.
func (p Path) Parent() Path {
	if p.s == "" {
		return p
	}
	return Path{p.s[:strings.LastIndexByte(p.s, '/')]}
}

// Child returns the path of p's member segment. It panics if segment is not a ValidSegment.
func (p Path) Child(segment string) Path {
	if !ValidSegment(segment) {
		panic(fmt.Sprintf("davpath: %q is not a segment", segment))
	}
	return Path{p.s + "/" + segment}
}

// Children appends Child(name) for each of names to paths. All of them share one allocation.
func (p Path) Children(paths []Path, names []string) []Path {
	size := 0
	for _, name := range names {
		if !ValidSegment(name) {
			panic(fmt.Sprintf("davpath: %q is not a segment", name))
		}
		size += len(p.s) + 1 + len(name)
	}
	var shared strings.Builder
	shared.Grow(size)
	for _, name := range names {
		shared.WriteString(p.s)
		shared.WriteByte('/')
		shared.WriteString(name)
	}
	rest := shared.String()
	for _, name := range names {
		n := len(p.s) + 1 + len(name)
		paths = append(paths, Path{rest[:n]})
		rest = rest[n:]
	}
	return paths
}

// Contains reports whether q is p or lies below it.
func (p Path) Contains(q Path) bool {
	return strings.HasPrefix(q.s, p.s) && (len(q.s) == len(p.s) || q.s[len(p.s)] == '/')
}

// MemberOf reports whether p is a member of a collection, and returns its name.
func (p Path) MemberOf(collection Path) (name string, ok bool) {
	if n := len(collection.s); len(p.s) > n && p.s[n] == '/' && p.s[:n] == collection.s {
		name = p.s[n+1:]
	}
	if name == "" || strings.IndexByte(name, '/') >= 0 {
		return "", false
	}
	return name, true
}

// Rebase returns the path of p after the tree at from was moved to to. It panics unless from
// contains p.
func (p Path) Rebase(from, to Path) Path {
	if !from.Contains(p) {
		panic(fmt.Sprintf("davpath: %s is not below %s", p, from))
	}
	return Path{to.s + p.s[len(from.s):]}
}

// Segments yields the names on the way from the root to p.
func (p Path) Segments() iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest := p.s; rest != ""; {
			s, more, _ := strings.Cut(rest[1:], "/")
			if !yield(s) {
				return
			}
			if rest = ""; more != "" {
				rest = "/" + more
			}
		}
	}
}

// Compare orders paths as a depth-first walk does: a collection comes directly before its members,
// siblings are in byte order of their names.
func (p Path) Compare(q Path) int {
	n := min(len(p.s), len(q.s))
	for i := range n {
		if a, b := p.s[i], q.s[i]; a != b {
			switch {
			case a == '/':
				return -1
			case b == '/':
				return 1
			case a < b:
				return -1
			}
			return 1
		}
	}
	return len(p.s) - len(q.s)
}

// ValidSegment reports whether a member's name on a file system can be a segment of a Path.
func ValidSegment(s string) bool {
	return s != "" && s != "." && s != ".." && strings.IndexByte(s, '/') < 0 && strings.IndexByte(s, 0) < 0
}

// StateName is the name of the collection in the root that holds the server's state. It is
// Reserved.
const StateName = ".dav207"

// Reserved reports whether a segment belongs to the server itself: its state directory, or a temp
// file. The server never serves, lists, copies or creates such names. That includes other spellings
// that some file system takes for the same name: another case, dots and spaces at the end, the name
// of a stream after a colon, invisible characters in between.
func Reserved(segment string) bool {
	const reserved = StateName
	if len(segment) < len(reserved) || segment[0] != '.' && segment[0] < utf8.RuneSelf {
		return false
	}
	if !ascii(segment) {
		segment = strings.Map(visible, segment)
	}
	if len(segment) < len(reserved) || !strings.EqualFold(segment[:len(reserved)], reserved) {
		return false
	}
	rest := strings.TrimRight(segment[len(reserved):], ". ")
	return rest == "" || rest[0] == '-' || rest[0] == ':'
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// visible drops the characters that HFS+ ignores when it compares names.
func visible(r rune) rune {
	switch {
	case 0x200c <= r && r <= 0x200f, 0x202a <= r && r <= 0x202e, 0x206a <= r && r <= 0x206f, r == 0xfeff:
		return -1
	}
	return r
}

// TempPrefix begins the name of every temp file. What follows is random. Such names are Reserved.
const TempPrefix = ".dav207-"

// TempName returns a new name for a temp file. It cannot be guessed, so nothing else can have it.
func TempName() string { return TempPrefix + rand.Text() }

// IsTemp reports whether TempName can have made a segment. A clean-up may remove such a file; other
// names with TempPrefix belong to somebody else.
func IsTemp(segment string) bool {
	random, ok := strings.CutPrefix(segment, TempPrefix)
	if !ok || len(random) != len("4PJOVFH3UZX2G6CSIY5QTWEBRN") {
		return false
	}
	for _, c := range []byte(random) {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// Reserved reports whether a segment of p is Reserved.
func (p Path) Reserved() bool {
	for rest := p.s; rest != ""; { // not Segments, which costs every request an allocation
		s, _, _ := strings.Cut(rest[1:], "/")
		if Reserved(s) {
			return true
		}
		rest = rest[1+len(s):]
	}
	return false
}

// maxSegment, maxPath and maxDepth bound the names of new resources: what every supported system
// can hold. Existing longer names are served.
const (
	maxSegment = 255  // bytes
	maxPath    = 4096 // bytes
	maxDepth   = 512  // segments
)

// NameError says why a resource of some name may not be created, in a sentence for clients. It
// wraps ErrMalformed.
type NameError string

const (
	longName NameError = "A new name has at most 255 bytes."
	longPath NameError = "A new path has at most 4,096 bytes."
	deepPath NameError = "A new path has at most 512 segments."
	notText  NameError = "A new name must be UTF-8 without control characters."
)

// Error implements error.
func (e NameError) Error() string { return string(e) }

// Unwrap returns ErrMalformed.
func (e NameError) Unwrap() error { return ErrMalformed }

// TooLong reports whether Bounds returns an error for p.
func (p Path) TooLong() bool { return p.Bounds() != nil }

// Bounds returns a NameError if p is longer or deeper than a new resource may be: trees without
// bounds would make every walk expensive.
func (p Path) Bounds() error {
	switch {
	case len(p.s) > maxPath:
		return longPath
	case strings.Count(p.s, "/") > maxDepth:
		return deepPath
	}
	return nil
}

// Room returns how many bytes and segments a path below p may have in addition to p's before it is
// TooLong. They are negative if p itself is.
func (p Path) Room() (bytes, segments int) {
	return maxPath - len(p.s), maxDepth - strings.Count(p.s, "/")
}

// Creatable returns a NameError if a resource of this name may not be created, although an existing
// one is served: the last segment is too long, is not UTF-8, or has characters that XML cannot
// carry (RFC 4918 §8.3 wants names that clients can read back).
func (p Path) Creatable() error {
	name := p.Name()
	if err := p.Bounds(); err != nil {
		return err
	}
	if len(name) > maxSegment {
		return longName
	}
	unfit := func(r rune) bool { return unicode.IsControl(r) || r == '\uFFFE' || r == '\uFFFF' }
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unfit) {
		return notText
	}
	return nil
}
