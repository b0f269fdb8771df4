package fsbackend

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What is here does with a few system calls what os.Root does with a walk along every segment, for paths on which there is
// no link, as good as all. The kernel finds the directory beneath the root and passes no link (openat2); what is done then is
// done in that directory, by one segment that is not followed. Whatever else is met is errUnsure: then os.Root decides, and
// makes the error.

// errUnsure says that there is a link on the way, something that the caller must not step over, or a kernel (before 5.6)
// or container without openat2.
var errUnsure = errors.New("not found on the direct way")

// openBeneath opens p, on the way to which there is no link. unix.ENOENT and unix.ENOTDIR are sure: there is none up to where
// nothing is found any more.
func openBeneath(base int, p string, flags uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := openAlong(base, p, &how)
	if err != nil && err != unix.ENOENT && err != unix.ENOTDIR {
		err = errUnsure
	}
	return fd, err
}

// openAlong is openat2 for paths of any length. The kernel takes less than PATH_MAX bytes at a
// time, so a longer path is opened in pieces, each relative to the one before: a member that lies
// deep costs two or three calls, not one for each segment.
func openAlong(base int, p string, how *unix.OpenHow) (int, error) {
	at := base
	for len(p) >= unix.PathMax {
		cut := strings.LastIndexByte(p[:unix.PathMax], '/')
		if cut < 0 {
			break // one segment, and the kernel says that it is too long
		}
		next, err := unix.Openat2(at, p[:cut], &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: how.Resolve})
		if at != base {
			unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		at, p = next, p[cut+1:]
	}
	fd, err := unix.Openat2(at, p, how)
	if at != base {
		unix.Close(at)
	}
	return fd, err
}

// beneath has use do something with the last segment of p in its directory, and returns its error.
func (d *Disk) beneath(p string, use func(dir int, name string) error) error {
	parent, name := dirOf(p), baseOf(p)
	if name == "" || name == ".." || d.walks {
		return errUnsure
	}
	conn, err := d.base.SyscallConn()
	if err != nil {
		return errUnsure
	}
	ctrl := conn.Control(func(base uintptr) {
		dir := int(base)
		if parent != "." {
			if dir, err = openBeneath(dir, parent, unix.O_PATH|unix.O_DIRECTORY); err != nil {
				return
			}
			defer unix.Close(dir)
		}
		err = use(dir, name)
	})
	if ctrl != nil {
		return errUnsure // the tree is closed
	}
	return err
}

// statBeneath looks at a member of a directory. unix.ENOENT is sure.
func statBeneath(dir int, name string, follow bool, st *unix.Statx_t) error {
	err := statx(uintptr(dir), name, unix.AT_SYMLINK_NOFOLLOW, st)
	if err == nil && follow && st.Mode&unix.S_IFMT == unix.S_IFLNK || err != nil && err != unix.ENOENT {
		return errUnsure
	}
	return err
}

// direct reports whether p is known to lead through no link, or to nowhere before it comes to one.
func (d *Disk) direct(p string, follow bool) bool {
	err := d.probe(p, follow)
	return err == nil || missing(err) || err == unix.EACCES
}

// missing reports whether an error of what is here says for sure that nothing is there.
func missing(err error) bool { return err == unix.ENOENT || err == unix.ENOTDIR }

