package memory

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"

	"github.com/spf13/afero"

	"dav207/fsbackend"
)

// maxFile bounds one file, so that a write far behind its end does not take all memory.
const maxFile = 1 << 34

// Create opens name as os.Create does.
func (m *Fs) Create(name string) (afero.File, error) {
	return m.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open opens a file or a directory for reading.
func (m *Fs) Open(name string) (afero.File, error) { return m.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile opens as open(2) does.
func (m *Fs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.open(clean(name), flag, perm)
	if err != nil {
		return nil, fail("open", name, err)
	}
	n.open++
	return &file{tree: m, node: n, name: name, flag: flag}, nil
}

func (m *Fs) open(name string, flag int, perm fs.FileMode) (*node, error) {
	n, err := m.find(name)
	if flag&os.O_CREATE != 0 && name != "/" {
		dir, segment, old, err := m.place(name)
		switch {
		case err != nil:
			return nil, err
		case old == nil:
			n = m.newNode(perm.Perm())
			m.link(dir, segment, n)
			return n, nil
		case flag&os.O_EXCL != 0:
			return nil, syscall.EEXIST
		}
	}
	if err != nil {
		return nil, err
	}
	if n.members != nil && flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC) != 0 {
		return nil, syscall.EISDIR
	}
	if flag&os.O_TRUNC != 0 {
		m.truncate(n, 0)
	}
	return n, nil
}

// truncate cuts or extends the content of n, as far as the capacity allows.
func (m *Fs) truncate(n *node, size int64) error {
	have := int64(len(n.data))
	if size > have {
		if size > maxFile {
			return syscall.EFBIG
		}
		if m.room() < uint64(size-have) {
			return syscall.ENOSPC
		}
		n.unshare()
		n.data = append(n.data, make([]byte, size-have)...)
	} else if size == 0 {
		n.data, n.shared = nil, false
	} else {
		n.unshare()
		clear(n.data[size:]) // a later extension finds zeros
		n.data = n.data[:size]
	}
	m.used += uint64(size) - uint64(have)
	m.contentChanged(n)
	return nil
}

func (m *Fs) room() uint64 {
	if m.capacity == 0 {
		return maxFile
	}
	return m.capacity - m.used
}

// write writes p at off, as much of it as the capacity allows.
func (m *Fs) write(n *node, p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if off > maxFile-int64(len(p)) {
		return 0, syscall.EFBIG
	}
	var short error
	if grow := off + int64(len(p)) - int64(len(n.data)); grow > 0 {
		if room := m.room(); uint64(grow) > room {
			short = syscall.ENOSPC
			p = p[:max(0, int64(len(p))-(grow-int64(room)))]
			if len(p) == 0 {
				return 0, short
			}
		}
		if gap := off - int64(len(n.data)); gap > 0 {
			if err := m.truncate(n, off); err != nil {
				return 0, err
			}
		}
		n.unshare()
		have := len(n.data)
		n.data = append(n.data[:off], p...)
		if len(n.data) < have {
			n.data = n.data[:have]
		}
		m.used += uint64(len(n.data) - have)
	} else {
		n.unshare()
		copy(n.data[off:], p)
	}
	m.contentChanged(n)
	return len(p), short
}

// file is an open file or directory.
type file struct {
	tree *Fs
	node *node
	name string
	flag int

	mu     sync.Mutex // taken before the lock of the tree
	off    int64
	closed bool
	names  []string // of the members not listed yet
	listed bool
}

func (f *file) fail(op string, err error) error {
	if err == io.EOF {
		return err
	}
	return fail(op, f.name, err)
}

func (f *file) Name() string { return f.name }
func (f *file) Sync() error  { return nil }

func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.fail("close", fs.ErrClosed)
	}
	f.closed = true
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	f.node.open--
	f.tree.release(f.node)
	return nil
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info() }

