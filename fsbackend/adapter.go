package fsbackend

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/net/webdav"

	"dav207/server/davpath"
)

// New returns a Backend for an afero.Fs. For one that has a method Backend, as those of packages
// disk and memory have, it returns the result of that.
//
// It needs little of any other: it reads files with Fs.Open, and writes them from start to end
// without seeking. It checks itself what such file systems often do not: that a parent exists, that
// a directory is empty, that a removed file is gone. Such a check and the operation after it are
// two steps.
//
// New recognises the relative names of package io/fs, as afero.FromIOFS needs them, by looking up
// the root. An archive of zipfs or tarfs has the directories of all its files, with or without
// entries of their own.
//
// New does not confine a file system: afero.BasePathFs over afero.OsFs follows links out of its
// directory; use package disk. An *afero.MemMapFs crashes the process when two goroutines rename
// one file. New runs its operations one at a time, but does not recognise it below another
// afero.Fs; use package memory.
func New(files afero.Fs) Backend {
	if b, ok := files.(interface{ Backend() Backend }); ok {
		return b.Backend()
	}
	a := &adapter{fs: aferoFS{withAbsoluteNames(files)}, mu: noLock{}}
	if _, ok := files.(*afero.MemMapFs); ok {
		a.mu = new(sync.Mutex)
	}
	_, a.hasReadOnlyLayer = files.(*afero.CopyOnWriteFs)
	return a
}

// FromWebDAV returns a Backend for a file system of golang.org/x/net/webdav. It needs as little of
// it as New needs. It passes on the context of the request.
func FromWebDAV(files webdav.FileSystem) Backend {
	return &adapter{fs: webdavFS{files}, mu: noLock{}}
}

// adapter is a Backend over a file system that offers less.
type adapter struct {
	fs               plainFS
	mu               sync.Locker
	hasReadOnlyLayer bool // a lower layer is never written to: a renamed file may still be visible
	uploads          uploads
}

var _ Backend = (*adapter)(nil)

type noLock struct{}

func (noLock) Lock()   {}
func (noLock) Unlock() {}

// validName reports whether the file systems of this platform can have a name.
func validName(name string) bool {
	return strings.IndexByte(name, 0) < 0 && (filepath.Separator == '/' || !strings.ContainsRune(name, filepath.Separator))
}

func (a *adapter) lstat(ctx context.Context, name string) (*Info, error) {
	if !validName(name) {
		return nil, fs.ErrNotExist
	}
	fi, err := a.fs.lstat(ctx, name)
	return infoOf(name, fi, err)
}

func (a *adapter) stat(ctx context.Context, name string) (*Info, error) {
	if !validName(name) {
		return nil, fs.ErrNotExist
	}
	fi, err := a.fs.stat(ctx, name)
	return infoOf(name, fi, err)
}

func infoOf(name string, fi fs.FileInfo, err error) (*Info, error) {
	if err != nil {
		return nil, err
	}
	return InfoOf(path.Base(name), fi), nil
}

// checkParent returns an error unless name's parent is a directory: some file systems create
// missing parents.
func (a *adapter) checkParent(ctx context.Context, name string) error {
	if !validName(name) {
		return fs.ErrInvalid
	}
	fi, err := a.stat(ctx, path.Dir(name))
	if err == nil && !fi.IsDir() {
		err = syscall.ENOTDIR
	}
	return err
}

// Stat implements Backend.
func (a *adapter) Stat(ctx context.Context, p davpath.Path) (*Info, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fi, err := a.stat(ctx, p.String())
	if err != nil {
		return nil, ReadError("stat", p, err)
	}
	return fi, nil
}

// lstatLink is lstat for file systems whose Stat follows links and whose listings show them. It
// lists only if Stat fails or finds a directory: a link to a file is removed and renamed like a
// file.
func (a *adapter) lstatLink(ctx context.Context, name string) (*Info, error) {
	fi, err := a.lstat(ctx, name)
	if err != nil || fi.IsDir() {
		if link := a.fs.listedLink(ctx, name); link != nil {
			return infoOf(name, link, nil)
		}
	}
	return fi, err
}

// Lstat implements Backend.
func (a *adapter) Lstat(ctx context.Context, p davpath.Path) (*Info, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fi, err := a.lstatLink(ctx, p.String())
	if err != nil {
		return nil, ReadError("lstat", p, err)
	}
	return fi, nil
}

