package fsbackend

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/webdav"
)

// OpenFile opens a regular file or a directory. A file that is opened for reading goes through the kernel where an
// *os.File does; a directory also has Readdirnames, and Lstat for its members. Whoever writes a file here writes it in place:
// see Stage.
func (d *Disk) OpenFile(ctx context.Context, name string, flag int, perm fs.FileMode) (webdav.File, error) {
	p, ok := host(name)
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND) != 0 {
		if !ok {
			return nil, creating("open", name, fs.ErrInvalid)
		}
		if err := d.admit(p, true); err != nil {
			return nil, d.creating("open", name, err)
		}
		asides.made(p)
		f, fi, err := d.open(p, flag, perm)
		if err != nil {
			return nil, d.creating("open", name, err)
		}
		if fi.IsDir() {
			f.Close()
			return nil, creating("open", name, syscall.EISDIR)
		}
		if flag&os.O_CREATE != 0 {
			if err := d.changed(ctx, p); err != nil {
				f.Close()
				return nil, d.creating("open", name, err)
			}
		}
		return &writer{reader{File: f, name: clean(name)}, d, p}, nil
	}
	if !ok {
		return nil, reading("open", name, fs.ErrNotExist)
	}
	name = clean(name)
	o, err := d.openReading(p, flag, name, true)
	if err != nil {
		return nil, d.reading("open", name, err)
	}
	if o.brief != nil {
		return o.brief, nil
	}
	if !o.info.IsDir() {
		r := &reader{File: o.file, name: name}
		if found, ok := o.info.(*info); ok {
			r.found.Store(found)
		}
		return r, nil
	}
	dir, err := newDirectory(d, o.file, p, name)
	if err != nil {
		o.file.Close()
		return nil, d.reading("open", name, err)
	}
	return dir, nil
}

// opened is what was opened for reading: brief, or file and what it is, an info of ours or of package os.
type opened struct {
	brief webdav.File
	file  *os.File
	info  fs.FileInfo
}

// openReading opens p, which the caller calls name, for reading; with small a small file may be
// opened as brief.
func (d *Disk) openReading(p string, flag int, name string, small bool) (o opened, err error) {
	if flag == os.O_RDONLY {
		if o, err := d.openDirect(p, name, small); err != errUnsure {
			return o, err
		}
	}
	if err := d.admit(p, true); err != nil {
		return o, err
	}
	o.file, o.info, err = d.open(p, flag, 0)
	return o, err
}

// openSource opens name for reading, and returns what package os says of it.
func (d *Disk) openSource(name string) (*os.File, fs.FileInfo, error) {
	p, ok := host(name)
	if !ok {
		return nil, nil, fs.ErrNotExist
	}
	return d.openFile(p)
}

// openFile is openSource for a host name.
func (d *Disk) openFile(p string) (*os.File, fs.FileInfo, error) {
	o, err := d.openReading(p, os.O_RDONLY, p, false)
	if err != nil {
		return nil, nil, err
	}
	fi, err := o.file.Stat()
	if err != nil {
		o.file.Close()
	}
	return o.file, fi, err
}

// openDirectory is openSource for a collection.
func (d *Disk) openDirectory(name string) (*os.File, fs.FileInfo, error) {
	f, fi, err := d.openSource(name)
	if err == nil && !fi.IsDir() {
		f.Close()
		err = syscall.ENOTDIR
	}
	return f, fi, err
}

// open opens what p leads to if it is a regular file or a directory. Opening anything else could wait for ever or do
// something to a device; so it looks first, does not let the system wait, and looks again at what it got.
func (d *Disk) open(p string, flag int, perm fs.FileMode) (*os.File, fs.FileInfo, error) {
	fi, err := d.root.Stat(p)
	if err != nil {
		if flag&os.O_CREATE == 0 || !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		if fi, err := d.root.Lstat(p); err == nil && fi.Mode().Type() == fs.ModeSymlink {
			return nil, nil, fs.ErrPermission
		}
	} else if !servable(fi.Mode()) {
		return nil, nil, fs.ErrPermission
	}
	f, err := d.root.OpenFile(p, flag|openFlags, perm.Perm())
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

// reader is a file that is open for reading. It is the system's own, for sendfile to find, but that its infos know what those
// of package os do not: when the file was created, and so which one it is.
type reader struct {
	*os.File
	name  string
	found atomic.Pointer[info] // what the opening saw, for the first Stat; nil where that has to look itself
}

func (f *reader) Stat() (fs.FileInfo, error) {
	if fi := f.found.Swap(nil); fi != nil {
		return fi, nil
	}
	return statOpen(f.File, f.name)
}

// statOpen describes an open file that the caller calls name.
func statOpen(f *os.File, name string) (fs.FileInfo, error) {
	var fi fs.FileInfo
	at, err := newHandle(f)
	if err == nil {
		fi, err = at.stat(f, path.Base(name))
	}
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: cause(err)}
	}
	return fi, nil
}

