package fsbackend

import "golang.org/x/sys/unix"

// direct reports whether p is known to lead through no link, or to nowhere before it comes to one.
func (d *Disk) direct(p string, follow bool) (sure bool) {
	conn, err := d.base.SyscallConn()
	if err != nil {
		return false
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	if !follow {
		how.Flags |= unix.O_NOFOLLOW
	}
	err = conn.Control(func(dir uintptr) {
		fd, err := unix.Openat2(int(dir), p, &how)
		switch err {
		case nil:
			unix.Close(fd)
			sure = true
		case unix.ENOENT, unix.ENOTDIR, unix.EACCES:
			sure = true
		} // kernels before 5.6 and some containers do not know it; a path may be too long to be given in one piece
	})
	return err == nil && sure
}
