//go:build unix && !solaris && !aix

package disk

import (
	"os"
	"syscall"
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
