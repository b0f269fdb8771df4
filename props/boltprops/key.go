package boltprops

import (
	"bytes"
	"fmt"
	"strings"

	"dav207/server/davpath"
)

// The key of an entry is the path of its parent, a NUL, and its name: "/a\x00b" for /a/b, "\x00b"
// for /b, and "\x00" for the root. No path has a NUL. So the direct members of a collection are
// adjacent and in the order of their names. A tree is in three ranges: for /a the key of /a itself,
// the keys that begin with "/a\x00", and those that begin with "/a/".

// prefix returns p as it begins the keys of its members: "" for the root.
func prefix(p davpath.Path) string {
	if p.IsRoot() {
		return ""
	}
	return p.String()
}

// key returns the key of p.
func key(p davpath.Path) []byte {
	k := []byte(prefix(p))
	if len(k) == 0 {
		return []byte{0}
	}
	k[bytes.LastIndexByte(k, '/')] = 0
	return k
}

// span is a range of keys from from on, without to. If to is nil it has no end.
type span struct{ from, to []byte }

// everything begins with the least key.
var everything = span{from: []byte{0}}

// beginningWith returns the span of the keys with that prefix.
func beginningWith(start string) span {
	s := span{from: []byte(start), to: []byte(start)}
	s.to[len(s.to)-1]++ // a NUL or a slash
	return s
}

// members returns the span of the direct members of p. That of the root has the root itself, too.
func members(p davpath.Path) span { return beginningWith(prefix(p) + "\x00") }

// tree returns the spans of p and of everything below it.
func tree(p davpath.Path) []span {
	if p.IsRoot() {
		return []span{everything}
	}
	own := key(p)
	return []span{{own, after(own)}, members(p), beginningWith(prefix(p) + "/")}
}

// after returns the next possible key after k.
func after(k []byte) []byte { return append(bytes.Clone(k), 0) }

// has reports whether k, which is not before s.from, is in s. nil is not.
func (s span) has(k []byte) bool { return k != nil && (s.to == nil || bytes.Compare(k, s.to) < 0) }

// rebase returns k, a key of the tree at src, as the key of the same resource in the tree at dst.
func rebase(k []byte, src, dst davpath.Path) []byte {
	if bytes.Equal(k, key(src)) {
		return key(dst)
	}
	return append([]byte(prefix(dst)), k[len(prefix(src)):]...)
}

// pathOf returns the path whose key is k.
func pathOf(k []byte) (davpath.Path, error) {
	p, err := davpath.Clean(strings.Replace(string(k), "\x00", "/", 1))
	if err != nil || !bytes.Equal(key(p), k) {
		return davpath.Path{}, fmt.Errorf("key %q: %w", k, errDamaged)
	}
	return p, nil
}
