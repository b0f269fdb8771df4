//go:build linux || darwin || freebsd

package disk

import (
	"context"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Usage implements fsbackend.Backend as df does it: what an ordinary user can still write is free.
func (b *backend) Usage(_ context.Context, p davpath.Path) (used, free uint64, err error) {
	h, ok := host(p)
	if !ok {
		return 0, 0, fsbackend.ReadError("usage", p, fs.ErrNotExist)
	}
	if err := b.checkNoReservedLink(h, true); err != nil {
		return 0, 0, b.readError("usage", p, err)
	}
	f, err := b.usageHandle(h)
	if err != nil {
		return 0, 0, b.readError("usage", p, err)
	}
	defer f.Close()
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, 0, fsbackend.ReadError("usage", p, err)
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
		return 0, 0, fsbackend.ReadError("usage", p, err)
	}
	size := blockSize(&st)
	// The reserve can be used up by root: what is left for others is then below zero on some
	// systems.
	return (st.Blocks - st.Bfree) * size, uint64(max(int64(st.Bavail), 0)) * size, nil
}

// usageHandle opens what h leads to. A member that may not or should not be opened lies on the
// volume of its directory, as good as always.
func (b *backend) usageHandle(h string) (*os.File, error) {
	fi, err := b.root.Stat(h)
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		if h, _, err = b.resolve(h); err != nil {
			return nil, err
		}
		if h = parent(h); h == "" {
			h = "."
		}
	}
	return b.root.OpenFile(h, usageFlags|unix.O_DIRECTORY, 0)
}