func (f *file) info() (*fsbackend.Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, f.fail("stat", fs.ErrClosed)
	}
	f.tree.mu.RLock()
	defer f.tree.mu.RUnlock()
	return f.tree.info(path.Base(clean(f.name)), f.node), nil
}

// checkAccess returns why the handle cannot be read or, with write, written. The caller holds f.mu.
func (f *file) checkAccess(write bool) error {
	access := f.flag & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
	switch {
	case f.closed:
		return fs.ErrClosed
	case write && access == os.O_RDONLY, !write && access == os.O_WRONLY:
		return syscall.EBADF
	case f.node.members != nil:
		return syscall.EISDIR
	}
	return nil
}

func (f *file) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.readAt(p, f.off)
	f.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, f.fail("read", err)
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off < 0 {
		return 0, f.fail("readat", syscall.EINVAL)
	}
	n, err := f.readAt(p, off)
	return n, f.fail("readat", err)
}

func (f *file) readAt(p []byte, off int64) (int, error) {
	if err := f.checkAccess(false); err != nil {
		return 0, err
	}
	f.tree.mu.RLock()
	defer f.tree.mu.RUnlock()
	if off >= int64(len(f.node.data)) {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.checkAccess(true); err != nil {
		return 0, f.fail("write", err)
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if f.flag&os.O_APPEND != 0 {
		f.off = int64(len(f.node.data))
	}
	n, err := f.tree.write(f.node, p, f.off)
	f.off += int64(n)
	return n, f.fail("write", err)
}

func (f *file) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

var errAppend = errors.New("WriteAt on a file opened with O_APPEND")

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.checkAccess(true)
	switch {
	case err != nil:
	case f.flag&os.O_APPEND != 0:
		err = errAppend
	case off < 0:
		err = syscall.EINVAL
	}
	if err != nil {
		return 0, f.fail("writeat", err)
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	n, err := f.tree.write(f.node, p, off)
	return n, f.fail("writeat", err)
}

func (f *file) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.checkAccess(true)
	if err == nil && size < 0 {
		err = syscall.EINVAL
	}
	if err != nil {
		return f.fail("truncate", err)
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	return f.fail("truncate", f.tree.truncate(f.node, size))
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, f.fail("seek", fs.ErrClosed)
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.off
	case io.SeekEnd:
		f.tree.mu.RLock()
		offset += int64(len(f.node.data))
		f.tree.mu.RUnlock()
	default:
		return 0, f.fail("seek", syscall.EINVAL)
	}
	if offset < 0 {
		return 0, f.fail("seek", syscall.EINVAL)
	}
	f.off = offset
	if offset == 0 {
		f.listed, f.names = false, nil // a directory is listed anew
	}
	return offset, nil
}

// nextNames returns the next n names in order, or all that are left if n <= 0, as
// os.File.Readdirnames does.
func (f *file) nextNames(n int) ([]string, error) {
	switch {
	case f.closed:
		return nil, fs.ErrClosed
	case f.node.members == nil:
		return nil, syscall.ENOTDIR
	}
	if !f.listed {
		f.names, f.listed = f.tree.list(f.node), true
	}
	if n <= 0 {
		n = len(f.names)
	} else if len(f.names) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(f.names))
	names := f.names[:n:n]
	f.names = f.names[n:]
	return names, nil
}

func (f *file) Readdirnames(n int) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	names, err := f.nextNames(n)
	return names, f.fail("readdir", err)
}

func (f *file) Readdir(n int) ([]fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		names, err := f.nextNames(n)
		infos := make([]fs.FileInfo, 0, len(names))
		f.tree.mu.RLock()
		for _, name := range names {
			if member := f.node.members[name]; member != nil { // it may have been removed since
				infos = append(infos, f.tree.info(name, member))
			}
		}
		f.tree.mu.RUnlock()
		if err != nil || n <= 0 || len(infos) > 0 {
			return infos, f.fail("readdir", err)
		}
	}
}

var _ afero.File = (*file)(nil)
