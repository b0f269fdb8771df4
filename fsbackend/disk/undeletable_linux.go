package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// memberDenied returns why a member of the directory dir cannot be removed. With sticky only that
// of the own user can be.
func memberDenied(dir int, name string, sticky bool) error {
	var st unix.Statx_t
	if err := unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_UID|unix.STATX_TYPE, &st); err != nil {
		return nil
	}
	switch {
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return unix.EBUSY
	case st.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0,
		sticky && int(st.Uid) != os.Geteuid():
		return unix.EPERM
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return unreadable(dir, name)
	}
	return nil
}

// immutable reports whether nothing can be removed from the directory dir.
func immutable(dir int) bool {
	var st unix.Statx_t
	err := unix.Statx(dir, "", unix.AT_EMPTY_PATH, unix.STATX_UID, &st)
	return err == nil && st.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0
}
