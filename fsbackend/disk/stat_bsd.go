//go:build darwin || freebsd

package disk

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func usage(f *os.File) (used, free uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0, 0, err
	}
	// The reserve can be used up by root: what is left for others is then below zero.
	size := uint64(st.Bsize)
	return (st.Blocks - st.Bfree) * size, uint64(max(int64(st.Bavail), 0)) * size, nil
}

// What chflags(2) sets: UF_IMMUTABLE, UF_APPEND, and SF_ with the same names.
const immutableFlags = 0x2 | 0x4 | 0x20000 | 0x40000

func kept(fi fs.FileInfo) error {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Flags&immutableFlags != 0 {
		return unix.EPERM
	}
	return nil
}
