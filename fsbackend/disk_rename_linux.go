package fsbackend

import (
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// renameDirect is what Rename asks of os.Root, in four system calls instead of ten. Where a directory is at to, os.Root decides.
func (d *Disk) renameDirect(from, to string) error {
	return d.beneath(from, func(old int, oldName string) error {
		into := func(dir int, name string) error {
			var st unix.Statx_t
			if err := statBeneath(dir, name, false, &st); err != unix.ENOENT && (err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR) {
				return errUnsure
			}
			return unix.Renameat(old, oldName, dir, name)
		}
		if dirOf(from) == dirOf(to) {
			return into(old, baseOf(to))
		}
		return d.beneath(to, into)
	})
}

// mkdirDirect is what Mkdir asks of os.Root, which makes the errors of the last step.
func (d *Disk) mkdirDirect(p string, perm fs.FileMode) error {
	return d.beneath(p, func(dir int, name string) error {
		if unix.Mkdirat(dir, name, uint32(perm)) != nil {
			return errUnsure
		}
		return nil
	})
}

// chtimesDirect is what Chtimes asks of os.Root, which makes the errors of the last step.
func (d *Disk) chtimesDirect(p string, mtime time.Time) error {
	return d.beneath(p, func(dir int, name string) error {
		var st unix.Statx_t
		if statBeneath(dir, name, true, &st) != nil || heldFolder(dir).chtimes(name, mtime) != nil {
			return errUnsure
		}
		return nil
	})
}

// removeDirect is what Remove asks of os.Root, which opens every directory on the way: what lies
// deep is removed in the time that anything else is. Where that fails, but for members in a
// directory, os.Root decides.
func (d *Disk) removeDirect(p string) error {
	return d.beneath(p, func(dir int, name string) error {
		err := unix.Unlinkat(dir, name, 0)
		if err == unix.EISDIR {
			err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		}
		if err != nil && err != unix.ENOTEMPTY {
			err = errUnsure
		}
		return err
	})
}