// probe goes to p and returns what is met on the way: nil or what missing knows mean that it is no link.
func (d *Disk) probe(p string, follow bool) error {
	conn, err := d.base.SyscallConn()
	if err != nil || d.walks {
		return errUnsure
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	if !follow {
		how.Flags |= unix.O_NOFOLLOW
	}
	ctrl := conn.Control(func(dir uintptr) {
		var fd int
		if fd, err = openAlong(int(dir), p, &how); err == nil {
			unix.Close(fd)
		}
	})
	if ctrl != nil {
		return errUnsure
	}
	return err
}

// lookDirect is look.
func (d *Disk) lookDirect(p, name string, follow bool) (fs.FileInfo, error) {
	var st unix.Statx_t
	err := d.beneath(p, func(dir int, base string) error { return statBeneath(dir, base, follow, &st) })
	if err != nil {
		return nil, err
	}
	fi := &info{}
	fill(fi, name, &st)
	fi.direct = fi.mode&fs.ModeSymlink == 0
	return fi, nil
}

// openDirect is openReading, and does it as open does: it looks first, and again at what it got.
func (d *Disk) openDirect(p, name string, small bool) (o opened, err error) {
	err = d.beneath(p, func(dir int, base string) error {
		var st unix.Statx_t
		if err := statBeneath(dir, base, true, &st); err != nil {
			return err
		}
		if !servable(fileMode(st.Mode)) {
			return fs.ErrPermission
		}
		fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|openFlags, 0)
		if err != nil {
			return errUnsure
		}
		if err := statx(uintptr(fd), "", unix.AT_EMPTY_PATH, &st); err != nil || !servable(fileMode(st.Mode)) {
			unix.Close(fd)
			return errUnsure
		}
		if small && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size <= briefSize {
			f := &brief{name: name, fd: fd, fresh: true}
			fill(&f.found, path.Base(name), &st)
			o.brief = f
			return nil
		}
		fi := &info{}
		fill(fi, path.Base(name), &st)
		o.file, o.info = os.NewFile(uintptr(fd), base), fi
		return nil
	})
	return o, err
}

// destinationDirect is destination.
func (d *Disk) destinationDirect(p string) (to destination, err error) {
	parent, name := dirOf(p), baseOf(p)
	if name == "" || name == ".." || d.walks {
		return to, errUnsure
	}
	conn, err := d.base.SyscallConn()
	if err != nil {
		return to, errUnsure
	}
	dir := -1
	ctrl := conn.Control(func(base uintptr) {
		dir, err = openBeneath(int(base), parent, unix.O_PATH|unix.O_DIRECTORY)
	})
	if ctrl != nil || err != nil {
		return to, errUnsure
	}
	to = destination{dir: heldFolder(dir), target: p}
	var st unix.Statx_t
	if to.old, err = replaceable(dir, name, &st); err != nil {
		unix.Close(dir)
	}
	return to, err
}

// replaceable returns what a file that is put at name keeps of the one that is there, and says why that may not be replaced. st
// is what it saw.
func replaceable(dir int, name string, st *unix.Statx_t) (*former, error) {
	if err := statBeneath(dir, name, true, st); err != nil {
		if err == unix.ENOENT {
			err = nil
		}
		return nil, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return nil, unix.EISDIR
	default:
		return nil, fs.ErrPermission
	}
	// What opening it for writing would say. Not everything: whoever asks for the access to a file that can only grow hears
	// that he has it.
	if st.Attributes&(unix.STATX_ATTR_APPEND|unix.STATX_ATTR_IMMUTABLE) != 0 ||
		unix.Faccessat2(dir, name, unix.W_OK, unix.AT_EACCESS|unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nil, errUnsure
	}
	return &former{perm: fileMode(st.Mode).Perm(), uid: int(st.Uid), gid: int(st.Gid), owned: true}, nil
}

// replaceDirect renames the file temp over target, in the same directory.
func (d *Disk) replaceDirect(temp, target string) error {
	return d.beneath(target, func(dir int, name string) error {
		return unix.Renameat(dir, baseOf(temp), dir, name)
	})
}

// heldFolder is a folder by its descriptor.
type heldFolder int

func (h heldFolder) create(name string, perm fs.FileMode) (*os.File, error) {
	fd, err := createAt(int(h), name, perm)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// createAt makes a file that was not there, for writing and reading.
func createAt(dir int, name string, perm fs.FileMode) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func (h heldFolder) chtimes(name string, mtime time.Time) error {
	at, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(int(h), name, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, at}, unix.AT_SYMLINK_NOFOLLOW)
}

func (h heldFolder) remove(name string) error { return unix.Unlinkat(int(h), name, 0) }

func (h heldFolder) close() { unix.Close(int(h)) }
