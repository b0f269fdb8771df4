package disk

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// The methods here do with a few system calls what os.Root does with a walk along every segment,
// for paths on which there is no link, as nearly all are. The kernel finds the directory beneath
// the root and passes no link (openat2); what is done then is done in that directory, by one
// segment that is not followed. Whatever else is met is errFallback: then os.Root decides, and
// makes the error.

// errFallback says that there is a link on the way, something that the caller must not step over,
// or a kernel (before 5.6) or container without openat2.
var errFallback = errors.New("os.Root has to decide")

// openBeneath opens h, on the way to which there is no link. unix.ENOENT and unix.ENOTDIR are
// certain: there is no link up to where nothing is found any more.
func openBeneath(base int, h string, flags uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := openat2(base, h, &how)
	if err != nil && !missing(err) {
		err = errFallback
	}
	return fd, err
}

// openat2 is unix.Openat2 for paths of any length. The kernel takes less than PATH_MAX bytes at a
// time, so a longer path is opened in pieces, each relative to the one before: a member that lies
// deep costs two or three calls, not one for each segment.
func openat2(base int, h string, how *unix.OpenHow) (int, error) {
	at := base
	for len(h) >= unix.PathMax {
		cut := strings.LastIndexByte(h[:unix.PathMax], '/')
		if cut < 0 {
			break // one segment, and the kernel says that it is too long
		}
		next, err := unix.Openat2(at, h[:cut], &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: how.Resolve})
		if at != base {
			unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		at, h = next, h[cut+1:]
	}
	fd, err := unix.Openat2(at, h, how)
	if at != base {
		unix.Close(at)
	}
	return fd, err
}

// missing reports whether an error of openat2 says for certain that nothing is there.
func missing(err error) bool { return err == unix.ENOENT || err == unix.ENOTDIR }

// beneath opens h's parent directory and calls use with it and h's base name. It returns use's
// error.
func (b *backend) beneath(h string, use func(dir int, name string) error) error {
	dir, err := b.parentOf(h)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return use(dir, baseOf(h))
}

// parentOf opens the directory of h.
func (b *backend) parentOf(h string) (dir int, err error) {
	if name := baseOf(h); name == "" || name == ".." || b.noKernel {
		return -1, errFallback
	}
	conn, err := b.base.SyscallConn()
	if err != nil {
		return -1, errFallback
	}
	ctrl := conn.Control(func(base uintptr) {
		dir, err = openBeneath(int(base), dirOf(h), unix.O_PATH|unix.O_DIRECTORY)
	})
	if ctrl != nil {
		return -1, errFallback // the tree is closed
	}
	return dir, err
}

// statBeneath describes a member of a directory. unix.ENOENT is certain.
func statBeneath(dir int, name string, follow bool, st *unix.Statx_t) error {
	err := statx(dir, name, unix.AT_SYMLINK_NOFOLLOW, st)
	if err == nil && follow && st.Mode&unix.S_IFMT == unix.S_IFLNK || err != nil && err != unix.ENOENT {
		return errFallback
	}
	return err
}

// openPath goes to h without passing a link and returns what it met: nil, and what missing knows,
// mean that there is none.
func (b *backend) openPath(h string, follow bool) error {
	conn, err := b.base.SyscallConn()
	if err != nil || b.noKernel {
		return errFallback
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	if !follow {
		how.Flags |= unix.O_NOFOLLOW
	}
	ctrl := conn.Control(func(dir uintptr) {
		var fd int
		if fd, err = openat2(int(dir), h, &how); err == nil {
			unix.Close(fd)
		}
	})
	if ctrl != nil {
		return errFallback
	}
	return err
}

// described is what statx found without passing a link.
func described(name string, st *unix.Statx_t) *fsbackend.Info {
	fi := &fsbackend.Info{}
	fill(&fi.Attr, name, st)
	fi.Direct = !fi.IsLink()
	return fi
}

// statDirect is stat.
func (b *backend) statDirect(h, name string, follow bool) (*fsbackend.Info, error) {
	var st unix.Statx_t
	err := b.beneath(h, func(dir int, base string) error { return statBeneath(dir, base, follow, &st) })
	if err != nil {
		return nil, err
	}
	return described(name, &st), nil
}

// openDirect is openAny. It looks first, and again at what it got, as open does.
func (b *backend) openDirect(h, name string, p davpath.Path, small bool) (o opened, err error) {
	err = b.beneath(h, func(dir int, base string) error {
		var st unix.Statx_t
		if err := statBeneath(dir, base, true, &st); err != nil {
			return err
		}
		if !servable(fileMode(st.Mode)) {
			return fs.ErrPermission
		}
		fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|openFlags, 0)
		if err != nil {
			return errFallback
		}
		if err := statx(fd, "", unix.AT_EMPTY_PATH, &st); err != nil || !servable(fileMode(st.Mode)) {
			unix.Close(fd)
			return errFallback
		}
		if small && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size <= smallFileSize {
			f := &smallFile{p: p, fd: fd, fresh: true}
			fill(&f.found.Attr, name, &st)
			o.small = f
			return nil
		}
		fi := &fsbackend.Info{}
		fill(&fi.Attr, name, &st)
		o.file, o.info = os.NewFile(uintptr(fd), base), fi
		return nil
	})
	return o, err
}

