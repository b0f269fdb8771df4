package disk

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"dav207/fsbackend"
)

// dir is a directory that is held open. Its methods take the name of a member, which is a single
// segment, and follow no link.
type dir int

// openBeneath opens h, on the way to which there is no link. unix.ENOENT and unix.ENOTDIR are
// certain: there is no link up to where nothing is found any more. The kernel takes less than
// PATH_MAX bytes at a time, so a longer path is opened in pieces, each relative to the one before:
// a member that lies deep costs two or three calls, not one for each segment.
func openBeneath(base int, h string, flags uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	if cut := strings.LastIndexByte(h[:min(len(h), unix.PathMax)], '/'); len(h) >= unix.PathMax && cut >= 0 {
		next, err := openBeneath(base, h[:cut], unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return -1, err
		}
		defer unix.Close(next)
		return openBeneath(next, h[cut+1:], flags)
	}
	return unix.Openat2(base, h, &how)
}

// missing reports whether an error of openat2 says for certain that nothing is there.
func missing(err error) bool { return err == unix.ENOENT || err == unix.ENOTDIR }

// openDirect opens h with O_PATH without passing a link. Any error that missing does not know means
// that there is a link, that a directory may not be searched, or that the kernel (before 5.6) or
// the container has no openat2.
func (b *backend) openDirect(h string, flags uint64) (fd int, err error) {
	if b.noKernel {
		return -1, unix.ENOSYS
	}
	conn, err := b.base.SyscallConn()
	if err != nil {
		return -1, err
	}
	ctrl := conn.Control(func(base uintptr) {
		if h == "." { // a look at a member of the root takes a fifth less time than with openat2
			fd, err = unix.FcntlInt(base, unix.F_DUPFD_CLOEXEC, 0)
		} else {
			fd, err = openBeneath(int(base), h, unix.O_PATH|flags)
		}
	})
	if ctrl != nil {
		return -1, ctrl // the tree is closed
	}
	return fd, err
}

// noLinks reports whether h is known to lead through no link, or to nothing before it comes to one.
func (b *backend) noLinks(h string, follow bool) bool {
	flags := uint64(0)
	if !follow {
		flags = unix.O_NOFOLLOW
	}
	fd, err := b.openDirect(h, flags)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil || missing(err)
}

// openDir opens the directory h, and reports whether there was no link on the way. The kernel goes
// there in one step where it can, os.Root segment by segment otherwise.
func (b *backend) openDir(h string) (d dir, direct bool, err error) {
	fd, err := b.openDirect(h, unix.O_DIRECTORY)
	if err == nil || missing(err) {
		return dir(fd), true, err
	}
	if h, err = b.realName(h, true); err != nil {
		return -1, false, err
	}
	f, err := b.root.OpenFile(h, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return -1, false, err
	}
	defer f.Close()
	fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return dir(fd), false, err
}

func (d dir) close() { unix.Close(int(d)) }

func (d dir) lstat(name string) (m member, err error) {
	var st unix.Statx_t
	if err := statx(int(d), name, unix.AT_SYMLINK_NOFOLLOW, &st); err != nil {
		return m, err
	}
	m = member{Info: infoOf(&st), owner: owner{int(st.Uid), int(st.Gid), true}}
	switch {
	case st.Attributes&(unix.STATX_ATTR_APPEND|unix.STATX_ATTR_IMMUTABLE) != 0:
		m.kept = unix.EPERM
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		m.kept = unix.EBUSY
	}
	return m, nil
}

// open opens a file or directory. Opening anything else could wait for ever or do something to a
// device: the caller has looked, the system does not wait, and open looks again at what it got.
// The file is called as in its errors.
func (d dir) open(name, as string, flag int) (*os.File, *fsbackend.Info, error) {
	fd, err := d.openat(name, flag|openFlags, 0)
	if err != nil {
		return nil, nil, err
	}
	var st unix.Statx_t
	if err = statx(fd, "", unix.AT_EMPTY_PATH, &st); err == nil && !servable(fileMode(st.Mode)) {
		err = fs.ErrPermission
	}
	if err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	// Package os would try to wait for a file without O_NONBLOCK, which costs more.
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flag)
	return os.NewFile(uintptr(fd), as), infoOf(&st), nil
}