// writer is a file that is written in place. Closing it gives the new content a time that no other one has: the
// system's own is too coarse to tell two writes apart.
type writer struct {
	reader
	disk *Disk
	p    string
}

func (w *writer) Close() error {
	fi, statErr := w.File.Stat()
	if err := w.File.Close(); err != nil {
		return err
	}
	if statErr != nil {
		return nil
	}
	// By name, after the last write: Windows sets the time of a written file when it is closed.
	if there, err := w.disk.root.Stat(w.p); err == nil && os.SameFile(fi, there) {
		_ = w.disk.root.Chtimes(w.p, time.Time{}, times.now())
		if w.disk.Sync {
			return w.disk.syncFile(w.p)
		}
	}
	return nil
}

// directory is an open directory. It is read through its handle, whatever its name leads to in the meantime.
type directory struct {
	f    *os.File
	disk *Disk
	p    string // as the host names it
	name string // as the caller does
	at   handle
	// begun says that the names were read in part: f has some that it did not give out yet.
	begun bool
}

func newDirectory(d *Disk, f *os.File, p, name string) (*directory, error) {
	dir := &directory{f: f, disk: d, p: p, name: name}
	var err error
	dir.at, err = newHandle(f)
	return dir, err
}

func (f *directory) fail(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.name, Err: cause(err)}
}

func (f *directory) Close() error {
	if err := f.f.Close(); err != nil {
		return f.fail("close", err)
	}
	return nil
}

func (f *directory) Read([]byte) (int, error)  { return 0, f.fail("read", syscall.EISDIR) }
func (f *directory) Write([]byte) (int, error) { return 0, f.fail("write", syscall.EBADF) }

func (f *directory) Seek(offset int64, whence int) (int64, error) {
	n, err := f.f.Seek(offset, whence)
	if err != nil {
		return n, f.fail("seek", err)
	}
	return n, nil
}

func (f *directory) Stat() (fs.FileInfo, error) {
	fi, err := f.at.stat(f.f, path.Base(f.name))
	if err != nil {
		return nil, f.fail("stat", err)
	}
	return fi, nil
}

// Readdirnames is as that of os.File.
func (f *directory) Readdirnames(n int) ([]string, error) {
	if n <= 0 && !f.begun {
		return f.names()
	}
	f.begun = true
	names, err := f.f.Readdirnames(n)
	return names, f.end(err)
}

// Lstat describes one member, not following it where it is a link.
func (f *directory) Lstat(name string) (fs.FileInfo, error) {
	if !isSegment(name) {
		return nil, reading("lstat", path.Join(f.name, name), fs.ErrNotExist)
	}
	fi, err := f.lstat(name)
	if err != nil {
		return nil, f.disk.reading("lstat", path.Join(f.name, name), err)
	}
	return fi, nil
}

// Readdir is as that of os.File: a member that vanishes while the directory is read is left out.
func (f *directory) Readdir(n int) ([]fs.FileInfo, error) {
	for {
		names, err := f.Readdirnames(n)
		infos := make([]fs.FileInfo, 0, len(names))
		for _, name := range names {
			fi, lerr := f.Lstat(name)
			if errors.Is(lerr, fs.ErrNotExist) {
				continue
			}
			if lerr != nil {
				return infos, lerr
			}
			infos = append(infos, fi)
		}
		if err != nil || n <= 0 || len(infos) > 0 {
			return infos, err
		}
	}
}

// ReadDir implements fs.ReadDirFile: names and kinds, without a look at each member.
func (f *directory) ReadDir(n int) ([]fs.DirEntry, error) {
	f.begun = true
	entries, err := f.f.ReadDir(n)
	return entries, f.end(err)
}

// end passes io.EOF, which callers compare, as it is.
func (f *directory) end(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return f.fail("readdir", err)
}
