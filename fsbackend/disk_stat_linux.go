package fsbackend

import (
	"io/fs"
	"os"
	"path"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// look describes p. What os.Root hands out with O_PATH cannot be read, needs no permission on the file itself, and
// is the link where p is one: then it looks again at what the link leads to.
func (d *Disk) look(p, name string, follow bool) (fs.FileInfo, error) {
	for range maxLinks {
		fi, err := d.lookAt(p, name)
		if err != nil || !follow || fi.Mode().Type() != fs.ModeSymlink {
			return fi, err
		}
		if p, err = d.readlink(p); err != nil {
			return nil, err
		}
	}
	return nil, syscall.ELOOP
}

func (d *Disk) lookAt(p, name string) (fs.FileInfo, error) {
	f, err := d.root.OpenFile(p, unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	return handle{conn}.stat(f, name)
}

// handle asks about an open file by its descriptor.
type handle struct{ conn syscall.RawConn }

func newHandle(f *os.File) (handle, error) {
	conn, err := f.SyscallConn()
	return handle{conn}, err
}

// stat describes f itself.
func (h handle) stat(f *os.File, name string) (fs.FileInfo, error) {
	fi, err := h.statx("", name, unix.AT_EMPTY_PATH)
	if unsupported(err) {
		old, err := f.Stat()
		if err != nil {
			return nil, err
		}
		return newInfo(name, old), nil
	}
	return fi, err
}

// lstat describes a member with one system call.
func (f *directory) lstat(name string) (fs.FileInfo, error) {
	fi, err := f.at.statx(name, name, unix.AT_SYMLINK_NOFOLLOW)
	if unsupported(err) {
		old, err := f.disk.root.Lstat(within(f.p, name))
		if err != nil {
			return nil, err
		}
		return newInfo(name, old), nil
	}
	return fi, err
}

// LstatAll implements tree.MembersLister.
func (f *directory) LstatAll(names []string, infos []fs.FileInfo, errs []error) {
	var found []info // for those that bring no memory
	failed := false
	ctrl := f.at.conn.Control(func(fd uintptr) {
		look := looker{dir: fd}
		for i, name := range names {
			if errs[i] = look.lstat(name); errs[i] != nil {
				infos[i], failed = nil, true
				continue
			}
			fi, again := infos[i].(*info)
			if !again {
				if len(found) == 0 {
					found = make([]info, len(names)-i)
				}
				fi, found = &found[0], found[1:]
			}
			*fi = info{}
			fill(fi, name, &look.st)
			infos[i] = fi
		}
	})
	if ctrl == nil && !failed {
		return
	}
	for i, name := range names {
		switch {
		case ctrl != nil:
			errs[i] = ctrl
		case errs[i] == nil:
		case unsupported(errs[i]):
			infos[i], errs[i] = f.Lstat(name)
		default:
			errs[i] = f.disk.reading("lstat", path.Join(f.name, name), errs[i])
		}
	}
}

// looker looks at one member of a directory after another, in memory of its own: package unix would allocate every name anew,
// which costs a fifth of the look.
type looker struct {
	dir  uintptr
	name [256]byte // with the NUL at its end
	st   unix.Statx_t
}

func (l *looker) lstat(name string) error {
	if !isSegment(name) {
		return fs.ErrNotExist
	}
	if len(name) >= len(l.name) {
		return statx(l.dir, name, unix.AT_SYMLINK_NOFOLLOW, &l.st)
	}
	l.name[copy(l.name[:], name)] = 0
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, l.dir, uintptr(unsafe.Pointer(&l.name)), unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT,
			looked, uintptr(unsafe.Pointer(&l.st)), 0)
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// looked is what a look asks for.
const looked = unix.STATX_BASIC_STATS | unix.STATX_BTIME

// unsupported reports what statx says on kernels before 4.11 and in containers that do not know it.
func unsupported(err error) bool { return err == unix.ENOSYS || err == unix.EPERM }

func (h handle) statx(p, name string, flags int) (fs.FileInfo, error) {
	var st unix.Statx_t
	var err error
	ctrl := h.conn.Control(func(fd uintptr) { err = statx(fd, p, flags, &st) })
	if ctrl != nil {
		return nil, ctrl
	}
	if err != nil {
		return nil, err
	}
	fi := &info{}
	fill(fi, name, &st)
	return fi, nil
}

func statx(fd uintptr, p string, flags int, st *unix.Statx_t) error {
	for {
		err := unix.Statx(int(fd), p, flags|unix.AT_NO_AUTOMOUNT, looked, st)
		if err != unix.EINTR {
			return err
		}
	}
}

func fill(fi *info, name string, st *unix.Statx_t) {
	fi.name = name
	fi.size = int64(st.Size)
	fi.mode = fileMode(st.Mode)
	fi.mtime = moment{st.Mtime.Sec, st.Mtime.Nsec}
	fi.ctime = moment{st.Ctime.Sec, st.Ctime.Nsec}
	fi.id = fileID{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 && st.Btime.Sec > 0 {
		fi.birth = moment{st.Btime.Sec, st.Btime.Nsec}
	}
}

func fileMode(m uint16) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFREG:
	default:
		mode |= fs.ModeIrregular
	}
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
