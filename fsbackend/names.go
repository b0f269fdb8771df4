package fsbackend

import (
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"dav207/server/davpath"
)

// clean makes a name canonical: absolute, without dot segments and without a trailing slash.
func clean(name string) string {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	return path.Clean(name) // which allocates nothing for what is clean already, as the server's names are
}

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
	return local, err == nil && !slices.ContainsFunc(strings.Split(name, "/"), shortName)
}

// own reports whether a segment of a link leads to the server's own files.
func own(segment string) bool {
	return davpath.Reserved(segment) || runtime.GOOS == "windows" && shortName(segment)
}

// shortName reports whether Windows may know the server's own files by this name, too: NTFS gives a name of eight characters
// to each that has another form, from its first letters or, where many begin alike, from two of them and a checksum.
func shortName(segment string) bool {
	stem, number, ok := strings.Cut(strings.ToUpper(strings.TrimRight(segment, ". ")), "~")
	if !ok || number == "" || len(stem) < 2 || len(stem) > 6 || strings.Trim(number, "0123456789") != "" {
		return false
	}
	sum, ok := strings.CutPrefix(stem, "DA")
	return ok && (strings.HasPrefix("V207", sum) || strings.Trim(sum, "0123456789ABCDEF") == "")
}

// isSegment reports whether a name is one that a directory can list.
func isSegment(name string) bool {
	return davpath.ValidSegment(name) && (filepath.Separator == '/' || !strings.ContainsRune(name, filepath.Separator))
}

// asideName returns a fresh name for what is written aside.
func asideName() string { return davpath.TempName() }

// isAside reports whether a segment is a name that asideName or the server's engine could have made.
func isAside(segment string) bool { return davpath.IsTemp(segment) }
