package folders

import (
	"fmt"
	"path/filepath"
	"strings"

	"dav207/cmd/dav207/config"
)

// CheckApart returns an error if the directory of a mount is that of another one or in it: a
// resource would have two URLs, whose locks and properties would not be the same.
func CheckApart(list []config.Mount) error {
	dirs := make([][]string, len(list))
	for i, m := range list {
		dirs[i] = segments(m.Dir)
		for j := range i {
			if inside(dirs[i], dirs[j]) || inside(dirs[j], dirs[i]) {
				return &config.Error{Line: m.Line, Err: fmt.Errorf(
					"the directories of the mounts %s and %s overlap: a file must not have two URLs", list[j].At, m.At)}
			}
		}
	}
	return nil
}

// inside reports whether the directory a can be b or in it.
func inside(a, b []string) bool {
	if len(a) < len(b) {
		return false
	}
	for i, s := range b {
		if s != a[i] && s != config.User && a[i] != config.User {
			return false
		}
	}
	return true
}

// segments returns the segments of the real path of a directory, as far as it has no {user}.
func segments(dir string) []string {
	static := staticPart(dir)
	rest := strings.TrimPrefix(filepath.ToSlash(filepath.Clean(dir)), filepath.ToSlash(static))
	if abs, err := filepath.Abs(static); err == nil {
		static = abs
	}
	if real, err := filepath.EvalSymlinks(static); err == nil {
		static = real
	}
	return strings.FieldsFunc(filepath.ToSlash(static)+"/"+rest, func(r rune) bool { return r == '/' })
}

// staticPart returns the directory above the first segment {user}, or all without one.
func staticPart(dir string) string {
	dir = filepath.Clean(dir)
	if before, _, found := strings.Cut(filepath.ToSlash(dir), config.User); found {
		return filepath.Clean(filepath.FromSlash(before))
	}
	return dir
}

// Dirs returns the directories of mounts, and for those of users the one that holds them.
func Dirs(list []config.Mount) (dirs []string) {
	for _, m := range list {
		dirs = append(dirs, staticPart(m.Dir))
	}
	return dirs
}