// Mkdir implements Backend.
func (a *adapter) Mkdir(ctx context.Context, p davpath.Path) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := p.String()
	err := a.checkParent(ctx, name)
	if err == nil {
		if _, lstatErr := a.lstat(ctx, name); lstatErr == nil {
			err = fs.ErrExist
		} else {
			err = a.fs.mkdir(ctx, name, 0o777)
		}
	}
	if err != nil {
		return CreateError("mkdir", p, err)
	}
	return nil
}

// Open implements Backend. An *os.File of the file system is read directly.
func (a *adapter) Open(ctx context.Context, p davpath.Path) (File, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, _, err := a.open(ctx, p.String(), false)
	if err != nil {
		return nil, ReadError("open", p, err)
	}
	file := openFile{plainFile: f, a: a, p: p, pending: -1, ctx: context.WithoutCancel(ctx)}
	if host, ok := osFile(f); ok {
		return &hostFile{file, host}, nil
	}
	return &file, nil
}

// OpenDir implements Backend.
func (a *adapter) OpenDir(ctx context.Context, p davpath.Path) (Dir, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, _, err := a.open(ctx, p.String(), true)
	if err == errNotDir {
		return nil, &fs.PathError{Op: "open", Path: p.String(), Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, ReadError("open", p, err)
	}
	return &openDir{f: f, a: a, ctx: ctx, p: p}, nil
}

// errNotDir is the error for a file that is opened as a directory. syscall.ENOTDIR is also the
// error for a name below a file, which does not exist.
var errNotDir = errors.New("not a directory")

// open opens a file or, with dir, a directory.
func (a *adapter) open(ctx context.Context, name string, dir bool) (plainFile, *Info, error) {
	check := func(fi *Info) error {
		switch {
		case fi.Special():
			return fs.ErrPermission
		case dir && !fi.IsDir():
			return errNotDir
		case !dir && fi.IsDir():
			return syscall.EISDIR
		}
		return nil
	}
	fi, err := a.stat(ctx, name)
	if err == nil {
		err = check(fi)
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := a.fs.open(ctx, name, os.O_RDONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	if opened, err := infoOfFile(f, name); err == nil { // another file may have the name by now
		if err := check(opened); err != nil {
			f.Close()
			return nil, nil, err
		}
		fi = opened
	}
	return f, fi, nil
}

func infoOfFile(f plainFile, name string) (*Info, error) {
	fi, err := f.Stat()
	return infoOf(name, fi, err)
}

// SetModTime implements Backend.
func (a *adapter) SetModTime(ctx context.Context, p davpath.Path, t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !validName(p.String()) {
		return ReadError("chtimes", p, fs.ErrNotExist)
	}
	if err := a.fs.chtimes(ctx, p.String(), UniqueTime(t)); err != nil {
		return ReadError("chtimes", p, err)
	}
	return nil
}

// Usage implements Backend.
func (a *adapter) Usage(context.Context, davpath.Path) (used, free uint64, err error) {
	return 0, 0, errors.ErrUnsupported
}

// RealPath implements Backend. Links are not resolved.
func (a *adapter) RealPath(_ context.Context, p davpath.Path) (davpath.Path, error) { return p, nil }

// UnchangedSince implements Backend.
func (a *adapter) UnchangedSince(context.Context, davpath.Path, time.Time) bool { return false }

// Batch implements Backend.
func (a *adapter) Batch(ctx context.Context) (context.Context, func() error) { return ctx, nil }

// openFile is a file open for reading. It keeps its own position, since not every file refuses a
// negative offset or returns io.EOF behind its end.
type openFile struct {
	plainFile
	a   *adapter
	p   davpath.Path
	ctx context.Context
	at  int64 // position of plainFile
	// pending is where the next Read starts in a plainFile that cannot seek there, such as one of a
	// zip archive through afero.FromIOFS. -1 means its own position.
	pending int64
}

func (f *openFile) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: op, Path: f.p.String(), Err: Cause(err)}
}

// Close implements File.
func (f *openFile) Close() error {
	f.a.mu.Lock()
	defer f.a.mu.Unlock()
	return f.fail("close", f.plainFile.Close())
}

// Read implements File.
func (f *openFile) Read(b []byte) (int, error) {
	if f.pending >= 0 {
		if err := f.skip(); err != nil {
			return 0, f.fail("read", err)
		}
	}
	n, err := f.plainFile.Read(b)
	f.at += int64(max(n, 0))
	if n <= 0 && err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, f.fail("read", err)
}

// Seek implements File, even where plainFile cannot seek.
func (f *openFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		if f.pending >= 0 {
			offset += f.pending
		} else {
			offset += f.at
		}
	case io.SeekEnd:
		fi, err := f.Stat()
		if err != nil {
			return 0, err
		}
		offset += fi.Size()
	}
	if offset < 0 {
		return 0, f.fail("seek", syscall.EINVAL)
	}
	if f.pending < 0 {
		n, err := f.plainFile.Seek(offset, io.SeekStart)
		if err == nil {
			f.at = n
			return n, nil
		}
		if errors.Is(err, fs.ErrClosed) {
			return 0, f.fail("seek", err)
		}
	}
	f.pending = offset
	return offset, nil
}

