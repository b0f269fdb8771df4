//go:build darwin || freebsd

package fsbackend

import (
	"os"

	"golang.org/x/sys/unix"
)

// What chflags(2) sets: UF_IMMUTABLE, UF_APPEND, and SF_ with the same names.
const heldFlags = 0x2 | 0x4 | 0x20000 | 0x40000

// pinned tells why a member of the directory dir cannot be removed; with sticky only that of the own user can be.
func pinned(dir int, name string, sticky bool) error {
	var st unix.Stat_t
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nil
	}
	switch {
	case st.Flags&heldFlags != 0, sticky && int(st.Uid) != os.Geteuid():
		return unix.EPERM
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return unreadable(dir, name)
	}
	return nil
}

// held reports whether the directory dir lets nothing go.
func held(dir int) bool {
	var st unix.Stat_t
	return unix.Fstat(dir, &st) == nil && st.Flags&heldFlags != 0
}
