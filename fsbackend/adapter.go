package fsbackend

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
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
// the root. It passes on names with slashes on every platform.
//
// New does not confine a file system: afero.BasePathFs over afero.OsFs follows links out of its
// directory; use package disk. An *afero.MemMapFs crashes the process when two goroutines rename
// one file. New runs its operations one at a time, but does not recognise it below another
// afero.Fs; use package memory.
func New(files afero.Fs) Backend {
	if b, ok := files.(interface{ Backend() Backend }); ok {
		return b.Backend()
	}
	named := withAbsoluteNames(files)
	a := &adapter{fs: aferoFS{named}, afero: named}
	if _, ok := files.(*afero.MemMapFs); ok {
		a.mu = new(sync.Mutex)
	}
	_, a.hasReadOnlyLayer = files.(*afero.CopyOnWriteFs)
	return a
}

// FromWebDAV returns a Backend for a file system of golang.org/x/net/webdav. It needs as little of
// it as New needs. It passes on the context of the request.
func FromWebDAV(files webdav.FileSystem) Backend { return &adapter{fs: files} }

// adapter is a Backend over a file system that offers less. Names are "/" or "/a/b".
type adapter struct {
	fs               webdav.FileSystem
	afero            afero.Fs // for what a webdav.FileSystem cannot do; nil where there is no more
	mu               *sync.Mutex
	hasReadOnlyLayer bool // a lower layer is never written to: a renamed file may still be visible

	// Temp files that are being written get new names when a directory above them is renamed or
	// removed. dirs is held for writing meanwhile, and for reading while one is made or committed.
	dirs    sync.RWMutex
	uploads sync.Map // of *upload
}

var _ Backend = (*adapter)(nil)

// lock begins an operation, alone if the file system needs that.
func (a *adapter) lock() (unlock func()) {
	if a.mu == nil {
		return func() {}
	}
	a.mu.Lock()
	return a.mu.Unlock
}

// validName reports whether the file systems of this platform can have a name.
func validName(name string) bool {
	return strings.IndexByte(name, 0) < 0 && (filepath.Separator == '/' || !strings.ContainsRune(name, filepath.Separator))
}

func (a *adapter) stat(ctx context.Context, name string) (*Info, error) {
	if !validName(name) {
		return nil, fs.ErrNotExist
	}
	fi, err := a.fs.Stat(ctx, name)
	if errors.Is(err, fs.ErrInvalid) { // of webdav.NewMemFS, for a name below a file
		err = syscall.ENOTDIR
	}
	return infoOf(name, fi, err)
}

func (a *adapter) lstat(ctx context.Context, name string) (*Info, error) {
	l, ok := a.afero.(afero.Lstater)
	if !ok || !validName(name) {
		return a.stat(ctx, name)
	}
	fi, _, err := l.LstatIfPossible(name)
	return infoOf(name, fi, err)
}

func infoOf(name string, fi fs.FileInfo, err error) (*Info, error) {
	if err != nil {
		return nil, err
	}
	return InfoOf(path.Base(name), fi), nil
}

// lstatLink is lstat for a webdav.FileSystem whose Stat follows links and whose listings show them.
// It lists only if Stat fails or finds a directory: a link to a file is removed and renamed like a
// file.
func (a *adapter) lstatLink(ctx context.Context, name string) (*Info, error) {
	fi, err := a.lstat(ctx, name)
	if a.afero != nil || err == nil && !fi.IsDir() {
		return fi, err
	}
	members, _ := a.list(ctx, path.Dir(name))
	for _, member := range members {
		if member.Name() == path.Base(name) && member.Mode()&fs.ModeSymlink != 0 {
			return infoOf(name, member, nil)
		}
	}
	return fi, err
}

