package fsbackend

import (
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// briefSize is how large a file may be to be opened as a brief one: what is larger is worth sendfile, which wants an *os.File.
const briefSize = 16 << 10

// brief is a small regular file that is open for reading. An *os.File asks the system first whether it can wait for the file,
// which it cannot (fcntl, epoll_ctl), and the collector to close what is forgotten: an eighth of what the server does for a GET
// of 1 KiB.
type brief struct {
	name string

	mu    sync.Mutex
	fd    int  // -1 once it is closed
	fresh bool // nobody has asked for found yet

	found info // what the opening saw, for the first Stat
}

// use has f use the descriptor.
func (f *brief) use(op string, do func(fd int) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := fs.ErrClosed
	if f.fd >= 0 {
		err = do(f.fd)
	}
	if err != nil && err != io.EOF {
		err = &fs.PathError{Op: op, Path: f.name, Err: err}
	}
	return err
}

func (f *brief) Close() error {
	return f.use("close", func(fd int) error {
		f.fd = -1
		return unix.Close(fd)
	})
}

func (f *brief) Read(b []byte) (n int, err error) {
	err = f.use("read", func(fd int) (err error) {
		for n, err = unix.Read(fd, b); err == unix.EINTR; {
			n, err = unix.Read(fd, b)
		}
		if n = max(n, 0); n == 0 && err == nil && len(b) > 0 {
			err = io.EOF
		}
		return err
	})
	return n, err
}

func (f *brief) Seek(offset int64, whence int) (at int64, err error) {
	err = f.use("seek", func(fd int) (err error) {
		at, err = unix.Seek(fd, offset, whence)
		return err
	})
	return at, err
}

func (f *brief) Stat() (fi fs.FileInfo, err error) {
	err = f.use("stat", func(fd int) error {
		if f.fresh {
			fi, f.fresh = &f.found, false
			return nil
		}
		var st unix.Statx_t
		if err := statx(uintptr(fd), "", unix.AT_EMPTY_PATH, &st); err != nil {
			return err
		}
		found := &info{}
		fill(found, path.Base(f.name), &st)
		fi = found
		return nil
	})
	return fi, err
}

// SyscallConn is for sendfile, as that of os.File.
func (f *brief) SyscallConn() (syscall.RawConn, error) { return rawBrief{f}, nil }

func (f *brief) Write([]byte) (int, error) {
	return 0, f.use("write", func(int) error { return syscall.EBADF })
}

func (f *brief) Readdir(int) ([]fs.FileInfo, error) {
	return nil, f.use("readdir", func(int) error { return syscall.ENOTDIR })
}

// rawBrief is the descriptor of a brief. Nothing ever waits for it.
type rawBrief struct{ f *brief }

func (r rawBrief) Control(do func(fd uintptr)) error {
	return r.f.use("control", func(fd int) error {
		do(uintptr(fd))
		return nil
	})
}

func (r rawBrief) Read(do func(fd uintptr) bool) error {
	return r.f.use("read", func(fd int) error {
		if !do(uintptr(fd)) {
			return os.ErrNoDeadline // as that of an *os.File that cannot wait
		}
		return nil
	})
}

func (r rawBrief) Write(func(fd uintptr) bool) error {
	return &fs.PathError{Op: "write", Path: r.f.name, Err: syscall.EBADF}
}