func (d dir) openat(name string, flag int, perm fs.FileMode) (int, error) {
	for {
		fd, err := unix.Openat(int(d), name, flag|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// create makes a file that was not there.
func (d dir) create(name, as string, flag int, perm fs.FileMode) (*os.File, error) {
	fd, err := d.openat(name, flag|unix.O_CREAT|unix.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), as), nil
}

// writable returns what opening the file m for writing would, but that it can be busy.
func (d dir) writable(name string, m member) error {
	if m.kept != nil {
		return m.kept
	}
	return unix.Faccessat(int(d), name, unix.W_OK, unix.AT_EACCESS|unix.AT_SYMLINK_NOFOLLOW)
}

func (d dir) mkdir(name string) error { return unix.Mkdirat(int(d), name, 0o777) }

// remove removes a file or an empty directory.
func (d dir) remove(name string) error {
	err := unix.Unlinkat(int(d), name, 0)
	if err == unix.EISDIR {
		err = unix.Unlinkat(int(d), name, unix.AT_REMOVEDIR)
	}
	return err
}

func (d dir) rename(from, to string) error { return unix.Renameat(int(d), from, int(d), to) }

func (b *backend) rename(from, to place) error {
	return unix.Renameat(int(from.dir), filepath.Base(from.h), int(to.dir), filepath.Base(to.h))
}

func (d dir) chtimes(name string, mtime time.Time) error {
	at, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(int(d), name, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, at}, unix.AT_SYMLINK_NOFOLLOW)
}

// same reports whether both are the same directory.
func (d dir) same(other dir) (bool, error) {
	var a, b unix.Statx_t
	err := statx(int(d), "", unix.AT_EMPTY_PATH, &a)
	if err == nil {
		err = statx(int(other), "", unix.AT_EMPTY_PATH, &b)
	}
	return err == nil && a.Ino == b.Ino && a.Dev_major == b.Dev_major && a.Dev_minor == b.Dev_minor, err
}

func (d dir) usage() (used, free uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(d), &st); err != nil {
		return 0, 0, err
	}
	size := uint64(st.Bsize)
	if st.Frsize > 0 {
		size = uint64(st.Frsize)
	}
	return (st.Blocks - st.Bfree) * size, st.Bavail * size, nil
}

// Lstat implements fsbackend.Dir.
func (d *directory) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	conn, err := d.f.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) {
			var st unix.Statx_t
			for i, name := range names {
				errs[i] = fs.ErrNotExist
				if isSegment(name) {
					errs[i] = statx(int(fd), name, unix.AT_SYMLINK_NOFOLLOW, &st)
				}
				fill(&infos[i].Attr, name, &st)
			}
		})
	}
	for i, name := range names {
		if err != nil {
			errs[i] = err
		}
		if errs[i] != nil {
			errs[i] = d.fail(name, errs[i])
		}
	}
}

// statx uses fstatat on kernels before 4.11 and in containers that do not know statx. It has the
// name on the stack: package unix allocates each, which costs a tenth of a listing.
func statx(fd int, name string, flags int, st *unix.Statx_t) error {
	var path [256]byte
	switch {
	case len(name) >= len(path):
		return unix.ENAMETOOLONG
	case strings.IndexByte(name, 0) >= 0:
		return unix.EINVAL
	}
	copy(path[:], name)
	for {
		_, _, err := unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(unsafe.Pointer(&path)), uintptr(flags|unix.AT_NO_AUTOMOUNT),
			unix.STATX_BASIC_STATS|unix.STATX_BTIME, uintptr(unsafe.Pointer(st)), 0)
		switch err {
		case 0:
			return nil
		case unix.EINTR:
			continue
		case unix.ENOSYS, unix.EPERM:
			return oldStat(fd, name, flags, st)
		}
		return err
	}
}

func oldStat(fd int, name string, flags int, st *unix.Statx_t) error {
	var old unix.Stat_t
	err := unix.Fstatat(fd, name, &old, flags)
	*st = unix.Statx_t{Mode: uint16(old.Mode), Size: uint64(old.Size), Ino: old.Ino, Uid: old.Uid, Gid: old.Gid,
		Mtime:     unix.StatxTimestamp{Sec: int64(old.Mtim.Sec), Nsec: uint32(old.Mtim.Nsec)},
		Ctime:     unix.StatxTimestamp{Sec: int64(old.Ctim.Sec), Nsec: uint32(old.Ctim.Nsec)},
		Dev_major: unix.Major(uint64(old.Dev)), Dev_minor: unix.Minor(uint64(old.Dev))}
	return err
}

func infoOf(st *unix.Statx_t) *fsbackend.Info {
	fi := &fsbackend.Info{}
	fill(&fi.Attr, "", st)
	return fi
}

func fill(a *fsbackend.Attr, name string, st *unix.Statx_t) {
	*a = fsbackend.Attr{
		Name:       name,
		Size:       int64(st.Size),
		Mode:       fileMode(st.Mode),
		ModTime:    time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec)),
		ChangeTime: time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec)),
		ID:         fsbackend.ID{Device: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino},
	}
	if st.Mask&unix.STATX_BTIME != 0 && st.Btime.Sec > 0 {
		a.Birth = time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))
	}
}

var fileTypes = map[uint16]fs.FileMode{
	unix.S_IFREG: 0, unix.S_IFDIR: fs.ModeDir, unix.S_IFLNK: fs.ModeSymlink, unix.S_IFIFO: fs.ModeNamedPipe,
	unix.S_IFSOCK: fs.ModeSocket, unix.S_IFBLK: fs.ModeDevice, unix.S_IFCHR: fs.ModeDevice | fs.ModeCharDevice,
}

func fileMode(m uint16) fs.FileMode {
	kind, ok := fileTypes[m&unix.S_IFMT]
	if !ok {
		kind = fs.ModeIrregular
	}
	mode := fs.FileMode(m&0o777) | kind
	if m&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if m&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if m&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}