// list returns the infos of the members of a directory.
func (a *adapter) list(ctx context.Context, name string) ([]fs.FileInfo, error) {
	f, _, err := a.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdir(-1)
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

func (a *adapter) Stat(ctx context.Context, p davpath.Path) (*Info, error) {
	defer a.lock()()
	fi, err := a.stat(ctx, p.String())
	return fi, ReadError("stat", p, err)
}

func (a *adapter) Lstat(ctx context.Context, p davpath.Path) (*Info, error) {
	defer a.lock()()
	fi, err := a.lstatLink(ctx, p.String())
	return fi, ReadError("lstat", p, err)
}

func (a *adapter) Mkdir(ctx context.Context, p davpath.Path) error {
	defer a.lock()()
	name := p.String()
	err := a.checkParent(ctx, name)
	if _, lstatErr := a.lstat(ctx, name); err == nil && lstatErr == nil {
		err = fs.ErrExist
	}
	if err == nil {
		err = a.fs.Mkdir(ctx, name, 0o777)
	}
	return CreateError("mkdir", p, err)
}

// Open implements Backend. An *os.File of the file system is read directly.
func (a *adapter) Open(ctx context.Context, p davpath.Path) (File, error) {
	defer a.lock()()
	f, fi, err := a.open(ctx, p.String())
	if err == nil && fi.IsDir() {
		f.Close()
		err = syscall.EISDIR
	}
	if err != nil {
		return nil, ReadError("open", p, err)
	}
	file := openFile{File: f, a: a, p: p, ctx: context.WithoutCancel(ctx)}
	if host, ok := osFile(f); ok {
		return &hostFile{file, host}, nil
	}
	return &file, nil
}

func (a *adapter) OpenDir(ctx context.Context, p davpath.Path) (Dir, error) {
	defer a.lock()()
	f, fi, err := a.open(ctx, p.String())
	if err != nil {
		return nil, ReadError("open", p, err)
	}
	if !fi.IsDir() {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: p.String(), Err: syscall.ENOTDIR}
	}
	return &openDir{f: f, a: a, p: p}, nil
}

