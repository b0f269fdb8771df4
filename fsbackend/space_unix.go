//go:build linux || darwin || freebsd

package fsbackend

import (
	"context"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Space tells, as df does, what is used of the volume that holds name and what an ordinary user can still write.
func (d *Disk) Space(_ context.Context, name string) (used, available uint64, err error) {
	p, ok := host(name)
	if !ok {
		return 0, 0, reading("space", name, fs.ErrNotExist)
	}
	if err := d.admit(p, true); err != nil {
		return 0, 0, d.reading("space", name, err)
	}
	f, err := d.spaceHandle(p)
	if err != nil {
		return 0, 0, d.reading("space", name, err)
	}
	defer f.Close()
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, 0, reading("space", name, err)
	}
	var st unix.Statfs_t
	ctrl := conn.Control(func(fd uintptr) {
		for {
			if err = unix.Fstatfs(int(fd), &st); err != unix.EINTR {
				return
			}
		}
	})
	if err == nil {
		err = ctrl
	}
	if err != nil {
		return 0, 0, reading("space", name, err)
	}
	size := blockSize(&st)
	// The reserve can be used up by root: what is left for others is then below zero on some systems.
	return (st.Blocks - st.Bfree) * size, uint64(max(int64(st.Bavail), 0)) * size, nil
}

// spaceHandle opens what p leads to. A member that may not or should not be opened lies on the volume of its directory,
// as good as always.
func (d *Disk) spaceHandle(p string) (*os.File, error) {
	fi, err := d.root.Stat(p)
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		if p, _, err = d.resolve(p); err != nil {
			return nil, err
		}
		if p = parent(p); p == "" {
			p = "."
		}
	}
	return d.root.OpenFile(p, spaceFlags|unix.O_DIRECTORY, 0)
}
