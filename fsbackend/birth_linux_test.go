package fsbackend_test

import "golang.org/x/sys/unix"

// hasBirth reports whether the system knows when files in dir were created.
func hasBirth(dir string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_BTIME, &st)
	return err == nil && st.Mask&unix.STATX_BTIME != 0
}