// open opens a file or a directory. To open a pipe would block.
func (a *adapter) open(ctx context.Context, name string) (webdav.File, *Info, error) {
	fi, err := a.stat(ctx, name)
	if err == nil && fi.Special() {
		err = fs.ErrPermission
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := a.fs.OpenFile(ctx, name, os.O_RDONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	if opened, err := f.Stat(); err == nil { // another file may have the name by now
		fi = InfoOf(name, opened)
	}
	return f, fi, nil
}

func (a *adapter) SetModTime(ctx context.Context, p davpath.Path, t time.Time) error {
	defer a.lock()()
	err := fs.ErrNotExist
	if validName(p.String()) {
		err = a.chtimes(p.String(), UniqueTime(t))
	}
	return ReadError("chtimes", p, err)
}

// chtimes also sets the access time, since not every file system takes a zero time for "unchanged".
func (a *adapter) chtimes(name string, t time.Time) error {
	if a.afero == nil {
		return errors.ErrUnsupported
	}
	return a.afero.Chtimes(name, t, t)
}

func (a *adapter) Usage(context.Context, davpath.Path) (used, free uint64, err error) {
	return 0, 0, errors.ErrUnsupported
}

// RealPath implements Backend. Links are not resolved.
func (a *adapter) RealPath(_ context.Context, p davpath.Path) (davpath.Path, error) { return p, nil }

func (a *adapter) UnchangedSince(context.Context, davpath.Path, time.Time) bool { return false }

func (a *adapter) Batch(ctx context.Context) (context.Context, func() error) { return ctx, nil }

// openFile is a file open for reading. It keeps its own position, since not every file can seek,
// refuses a negative offset or returns io.EOF behind its end.
type openFile struct {
	webdav.File
	a    *adapter
	p    davpath.Path
	ctx  context.Context
	at   int64 // position of File
	next int64 // where the next Read starts
}

func (f *openFile) Close() error { return ReadError("close", f.p, f.File.Close()) }

func (f *openFile) Read(b []byte) (int, error) {
	if f.next != f.at {
		if err := f.seek(); err != nil {
			return 0, ReadError("read", f.p, err)
		}
	}
	n, err := f.File.Read(b)
	f.at += int64(max(n, 0))
	f.next = f.at
	if n <= 0 && err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, ReadError("read", f.p, err)
}

func (f *openFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.next
	case io.SeekEnd:
		fi, err := f.Stat()
		if err != nil {
			return 0, err
		}
		offset += fi.Size()
	}
	if offset < 0 {
		return 0, ReadError("seek", f.p, syscall.EINVAL)
	}
	f.next = offset
	return offset, nil
}

// seek sets the position of File. In one that cannot seek, such as a file of a zip archive through
// afero.FromIOFS, it reads on, from the start of the file if necessary.
func (f *openFile) seek() error {
	if _, err := f.File.Seek(f.next, io.SeekStart); err == nil || errors.Is(err, fs.ErrClosed) {
		f.at = f.next
		return err
	}
	if f.next < f.at {
		again, err := f.a.fs.OpenFile(f.ctx, f.p.String(), os.O_RDONLY, 0)
		if err != nil {
			return err
		}
		f.File.Close()
		f.File, f.at = again, 0
	}
	n, err := io.CopyN(io.Discard, f.File, f.next-f.at)
	f.at += n
	return err
}

func (f *openFile) Stat() (*Info, error) {
	fi, err := f.File.Stat()
	info, err := infoOf(f.p.String(), fi, err)
	return info, ReadError("stat", f.p, err)
}

// hostFile is an openFile for sendfile, which moves the position of host.
type hostFile struct {
	openFile
	host *os.File
}

func (f *hostFile) Seek(offset int64, whence int) (int64, error) {
	at, err := f.host.Seek(offset, whence)
	return at, ReadError("seek", f.p, err)
}

func (f *hostFile) SyscallConn() (syscall.RawConn, error) { return f.host.SyscallConn() }

// openDir is an open directory. The infos of the members come with their names: in one request,
// where the file system is on another host, and of links themselves, where a webdav.FileSystem has
// no Lstat.
type openDir struct {
	f     webdav.File
	a     *adapter
	p     davpath.Path
	infos map[string]fs.FileInfo // nil before the first call of list; a value is nil if Lstat asks for it
}

// list reads the names and the infos of the members. Readdir returns none of them if one cannot be
// looked at: then Lstat looks at each member alone, and each has its own error.
func (d *openDir) list() error {
	if d.infos != nil {
		return nil
	}
	members, err := d.f.Readdir(-1)
	var names []string
	if err != nil {
		if names = d.a.names(d.p.String()); len(names) == 0 {
			return ReadError("readdir", d.p, err)
		}
		members = nil
	}
	d.infos = make(map[string]fs.FileInfo, len(members)+len(names))
	for _, fi := range members {
		d.infos[fi.Name()] = fi
	}
	for _, name := range names {
		d.infos[name] = nil
	}
	return nil
}

// names returns the names of the members of a directory, or none if they cannot be read without
// their infos.
func (a *adapter) names(name string) []string {
	if a.afero == nil {
		return nil
	}
	f, err := a.afero.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil
	}
	return names
}

func (d *openDir) Names() ([]string, error) {
	defer d.a.lock()()
	err := d.list()
	return slices.Collect(maps.Keys(d.infos)), err
}

func (d *openDir) Lstat(names []string, infos []Info, errs []error) {
	defer d.a.lock()()
	listErr := d.list()
	for i, name := range names {
		fi, listed := d.infos[name]
		p := path.Join(d.p.String(), name)
		errs[i] = listErr
		switch {
		case listErr != nil:
		case fi != nil:
			infos[i] = *InfoOf(name, fi)
		case listed:
			var info *Info
			if info, errs[i] = d.a.lstat(context.Background(), p); errs[i] == nil {
				infos[i] = *info
			}
		default:
			errs[i] = &fs.PathError{Op: "lstat", Path: p, Err: fs.ErrNotExist}
		}
	}
}

func (d *openDir) Close() error { return ReadError("close", d.p, d.f.Close()) }