// skip reads on to the pending position, from the start of the file if necessary.
func (f *openFile) skip() error {
	if f.pending < f.at {
		again, err := f.a.fs.open(f.ctx, f.p.String(), os.O_RDONLY, 0)
		if err != nil {
			return err
		}
		f.plainFile.Close()
		f.plainFile, f.at = again, 0
	}
	n, err := io.CopyN(io.Discard, f.plainFile, f.pending-f.at)
	f.at += n
	if err == nil {
		f.pending = -1
	}
	return err
}

// Stat implements File.
func (f *openFile) Stat() (*Info, error) {
	f.a.mu.Lock()
	defer f.a.mu.Unlock()
	fi, err := infoOfFile(f.plainFile, f.p.String())
	if err != nil {
		return nil, f.fail("stat", err)
	}
	return fi, nil
}

// hostFile is an openFile for sendfile.
type hostFile struct {
	openFile
	host *os.File
}

// Read implements File.
func (f *hostFile) Read(b []byte) (int, error) {
	n, err := f.host.Read(b)
	return n, f.fail("read", err)
}

// Seek implements File.
func (f *hostFile) Seek(offset int64, whence int) (int64, error) {
	at, err := f.host.Seek(offset, whence)
	return at, f.fail("seek", err)
}

// SyscallConn implements syscall.Conn.
func (f *hostFile) SyscallConn() (syscall.RawConn, error) { return f.host.SyscallConn() }

// openDir is an open directory. It looks up members by name, or has their infos from the listing.
type openDir struct {
	f     plainFile
	a     *adapter
	ctx   context.Context
	p     davpath.Path
	infos map[string]fs.FileInfo // nil where names alone could be listed
}

// Names implements Dir.
func (d *openDir) Names() ([]string, error) {
	d.a.mu.Lock()
	defer d.a.mu.Unlock()
	if l, ok := d.f.(interface{ Readdirnames(n int) ([]string, error) }); ok {
		names, err := l.Readdirnames(-1)
		return names, d.fail("readdir", err)
	}
	infos, err := d.f.Readdir(-1)
	if err != nil {
		return nil, d.fail("readdir", err)
	}
	d.infos = make(map[string]fs.FileInfo, len(infos))
	names := make([]string, len(infos))
	for i, fi := range infos {
		names[i] = fi.Name()
		d.infos[fi.Name()] = fi
	}
	return names, nil
}

// Lstat implements Dir.
func (d *openDir) Lstat(names []string, infos []Info, errs []error) {
	d.a.mu.Lock()
	defer d.a.mu.Unlock()
	for i, name := range names {
		fi, err := d.lstat(name)
		if errs[i] = err; err == nil {
			infos[i] = *fi
		}
	}
}

func (d *openDir) lstat(name string) (*Info, error) {
	if !davpath.ValidSegment(name) || !validName(name) {
		return nil, &fs.PathError{Op: "lstat", Path: path.Join(d.p.String(), name), Err: fs.ErrNotExist}
	}
	if d.infos != nil {
		if fi := d.infos[name]; fi != nil {
			return InfoOf(name, fi), nil
		}
		return nil, ReadError("lstat", d.p.Child(name), fs.ErrNotExist)
	}
	fi, err := d.a.lstat(d.ctx, d.p.Child(name).String())
	if err != nil {
		return nil, ReadError("lstat", d.p.Child(name), err)
	}
	return fi, nil
}

// Close implements Dir.
func (d *openDir) Close() error {
	d.a.mu.Lock()
	defer d.a.mu.Unlock()
	return d.fail("close", d.f.Close())
}

func (d *openDir) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: d.p.String(), Err: Cause(err)}
}

// names lists the directory name.
func (a *adapter) names(ctx context.Context, name string) ([]string, error) {
	f, _, err := a.open(ctx, name, true)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if l, ok := f.(interface{ Readdirnames(n int) ([]string, error) }); ok {
		return l.Readdirnames(-1)
	}
	infos, err := f.Readdir(-1)
	names := make([]string, len(infos))
	for i, fi := range infos {
		names[i] = fi.Name()
	}
	return names, err
}

// onlyTemps reports whether all names are those of temp files.
func onlyTemps(names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return !davpath.IsTemp(n) })
}
