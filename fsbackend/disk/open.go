package disk

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"sync/atomic"
	"syscall"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Open implements fsbackend.Backend.
func (b *backend) Open(_ context.Context, p davpath.Path) (fsbackend.File, error) {
	h, ok := host(p)
	if !ok {
		return nil, fsbackend.ReadError("open", p, fs.ErrNotExist)
	}
	o, err := b.openAny(h, nameOf(p), p, true)
	switch {
	case err != nil:
		return nil, b.readError("open", p, err)
	case o.small != nil:
		return o.small, nil
	case o.info.IsDir():
		o.file.Close()
		return nil, &fs.PathError{Op: "open", Path: p.String(), Err: syscall.EISDIR}
	}
	f := &file{host: o.file, p: p}
	f.found.Store(o.info)
	return f, nil
}

// opened is what was opened for reading: small, or file with its info.
type opened struct {
	small fsbackend.File
	file  *os.File
	info  *fsbackend.Info
}

// openAny opens the file or directory h for reading, and describes it under name. With small a
// small file may be opened as a smallFile of p.
func (b *backend) openAny(h, name string, p davpath.Path, small bool) (o opened, err error) {
	if o, err := b.openDirect(h, name, p, small); err != errFallback {
		return o, err
	}
	if err := b.checkNoReservedLink(h, true); err != nil {
		return o, err
	}
	var fi fs.FileInfo
	if o.file, fi, err = b.open(h, os.O_RDONLY); err == nil {
		if o.info, err = statFile(o.file, name); err != nil {
			o.info, err = fsbackend.InfoOf(name, fi), nil
		}
	}
	return o, err
}

// openFile opens h for reading.
func (b *backend) openFile(h string) (*os.File, *fsbackend.Info, error) {
	o, err := b.openAny(h, baseOf(h), davpath.Root, false)
	return o.file, o.info, err
}

// openDir opens the collection p.
func (b *backend) openDir(p davpath.Path) (*os.File, *fsbackend.Info, error) {
	h, ok := host(p)
	if !ok {
		return nil, nil, fs.ErrNotExist
	}
	f, fi, err := b.openFile(h)
	if err == nil && !fi.IsDir() {
		f.Close()
		err = errNotDir
	}
	return f, fi, err
}

// errNotDir is syscall.ENOTDIR of the thing itself. That of something on the way to it says that it
// does not exist.
var errNotDir = errors.New("not a directory")

// open opens what h leads to if it is a regular file or a directory. Opening anything else could
// wait for ever or do something to a device; so it looks first, does not let the system wait, and
// looks again at what it got.
func (b *backend) open(h string, flag int) (*os.File, fs.FileInfo, error) {
	fi, err := b.root.Stat(h)
	if err == nil && !servable(fi.Mode()) {
		err = fs.ErrPermission
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := b.root.OpenFile(h, flag|openFlags, 0)
	if errors.Is(err, syscall.ENXIO) { // what a FIFO without a reader and a socket answer
		err = fs.ErrPermission
	}
	if err != nil {
		return nil, nil, err
	}
	fi, err = f.Stat()
	if err == nil && !servable(fi.Mode()) {
		err = fs.ErrPermission
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

func servable(m fs.FileMode) bool { return m.IsRegular() || m.IsDir() }

// file is a file that is open for reading. The errors of an *os.File have the name that the host
// has for it.
type file struct {
	host  *os.File
	p     davpath.Path
	found atomic.Pointer[fsbackend.Info] // what the opening saw, for the first Stat
}

func (f *file) fail(op string, err error) error { return fileError(op, f.p.String(), err) }

// Read implements fsbackend.File.
func (f *file) Read(b []byte) (int, error) {
	n, err := f.host.Read(b)
	return n, f.fail("read", err)
}

// Seek implements fsbackend.File.
func (f *file) Seek(offset int64, whence int) (int64, error) {
	at, err := f.host.Seek(offset, whence)
	return at, f.fail("seek", err)
}

// Close implements fsbackend.File.
func (f *file) Close() error { return f.fail("close", f.host.Close()) }

// SyscallConn is for sendfile.
func (f *file) SyscallConn() (syscall.RawConn, error) { return f.host.SyscallConn() }

// Stat implements fsbackend.File.
func (f *file) Stat() (*fsbackend.Info, error) {
	if fi := f.found.Swap(nil); fi != nil {
		return fi, nil
	}
	fi, err := statFile(f.host, nameOf(f.p))
	return fi, f.fail("stat", err)
}

// OpenDir implements fsbackend.Backend.
func (b *backend) OpenDir(_ context.Context, p davpath.Path) (fsbackend.Dir, error) {
	f, _, err := b.openDir(p)
	if err == errNotDir {
		return nil, &fs.PathError{Op: "open", Path: p.String(), Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, b.readError("open", p, err)
	}
	return &directory{f: f, b: b, p: p}, nil
}

// directory is an open directory. It is read through its handle, whatever its name leads to in the
// meantime.
type directory struct {
	f *os.File
	b *backend
	p davpath.Path
}

// Names implements fsbackend.Dir.
func (d *directory) Names() ([]string, error) {
	names, err := readNames(d.f)
	if err != nil && err != io.EOF {
		return nil, fsbackend.ReadError("readdir", d.p, err)
	}
	return names, nil
}

// Close implements fsbackend.Dir.
func (d *directory) Close() error {
	if err := d.f.Close(); err != nil {
		return fsbackend.ReadError("close", d.p, err)
	}
	return nil
}

// fail is the error of looking at a member.
func (d *directory) fail(name string, err error) error {
	if !isSegment(name) {
		return &fs.PathError{Op: "lstat", Path: path.Join(d.p.String(), name), Err: fs.ErrNotExist}
	}
	return d.b.readError("lstat", d.p.Child(name), err)
}
