package disk

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"dav207/fsbackend"
)

// stat describes h. What os.Root hands out with O_PATH cannot be read, needs no permission on the
// file itself, and is the link where h is one: then it looks again at what the link leads to.
func (b *backend) stat(h, name string, follow bool) (*fsbackend.Info, error) {
	for range maxLinks {
		f, err := b.root.OpenFile(h, unix.O_PATH, 0)
		if err != nil {
			return nil, err
		}
		fi, err := statFile(f, name)
		f.Close()
		if err != nil || !follow || !fi.IsLink() {
			return fi, err
		}
		if h, err = b.readlink(h); err != nil {
			return nil, err
		}
	}
	return nil, syscall.ELOOP
}

// statFile describes an open file.
func statFile(f *os.File, name string) (*fsbackend.Info, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var st unix.Statx_t
	if ctrl := conn.Control(func(fd uintptr) { err = statx(int(fd), "", unix.AT_EMPTY_PATH, &st) }); ctrl != nil {
		return nil, ctrl
	}
	if noStatx(err) {
		fi, err := f.Stat()
		if err != nil {
			return nil, err
		}
		return fsbackend.InfoOf(name, fi), nil
	}
	if err != nil {
		return nil, err
	}
	fi := &fsbackend.Info{}
	fill(&fi.Attr, name, &st)
	return fi, nil
}

// Lstat implements fsbackend.Dir. It uses memory of its own: package unix would allocate every name
// anew, which costs a fifth of the call.
func (d *directory) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	conn, err := d.f.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) {
			look := lstater{dir: int(fd)}
			for i, name := range names {
				if errs[i] = look.lstat(name); errs[i] == nil {
					fill(&infos[i].Attr, name, &look.st)
				}
			}
		})
	}
	for i, name := range names {
		switch {
		case err != nil:
			errs[i] = d.fail(name, err)
		case errs[i] == nil:
		case noStatx(errs[i]):
			fi, err := d.b.root.Lstat(within(hostOf(d.p), name))
			if errs[i] = nil; err != nil {
				errs[i] = d.fail(name, err)
				continue
			}
			infos[i] = *fsbackend.InfoOf(name, fi)
		default:
			errs[i] = d.fail(name, errs[i])
		}
	}
}

// lstater describes one member of a directory after another.
type lstater struct {
	dir  int
	name [256]byte // with the NUL at its end
	st   unix.Statx_t
}

func (l *lstater) lstat(name string) error {
	if !isSegment(name) {
		return fs.ErrNotExist
	}
	if len(name) >= len(l.name) {
		return statx(l.dir, name, unix.AT_SYMLINK_NOFOLLOW, &l.st)
	}
	l.name[copy(l.name[:], name)] = 0
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(l.dir), uintptr(unsafe.Pointer(&l.name)),
			unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, statxMask, uintptr(unsafe.Pointer(&l.st)), 0)
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

const statxMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME

// noStatx reports what statx says on kernels before 4.11 and in containers that do not know it.
func noStatx(err error) bool { return err == unix.ENOSYS || err == unix.EPERM }

func statx(fd int, name string, flags int, st *unix.Statx_t) error {
	for {
		err := unix.Statx(fd, name, flags|unix.AT_NO_AUTOMOUNT, statxMask, st)
		if err != unix.EINTR {
			return err
		}
	}
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

// direntSize is how much the kernel is asked for at a time: a collection of a thousand takes one
// system call, and another one that finds its end.
const direntSize = 64 << 10

// direntBuffers are those that names are read into.
var direntBuffers = sync.Pool{New: func() any { return new([direntSize]byte) }}

// readNames reads the names of all members, as Readdirnames of an *os.File does, which allocates
// every name by itself and asks the kernel for an eighth at a time.
func readNames(f *os.File) (names []string, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	buf := direntBuffers.Get().(*[direntSize]byte)
	defer direntBuffers.Put(buf)
	ctrl := conn.Control(func(fd uintptr) {
		for {
			var n int
			if n, err = unix.ReadDirent(int(fd), buf[:]); err == unix.EINTR {
				continue
			}
			if n <= 0 || err != nil {
				return
			}
			names = appendNames(names, buf[:n])
		}
	})
	if ctrl != nil {
		err = ctrl
	}
	return names, err
}

// appendNames appends the names that getdents64 wrote, but those of the directory itself and of its
// parent. They share their memory.
func appendNames(names []string, buf []byte) []string {
	// The names go one behind another, each with the NUL at its end, over the entries that were
	// read already.
	count, end := 0, 0
	for name := range dirents(buf) {
		end += copy(buf[end:], name[:len(name)+1])
		count++
	}
	names = slices.Grow(names, count)
	for all := string(buf[:end]); all != ""; {
		nul := strings.IndexByte(all, 0)
		names = append(names, all[:nul])
		all = all[nul+1:]
	}
	return names
}

// dirents yields the names that getdents64 wrote, and what each is, but those of the directory
// itself and of its parent. They are good until the next.
func dirents(all []byte) func(yield func(name []byte, kind byte) bool) {
	const (
		lenAt  = unsafe.Offsetof(unix.Dirent{}.Reclen)
		kindAt = unsafe.Offsetof(unix.Dirent{}.Type)
		nameAt = unsafe.Offsetof(unix.Dirent{}.Name)
	)
	return func(yield func([]byte, byte) bool) {
		for rest := all; len(rest) > int(nameAt); {
			size := int(binary.NativeEndian.Uint16(rest[lenAt:]))
			if size <= int(nameAt) || size > len(rest) {
				return
			}
			name := rest[nameAt:size]
			nul := bytes.IndexByte(name, 0)
			// An inode of 0 does not say that the entry is absent: some file systems have files
			// without one.
			if nul >= 0 && string(name[:nul]) != "." && string(name[:nul]) != ".." && !yield(name[:nul], rest[kindAt]) {
				return
			}
			rest = rest[size:]
		}
	}
}
