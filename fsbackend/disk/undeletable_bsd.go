//go:build darwin || freebsd

package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// What chflags(2) sets: UF_IMMUTABLE, UF_APPEND, and SF_ with the same names.
const immutableFlags = 0x2 | 0x4 | 0x20000 | 0x40000

// memberDenied returns why a member of the directory dir cannot be removed. With sticky only that
// of the own user can be.
func memberDenied(dir int, name string, sticky bool) error {
	var st unix.Stat_t
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nil
	}
	switch {
	case st.Flags&immutableFlags != 0, sticky && int(st.Uid) != os.Geteuid():
		return unix.EPERM
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return unreadable(dir, name)
	}
	return nil
}

// immutable reports whether nothing can be removed from the directory dir.
func immutable(dir int) bool {
	var st unix.Stat_t
	return unix.Fstat(dir, &st) == nil && st.Flags&immutableFlags != 0
}
