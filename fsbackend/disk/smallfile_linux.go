package disk

import (
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// smallFileSize is how large a file may be to be opened as a smallFile: what is larger is worth
// sendfile, which wants an *os.File.
const smallFileSize = 16 << 10

// smallFile is a small regular file that is open for reading. An *os.File asks the system first
// whether it can wait for the file, which it cannot (fcntl, epoll_ctl), and the collector to
// close what is forgotten: an eighth of what the server does for a GET of 1 KiB.
type smallFile struct {
	p davpath.Path

	mu    sync.Mutex
	fd    int  // -1 once it is closed
	fresh bool // nobody has asked for found yet

	found fsbackend.Info // what the opening saw, for the first Stat
}

// use calls do with the descriptor.
func (f *smallFile) use(op string, do func(fd int) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := fs.ErrClosed
	if f.fd >= 0 {
		err = do(f.fd)
	}
	if err != nil && err != io.EOF {
		err = &fs.PathError{Op: op, Path: f.p.String(), Err: err}
	}
	return err
}

// Close implements fsbackend.File.
func (f *smallFile) Close() error {
	return f.use("close", func(fd int) error {
		f.fd = -1
		return unix.Close(fd)
	})
}

// Read implements fsbackend.File.
func (f *smallFile) Read(b []byte) (n int, err error) {
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

// Seek implements fsbackend.File.
func (f *smallFile) Seek(offset int64, whence int) (at int64, err error) {
	err = f.use("seek", func(fd int) (err error) {
		at, err = unix.Seek(fd, offset, whence)
		return err
	})
	return at, err
}

// Stat implements fsbackend.File.
func (f *smallFile) Stat() (fi *fsbackend.Info, err error) {
	err = f.use("stat", func(fd int) error {
		if f.fresh {
			fi, f.fresh = &f.found, false
			return nil
		}
		var st unix.Statx_t
		if err := statx(fd, "", unix.AT_EMPTY_PATH, &st); err != nil {
			return err
		}
		fi = &fsbackend.Info{}
		fill(&fi.Attr, nameOf(f.p), &st)
		return nil
	})
	return fi, err
}

// SyscallConn is for sendfile, as that of os.File.
func (f *smallFile) SyscallConn() (syscall.RawConn, error) { return rawSmallFile{f}, nil }

// rawSmallFile is the descriptor of a smallFile. Nothing ever waits for it.
type rawSmallFile struct{ f *smallFile }

func (r rawSmallFile) Control(do func(fd uintptr)) error {
	return r.f.use("control", func(fd int) error {
		do(uintptr(fd))
		return nil
	})
}

func (r rawSmallFile) Read(do func(fd uintptr) bool) error {
	return r.f.use("read", func(fd int) error {
		if !do(uintptr(fd)) {
			return os.ErrNoDeadline // as that of an *os.File that cannot wait
		}
		return nil
	})
}

func (r rawSmallFile) Write(func(fd uintptr) bool) error {
	return &fs.PathError{Op: "write", Path: r.f.p.String(), Err: syscall.EBADF}
}
