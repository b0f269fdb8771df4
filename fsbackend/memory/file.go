package memory

import (
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/spf13/afero"

	"dav207/fsbackend"
)

// file is an open file or directory. The lock of the tree guards it.
type file struct {
	tree *Fs
	node *node
	name string
	flag int

	off    int64
	closed bool
	infos  []fs.FileInfo // of the members not listed yet
	listed bool
}

var _ afero.File = (*file)(nil)

// handle opens n, which has this name. The caller holds m.mu.
func (m *Fs) handle(n *node, name string, flag int) *file {
	n.open++
	m.handles[clean(name)]++
	return &file{tree: m, node: n, name: name, flag: flag}
}

// do calls f and returns its error as that of the operation op. access is os.O_RDONLY or
// os.O_WRONLY, which the handle must allow, or os.O_RDWR for any handle.
func (f *file) do(op string, access int, do func() (int, error)) (int, error) {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	var err error
	switch {
	case f.closed:
		err = fs.ErrClosed
	case access == os.O_RDWR:
	case f.flag&os.O_RDWR == 0 && f.flag&os.O_WRONLY != access:
		err = syscall.EBADF
	case f.node.members != nil:
		err = syscall.EISDIR
	}
	if err != nil {
		return 0, fail(op, f.name, err)
	}
	n, err := do()
	if err == io.EOF {
		return n, err
	}
	return n, fail(op, f.name, err)
}

func (f *file) Name() string { return f.name }
func (f *file) Sync() error  { return nil }

func (f *file) Close() error {
	_, err := f.do("close", os.O_RDWR, func() (int, error) {
		f.end()
		return 0, nil
	})
	return err
}

func (f *file) end() {
	f.closed = true
	f.node.open--
	if name := clean(f.name); f.tree.handles[name] > 1 {
		f.tree.handles[name]--
	} else {
		delete(f.tree.handles, name)
	}
	f.tree.release(f.node)
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info() }

func (f *file) info() (info *fsbackend.Info, err error) {
	_, err = f.do("stat", os.O_RDWR, func() (int, error) {
		info = f.tree.info(path.Base(clean(f.name)), f.node)
		return 0, nil
	})
	return info, err
}

func (f *file) Read(p []byte) (int, error) {
	return f.do("read", os.O_RDONLY, func() (int, error) {
		if f.off >= int64(len(f.node.data)) && len(p) > 0 {
			return 0, io.EOF
		}
		n := copy(p, f.node.data[min(f.off, int64(len(f.node.data))):])
		f.off += int64(n)
		return n, nil
	})
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	return f.do("readat", os.O_RDONLY, func() (int, error) {
		if off < 0 {
			return 0, syscall.EINVAL
		}
		n := copy(p, f.node.data[min(off, int64(len(f.node.data))):])
		if n < len(p) {
			return n, io.EOF
		}
		return n, nil
	})
}

func (f *file) Write(p []byte) (int, error) {
	return f.do("write", os.O_WRONLY, func() (int, error) {
		if f.flag&os.O_APPEND != 0 {
			f.off = int64(len(f.node.data))
		}
		n, err := f.tree.write(f.node, p, f.off)
		f.off += int64(n)
		return n, err
	})
}

func (f *file) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	return f.do("writeat", os.O_WRONLY, func() (int, error) {
		if off < 0 || f.flag&os.O_APPEND != 0 {
			return 0, syscall.EINVAL
		}
		return f.tree.write(f.node, p, off)
	})
}

func (f *file) Truncate(size int64) error {
	_, err := f.do("truncate", os.O_WRONLY, func() (int, error) {
		if size < 0 {
			return 0, syscall.EINVAL
		}
		return 0, f.tree.truncate(f.node, size)
	})
	return err
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	_, err := f.do("seek", os.O_RDWR, func() (int, error) {
		switch whence {
		case io.SeekStart:
		case io.SeekCurrent:
			offset += f.off
		case io.SeekEnd:
			offset += int64(len(f.node.data))
		default:
			return 0, syscall.EINVAL
		}
		if offset < 0 {
			return 0, syscall.EINVAL
		}
		f.off = offset
		if offset == 0 {
			f.listed = false // a directory is listed anew
		}
		return 0, nil
	})
	if err != nil {
		return 0, err
	}
	return offset, nil
}

// Readdir returns the infos of the next n members in the order of their names, or of all that are
// left if n <= 0, as they were at the first call.
func (f *file) Readdir(n int) (infos []fs.FileInfo, err error) {
	_, err = f.do("readdir", os.O_RDWR, func() (int, error) {
		if f.node.members == nil {
			return 0, syscall.ENOTDIR
		}
		if !f.listed {
			f.infos, f.listed = nil, true
			for _, name := range f.node.names() {
				f.infos = append(f.infos, f.tree.info(name, f.node.members[name]))
			}
		}
		if n > 0 && len(f.infos) == 0 {
			return 0, io.EOF
		}
		if n <= 0 || n > len(f.infos) {
			n = len(f.infos)
		}
		infos, f.infos = f.infos[:n:n], f.infos[n:]
		return 0, nil
	})
	return infos, err
}

func (f *file) Readdirnames(n int) ([]string, error) {
	infos, err := f.Readdir(n)
	names := make([]string, len(infos))
	for i, fi := range infos {
		names[i] = fi.Name()
	}
	return names, err
}