// renameDirect is what Rename asks of os.Root, in four system calls instead of ten. Where a
// directory is at to, os.Root decides.
func (b *backend) renameDirect(from, to string) error {
	return b.beneath(from, func(old int, oldName string) error {
		into := func(dir int, name string) error {
			var st unix.Statx_t
			if err := statBeneath(dir, name, false, &st); err != unix.ENOENT && (err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR) {
				return errFallback
			}
			return unix.Renameat(old, oldName, dir, name)
		}
		if dirOf(from) == dirOf(to) {
			return into(old, baseOf(to))
		}
		return b.beneath(to, into)
	})
}

// mkdirDirect is what Mkdir asks of os.Root, which makes the errors of the last step.
func (b *backend) mkdirDirect(h string) error {
	return b.beneath(h, func(dir int, name string) error {
		if unix.Mkdirat(dir, name, 0o777) != nil {
			return errFallback
		}
		return nil
	})
}

// chtimesDirect is what SetModTime asks of os.Root, which makes the errors of the last step.
func (b *backend) chtimesDirect(h string, mtime time.Time) error {
	return b.beneath(h, func(dir int, name string) error {
		var st unix.Statx_t
		if statBeneath(dir, name, true, &st) != nil || (fdDir(dir)).chtimes(name, mtime) != nil {
			return errFallback
		}
		return nil
	})
}

// removeDirect is what Remove asks of os.Root, which opens every directory on the way: what lies
// deep is removed in the time that anything else is. Where that fails, but for members in a
// directory, os.Root decides.
func (b *backend) removeDirect(h string) error {
	return b.beneath(h, func(dir int, name string) error {
		err := unix.Unlinkat(dir, name, 0)
		if err == unix.EISDIR {
			err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		}
		if err != nil && err != unix.ENOTEMPTY {
			err = errFallback
		}
		return err
	})
}

// destinationDirect is destination.
func (b *backend) destinationDirect(h string) (to destination, err error) {
	dir, err := b.parentOf(h)
	if err != nil {
		return to, errFallback
	}
	to = destination{dir: fdDir(dir), target: h}
	var st unix.Statx_t
	switch err := replaceable(dir, baseOf(h), &st); err {
	case nil:
		to.replaces, to.owner = described(baseOf(h), &st), owner{int(st.Uid), int(st.Gid), true}
	case unix.ENOENT:
	default:
		unix.Close(dir)
		return destination{}, err
	}
	return to, nil
}

// replaceable looks at the file at name, or returns why it may not be replaced: unix.ENOENT where
// nothing is.
func replaceable(dir int, name string, st *unix.Statx_t) error {
	if err := statBeneath(dir, name, true, st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return unix.EISDIR
	default:
		return fs.ErrPermission
	}
	// What opening it for writing would say. Not everything: the access to a file that can only
	// grow is granted.
	if st.Attributes&(unix.STATX_ATTR_APPEND|unix.STATX_ATTR_IMMUTABLE) != 0 ||
		unix.Faccessat2(dir, name, unix.W_OK, unix.AT_EACCESS|unix.AT_SYMLINK_NOFOLLOW) != nil {
		return errFallback
	}
	return nil
}

// fdDir is a directory by its descriptor.
type fdDir int

func (d fdDir) create(name string, perm fs.FileMode) (*os.File, error) {
	for {
		fd, err := unix.Openat(int(d), name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if err != unix.EINTR {
			return nil, err
		}
	}
}

func (d fdDir) chtimes(name string, mtime time.Time) error {
	at, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(int(d), name, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, at}, unix.AT_SYMLINK_NOFOLLOW)
}

func (d fdDir) remove(name string) error { return unix.Unlinkat(int(d), name, 0) }

func (d fdDir) rename(from, to string) error { return unix.Renameat(int(d), from, int(d), to) }

func (d fdDir) stat(name string) (*fsbackend.Info, error) {
	var st unix.Statx_t
	if err := statBeneath(int(d), name, true, &st); err != nil {
		return nil, err
	}
	return described(name, &st), nil
}

func (d fdDir) close() { unix.Close(int(d)) }

// at reports whether the name h leads to this directory.
func (d fdDir) at(b *backend, h string) (bool, error) {
	var here, there unix.Statx_t
	dir, err := b.parentOf(within(h, "x"))
	if err != nil {
		return false, err
	}
	defer unix.Close(dir)
	if statx(dir, "", unix.AT_EMPTY_PATH, &there) != nil || statx(int(d), "", unix.AT_EMPTY_PATH, &here) != nil {
		return false, errFallback
	}
	return here.Ino == there.Ino && here.Dev_major == there.Dev_major && here.Dev_minor == there.Dev_minor, nil
}
