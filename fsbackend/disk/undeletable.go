//go:build linux || darwin || freebsd

package disk

import (
	"context"
	"io/fs"
	"iter"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Undeletable implements fsbackend.Bulk with what the system says: that the directory may not be
// written or searched, that its sticky bit keeps what belongs to others, that a member is
// immutable, append-only or a mount point, or a directory that may not be read, in which nothing
// can be found to be removed.
func (b *backend) Undeletable(ctx context.Context, p davpath.Path) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		f, _, err := b.openDir(p)
		if err != nil {
			return // a listing of it reports that
		}
		defer f.Close()
		fi, err := f.Stat()
		if err != nil {
			return
		}
		conn, err := f.SyscallConn()
		if err != nil {
			return
		}
		all, sticky := denied(conn, fi)
		for ctx.Err() == nil {
			names, err := f.Readdirnames(512)
			for _, member := range names {
				reason := all
				if reason == nil {
					conn.Control(func(dir uintptr) { reason = memberDenied(int(dir), member, sticky) })
				}
				if reason != nil && !yield(member, fsbackend.ReadError("remove", p.Child(member), reason)) {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
}

// unreadable returns why the directory called name in the directory dir cannot be looked into.
func unreadable(dir int, name string) error {
	err := unix.Faccessat(dir, name, unix.R_OK|unix.X_OK, unix.AT_EACCESS)
	if err == unix.EACCES || err == unix.EPERM {
		return err
	}
	return nil
}

// denied returns why nothing can be removed from a directory, and whether only what belongs to this
// user can be.
func denied(conn syscall.RawConn, fi fs.FileInfo) (all error, sticky bool) {
	conn.Control(func(dir uintptr) {
		// Asked of the open directory itself: rights, access control lists, and whether the
		// volume is read-only.
		switch err := unix.Faccessat(int(dir), ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS); err {
		case unix.EACCES, unix.EPERM, unix.EROFS:
			all = err
		}
		if all == nil && immutable(int(dir)) {
			all = unix.EPERM
		}
	})
	// Root may do it all the same, but in containers that took that away: then the removal will
	// fail.
	if me := os.Geteuid(); fi.Mode()&fs.ModeSticky != 0 && me != 0 {
		st, ok := fi.Sys().(*syscall.Stat_t)
		sticky = ok && int(st.Uid) != me
	}
	return all, sticky
}
