//go:build linux || darwin || freebsd

package fsbackend

import (
	"context"
	"io/fs"
	"iter"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Unremovable implements tree.Foreseer with what the system tells: that the directory may not be written or searched, that its
// sticky bit keeps what belongs to others, that a member is immutable, append-only or a mount point, or a directory that may
// not be read, in which nothing can be found to be removed.
func (d *Disk) Unremovable(ctx context.Context, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		f, fi, err := d.openDirectory(name)
		if err != nil {
			return // a listing of it reports that
		}
		defer f.Close()
		conn, err := f.SyscallConn()
		if err != nil {
			return
		}
		all, sticky := d.keeps(conn, fi)
		for ctx.Err() == nil {
			names, err := f.Readdirnames(batchOfNames)
			for _, member := range names {
				reason := all
				if reason == nil {
					conn.Control(func(dir uintptr) { reason = pinned(int(dir), member, sticky) })
				}
				if reason != nil && !yield(member, reading("remove", name+"/"+member, reason)) {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
}

const batchOfNames = 512

// unreadable tells why the directory called name in the directory dir cannot be looked into.
func unreadable(dir int, name string) error {
	err := unix.Faccessat(dir, name, unix.R_OK|unix.X_OK, unix.AT_EACCESS)
	if err == unix.EACCES || err == unix.EPERM {
		return err
	}
	return nil
}

// keeps tells why nothing can be removed from a directory, and whether only what belongs to this user can be.
func (d *Disk) keeps(conn syscall.RawConn, fi fs.FileInfo) (all error, sticky bool) {
	conn.Control(func(dir uintptr) {
		// Asked of the open directory itself: rights, access control lists, and whether the volume is read-only.
		switch err := unix.Faccessat(int(dir), ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS); err {
		case unix.EACCES, unix.EPERM, unix.EROFS:
			all = err
		}
		if all == nil && held(int(dir)) {
			all = unix.EPERM
		}
	})
	// Who is root may do it all the same, but for containers that took that away: then the removal will tell.
	if me := os.Geteuid(); fi.Mode()&fs.ModeSticky != 0 && me != 0 {
		st, ok := fi.Sys().(*syscall.Stat_t)
		sticky = ok && int(st.Uid) != me
	}
	return all, sticky
}
