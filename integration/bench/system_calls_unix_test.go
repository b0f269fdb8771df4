//go:build unix

package bench

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lookAtAll is what a listing cannot do without: the names in a directory, and one look at each.
func lookAtAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	fd := int(f.Fd())
	for _, name := range names {
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	return nil
}

// processorTime is how long this process has kept processors busy, also for the system.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
