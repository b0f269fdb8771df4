//go:build unix && !solaris && !aix

package disk

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFlags keeps the opening of a FIFO or a terminal that was not there a moment ago from
// waiting or doing harm.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

func ownerOf(fi fs.FileInfo) owner {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return owner{int(st.Uid), int(st.Gid), true}
	}
	return owner{}
}

// chown gives f, which fi describes, the owner and the group o. A user who is not root may give
// it the groups that he is in, which is all that can be done.
func chown(f *os.File, fi fs.FileInfo, o owner) {
	if !o.known || ownerOf(fi) == o {
		return
	}
	if f.Chown(o.uid, o.gid) != nil {
		_ = f.Chown(-1, o.gid)
	}
}

// access returns why this user may not do something with the file called name in the directory f:
// rights, access control lists, and whether the volume is read-only.
func access(f *os.File, name string, mode uint32) error {
	switch err := unix.Faccessat(int(f.Fd()), name, mode, unix.AT_EACCESS); err {
	case unix.EACCES, unix.EPERM, unix.EROFS:
		return err
	}
	return nil
}

const (
	toList   = unix.R_OK | unix.X_OK
	toRemove = unix.W_OK | unix.X_OK
)

// locksFiles says whether flock tells of other processes.
const locksFiles = true

// flock locks a file until it is closed, and reports false where another process, or another
// handle of this one, has it.
func flock(f *os.File) bool {
	c, err := f.SyscallConn()
	if err != nil {
		return false
	}
	locked := false
	err = c.Control(func(fd uintptr) {
		locked = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) == nil
	})
	return err == nil && locked
}
