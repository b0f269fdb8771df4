// Package davpath names resources: the one canonical path that rules, locks, properties and file systems take.
//
// A Path can only be made by this package, so whoever holds one knows that it was decoded exactly once, is
// absolute, has no empty and no dot segment, no NUL and no trailing slash. Two spellings of a URL that mean the same
// resource give equal Paths; nothing is ever compared as a string prefix that is not cut at a segment.
//
// It does not look at any file system: whether a Path names something, and whether that is a collection, is not its
// business.
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

// Path is the canonical name of a resource below the root of the server. The zero value is the root itself.
// Paths are comparable with == and can be map keys.
type Path struct {
	s string // "" for the root, otherwise "/a/b": a slash before every segment and none at the end
}

// Root is the path of the topmost collection.
var Root = Path{}

var (
	// ErrMalformed is wrapped by the errors of Parse for what can never name a resource: a bad escape, a NUL, an
	// encoded slash, or dot segments that lead above the root.
	ErrMalformed = errors.New("malformed path")
	// ErrOutside is wrapped by the errors of Mapping.Parse for a URL path that is not below the prefix.
	ErrOutside = errors.New("outside of the served prefix")
)

// Clean makes a Path from a decoded, slash-separated name, with or without a leading or trailing slash.
// Dot segments are resolved; those that lead above the root, and a NUL, are refused with ErrMalformed.
func Clean(name string) (Path, error) {
	var b strings.Builder
	return build(&b, strings.Split(name, "/"))
}

// Must is Clean for names known to be good: tests, examples, constants. It panics on the others.
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

// Child returns the path of the member called segment, as a file system listed it. It panics where segment is not
// one: see ValidSegment.
func (p Path) Child(segment string) Path {
	if !ValidSegment(segment) {
		panic(fmt.Sprintf("davpath: %q is not a segment", segment))
	}
	return Path{p.s + "/" + segment}
}

// Children appends Child(name) for each of names to paths. They share their memory.
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

// Rebase returns what p is called once the tree at from stands at to. It panics unless from contains p.
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

// Compare orders paths so that a collection comes directly before its members and siblings stand in byte order of
// their names: the order of a depth-first walk.
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

// ValidSegment reports whether a file system's name for a member can be a segment of a Path.
func ValidSegment(s string) bool {
	return s != "" && s != "." && s != ".." && strings.IndexByte(s, '/') < 0 && strings.IndexByte(s, 0) < 0
}

// StateName is the name of the collection in the root in which the server keeps what it knows besides the files. It is
// Reserved.
const StateName = ".dav207"

// Reserved reports whether a segment belongs to the server itself: its state directory and the files it writes aside
// before they replace another. Such names are never served, listed, copied or created, in any mix of case and in no other
// spelling that some file system takes for the same: with dots and spaces at the end, with the name of a stream after a
// colon, with characters in between that nobody sees.
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

// visible drops the characters that HFS+ passes over when it compares names.
func visible(r rune) rune {
	switch {
	case 0x200c <= r && r <= 0x200f, 0x202a <= r && r <= 0x202e, 0x206a <= r && r <= 0x206f, r == 0xfeff:
		return -1
	}
	return r
}

// TempPrefix begins the name of every file or collection that a back end writes aside before it replaces another.
// What follows is random. Such names are Reserved.
const TempPrefix = ".dav207-"

// TempName returns a fresh name for something that is written aside. Nobody can foresee it, so nothing can wait there.
func TempName() string { return TempPrefix + rand.Text() }

// IsTemp reports whether a segment is a name that TempName can have made: what may be cleaned away. Other names that begin
// alike are somebody's own.
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

// Reserved reports whether any segment of p is: see the function of that name.
func (p Path) Reserved() bool {
	for rest := p.s; rest != ""; { // every request asks: an iterator costs it an allocation
		s, _, _ := strings.Cut(rest[1:], "/")
		if Reserved(s) {
			return true
		}
		rest = rest[1+len(s):]
	}
	return false
}

// maxSegment and maxPath bound the names that may be created, in bytes: what every system that could
// hold them agrees on. Existing longer ones are served.
const (
	maxSegment = 255
	maxPath    = 4096
	maxDepth   = 512 // segments
)

// NameError says why a resource of some name may not be created, in a sentence that clients may see. It wraps ErrMalformed.
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

// TooLong reports whether p is longer or deeper than what may be created: see Bounds.
func (p Path) TooLong() bool { return p.Bounds() != nil }

// Bounds reports, as a NameError, that p is longer or deeper than what may be created: a tree without bounds would cost everybody
// who walks it.
func (p Path) Bounds() error {
	switch {
	case len(p.s) > maxPath:
		return longPath
	case strings.Count(p.s, "/") > maxDepth:
		return deepPath
	}
	return nil
}

// Room returns how many bytes and segments a path below p may have more than p itself before it is
// TooLong: less than 0 where p is.
func (p Path) Room() (bytes, segments int) {
	return maxPath - len(p.s), maxDepth - strings.Count(p.s, "/")
}

// Creatable reports, as a NameError, why a resource of this name may not be created although an existing one is served: its
// last segment is not UTF-8 or holds characters that XML cannot carry (RFC 4918 §8.3 wants names that clients can read back),
// or it is too long.
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
