package disk

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// member is what a directory has at a name.
type member struct {
	*fsbackend.Info // nil for nothing
	owner           owner
	kept            error // why it can be neither written nor removed, if that is known
}

// owner is whom a file belongs to.
type owner struct {
	uid, gid int
	known    bool
}

// place is a member of a directory that is held open.
type place struct {
	member
	dir    dir
	h      string // its name
	direct bool   // there was no link on the way
}

// locate opens the directory of what h leads to, and describes that. Without an error dir must be
// closed.
func (b *backend) locate(h string, follow bool) (place, error) {
	at, err := b.look(h)
	if err != nil || !follow || at.Info == nil || !at.IsLink() {
		return at, err
	}
	at.dir.close()
	if h, err = b.realName(h, true); err != nil {
		return at, err
	}
	at, err = b.look(h)
	switch {
	case err != nil:
		if errors.Is(err, fs.ErrNotExist) {
			err = errBrokenLink
		}
		return at, err
	case at.Info == nil || at.IsLink(): // there is nothing, or somebody swaps links
		at.dir.close()
		return at, errBrokenLink
	}
	at.direct, at.Direct = false, false
	return at, nil
}

// look is locate for h itself.
func (b *backend) look(h string) (at place, err error) {
	at.h = h
	if at.dir, at.direct, err = b.openDir(filepath.Dir(h)); err != nil {
		return at, err
	}
	at.member, err = at.dir.lstat(filepath.Base(h))
	if errors.Is(err, fs.ErrNotExist) {
		return at, nil
	}
	if err != nil {
		at.dir.close()
		return at, err
	}
	at.Direct = at.direct && !at.IsLink()
	return at, nil
}

// find is locate for something that must be there.
func (b *backend) find(h string, follow bool) (at place, err error) {
	at, err = b.locate(h, follow)
	if err == nil && at.Info == nil {
		at.dir.close()
		err = fs.ErrNotExist
	}
	return at, err
}

// open opens what h leads to if it is a regular file or a directory. Its errors call it as.
func (b *backend) open(h, as string, flag int) (*os.File, *fsbackend.Info, error) {
	for n := 0; ; n++ {
		at, err := b.find(h, true)
		if err != nil {
			return nil, nil, err
		}
		if !servable(at.Mode()) {
			at.dir.close()
			return nil, nil, fs.ErrPermission
		}
		f, fi, err := at.dir.open(filepath.Base(at.h), as, flag)
		at.dir.close()
		switch {
		case errors.Is(err, syscall.ENXIO): // what a FIFO without a reader and a socket answer
			err = fs.ErrPermission
		case errors.Is(err, syscall.ELOOP) && n < maxLinks: // a link was renamed to there meanwhile
			continue
		}
		return f, fi, err
	}
}

func servable(m fs.FileMode) bool { return m.IsRegular() || m.IsDir() }

// openFile opens h for reading.
func (b *backend) openFile(h string) (*os.File, *fsbackend.Info, error) {
	return b.open(h, h, os.O_RDONLY)
}

// Open implements fsbackend.Backend.
func (b *backend) Open(_ context.Context, p davpath.Path) (fsbackend.File, error) {
	h, ok := host(p)
	if !ok {
		return nil, fsbackend.ReadError("open", p, fs.ErrNotExist)
	}
	o, fi, err := b.open(h, p.String(), os.O_RDONLY)
	if err != nil {
		return nil, b.readError("open", p, err)
	}
	if fi.IsDir() {
		o.Close()
		return nil, &fs.PathError{Op: "open", Path: p.String(), Err: syscall.EISDIR}
	}
	fi.Attr.Name = nameOf(p)
	f := &file{host: o, p: p}
	f.found.Store(fi)
	return f, nil
}

// file is a file that is open for reading. The errors of an *os.File have the name that the host
// has for it.
type file struct {
	host  *os.File
	p     davpath.Path
	found atomic.Pointer[fsbackend.Info] // what the opening saw, for the first Stat
}

func (f *file) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: op, Path: f.p.String(), Err: fsbackend.Cause(err)}
}

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
	fi, err := f.host.Stat()
	if err != nil {
		return nil, f.fail("stat", err)
	}
	return fsbackend.InfoOf(nameOf(f.p), fi), nil
}

// OpenDir implements fsbackend.Backend.
func (b *backend) OpenDir(_ context.Context, p davpath.Path) (fsbackend.Dir, error) {
	h, ok := host(p)
	if !ok {
		return nil, fsbackend.ReadError("open", p, fs.ErrNotExist)
	}
	f, fi, err := b.openFile(h)
	if err != nil {
		return nil, b.readError("open", p, err)
	}
	if !fi.IsDir() {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: p.String(), Err: syscall.ENOTDIR}
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
	names, err := d.f.Readdirnames(-1)
	if err != nil {
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
