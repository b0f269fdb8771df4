package boltprops

import (
	"bytes"
	"fmt"
	"strings"

	"dav207/server/resource"
)

// The key of an entry is the path of its parent, a NUL, and its name: "/a\x00b" for /a/b, "\x00b" for /b, and "\x00" for
// the root. So the direct members of a collection stand together, in the order of their names, and its whole tree in
// three ranges: its own key, those that begin with "/a\x00", and those that begin with "/a/". No path and no name has a NUL.

// text is p as it stands in keys: "" for the root.
func text(p resource.Path) string {
	if p.IsRoot() {
		return ""
	}
	return p.String()
}

func key(p resource.Path) []byte {
	k := []byte(text(p))
	if len(k) == 0 {
		return []byte{0}
	}
	k[bytes.LastIndexByte(k, '/')] = 0
	return k
}

// span is a range of keys; a nil end is none.
type span struct{ from, to []byte }

func beginningWith(prefix string) span {
	s := span{from: []byte(prefix), to: []byte(prefix)}
	s.to[len(s.to)-1]++ // a NUL or a slash
	return s
}

// members is where the direct members of p are, and the root if p is that.
func members(p resource.Path) span { return beginningWith(text(p) + "\x00") }

// tree is where p is and everything below it.
func tree(p resource.Path) []span {
	if p.IsRoot() {
		return []span{{}}
	}
	own := key(p)
	return []span{{own, after(own)}, members(p), beginningWith(text(p) + "/")}
}

// after returns the first key that can follow k.
func after(k []byte) []byte { return append(bytes.Clone(k), 0) }

func (s span) has(k []byte) bool { return k != nil && (s.to == nil || bytes.Compare(k, s.to) < 0) }

// rebase returns the key under which that one of the tree at src stands in the tree at dst.
func rebase(k []byte, src, dst resource.Path) []byte {
	if bytes.Equal(k, key(src)) {
		return key(dst)
	}
	return append([]byte(text(dst)), k[len(text(src)):]...)
}

// pathOf returns the path whose key is k.
func pathOf(k []byte) (resource.Path, error) {
	p, err := resource.Clean(strings.Replace(string(k), "\x00", "/", 1))
	if err != nil || !bytes.Equal(key(p), k) {
		return resource.Path{}, fmt.Errorf("key %q: %w", k, errDamaged)
	}
	return p, nil
}
