package fsbackend

import (
	"path"
	"path/filepath"
	"strings"

	"dav207/server/resource"
)

// clean makes a name canonical: absolute, without dot segments and without a trailing slash.
func clean(name string) string { return path.Clean("/" + name) }

// host returns the name as the operating system spells it, relative to the root of the tree ("." is the root
// itself), and false where it cannot be spelled: a NUL, a backslash or a device name on Windows. On systems whose names
// are bytes every other byte stands for itself, so filepath.Localize, which wants UTF-8, is not asked there.
func host(name string) (string, bool) {
	name = clean(name)[1:]
	if name == "" {
		return ".", true
	}
	if filepath.Separator == '/' {
		return name, strings.IndexByte(name, 0) < 0
	}
	local, err := filepath.Localize(name)
	return local, err == nil
}

// isSegment reports whether a name is one that a directory can list.
func isSegment(name string) bool {
	return resource.ValidSegment(name) && !strings.ContainsRune(name, filepath.Separator)
}

// asideName returns a fresh name for what is written aside.
func asideName() string { return resource.AsideName() }

// isAside reports whether a segment is a name that asideName or the server's engine could have made.
func isAside(segment string) bool { return resource.Aside(segment) }
