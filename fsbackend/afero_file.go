package fsbackend

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/net/webdav"
)

// osFile finds the file of the operating system, which the others pass through the kernel with sendfile and
// copy_file_range, below what afero wraps around it.
func osFile(f afero.File) (*os.File, bool) {
	for {
		switch inner := f.(type) {
		case *os.File:
			return inner, true
		case *afero.BasePathFile:
			f = inner.File
		default:
			return nil, false
		}
	}
}

// aferoFile is an open file whose infos are snapshots and whose errors have the caller's name.
type aferoFile struct {
	afero.File
	fs   *FS
	name string
	at   int64 // how far File was read
	// seek is where to read on in a File that cannot seek, such as one of a zip archive by way of
	// afero.FromIOFS; -1 for where it is.
	seek int64
}

func newAferoFile(f *FS, file afero.File, name string) aferoFile {
	return aferoFile{File: file, fs: f, name: name, seek: -1}
}

func (f *aferoFile) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: op, Path: f.name, Err: cause(err)}
}

func (f *aferoFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.fail("close", f.File.Close())
}

func (f *aferoFile) Read(p []byte) (int, error) {
	if f.seek >= 0 {
		if err := f.skip(); err != nil {
			return 0, f.fail("read", err)
		}
	}
	n, err := f.File.Read(p)
	f.at += int64(max(n, 0))
	return n, f.fail("read", err)
}

// Seek finds a place also where File cannot.
func (f *aferoFile) Seek(offset int64, whence int) (int64, error) {
	from := f.at
	if f.seek >= 0 {
		from = f.seek
	} else if n, err := f.File.Seek(offset, whence); err == nil {
		f.at = n
		return n, nil
	} else if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errors.ErrUnsupported) {
		return n, f.fail("seek", err)
	}
	switch whence {
	case io.SeekStart:
		from = 0
	case io.SeekEnd:
		fi, err := f.Stat()
		if err != nil {
			return 0, err
		}
		from = fi.Size()
	}
	if from+offset < 0 {
		return 0, f.fail("seek", syscall.EINVAL)
	}
	f.seek = from + offset
	return f.seek, nil
}

// skip reads on, from the beginning where it has to, up to where Seek wants to be.
func (f *aferoFile) skip() error {
	if f.seek < f.at {
		p, _ := backend(f.name)
		again, err := f.fs.fs.Open(p)
		if err != nil {
			return err
		}
		f.File.Close()
		f.File, f.at = again, 0
	}
	n, err := io.CopyN(io.Discard, f.File, f.seek-f.at)
	f.at += n
	if err == nil || err == io.EOF {
		f.seek, err = -1, nil
	}
	return err
}

func (f *aferoFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fail("write", err)
}

func (f *aferoFile) Stat() (fs.FileInfo, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	fi, err := f.File.Stat()
	if err != nil {
		return nil, f.fail("stat", err)
	}
	return snapshot(path.Base(f.name), fi), nil
}

func (f *aferoFile) Readdir(n int) ([]fs.FileInfo, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	infos, err := f.File.Readdir(n)
	for i, fi := range infos {
		infos[i] = snapshot(fi.Name(), fi)
	}
	return infos, f.fail("readdir", err)
}

// aferoDir is an open directory.
type aferoDir struct{ aferoFile }

func (f *aferoDir) Read([]byte) (int, error)  { return 0, f.fail("read", syscall.EISDIR) }
func (f *aferoDir) Write([]byte) (int, error) { return 0, f.fail("write", syscall.EBADF) }

// Readdirnames is as that of os.File.
func (f *aferoDir) Readdirnames(n int) ([]string, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	names, err := f.File.Readdirnames(n)
	return names, f.fail("readdir", err)
}

// ReadDir implements fs.ReadDirFile for directories of the operating system, which list what their
// members are.
func (f *aferoDir) ReadDir(n int) ([]fs.DirEntry, error) {
	dir, ok := osFile(f.File)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	entries, err := dir.ReadDir(n)
	return entries, f.fail("readdir", err)
}

// Lstat describes one member: by the handle where the back end's has a method of this kind, else by its name.
func (f *aferoDir) Lstat(name string) (fs.FileInfo, error) {
	whole := path.Join(f.name, name)
	if !isSegment(name) {
		return nil, reading("lstat", whole, fs.ErrNotExist)
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	var fi fs.FileInfo
	var err error
	if l, ok := f.File.(interface {
		Lstat(name string) (fs.FileInfo, error)
	}); ok {
		fi, err = l.Lstat(name)
	} else {
		fi, err = f.fs.lstat(whole)
	}
	if err != nil {
		return nil, reading("lstat", whole, err)
	}
	return snapshot(name, fi), nil
}

// snapshot returns an info that does not change when the file does, as those of MemMapFs do, and that passes on what
// fi knows besides.
func snapshot(name string, fi fs.FileInfo) fs.FileInfo {
	switch fi.(type) {
	case *info, *memInfo, *foreignInfo:
		return fi
	}
	_, tagged := fi.(webdav.ETager)
	if _, _, ok := identity(fi); ok && !tagged {
		return newInfo(name, fi)
	}
	return &foreignInfo{name: name, size: fi.Size(), mode: fi.Mode(), mtime: fi.ModTime(), dir: fi.IsDir(), inner: fi}
}

// foreignInfo is the info of a back end at one moment.
type foreignInfo struct {
	name  string
	size  int64
	mode  fs.FileMode
	mtime time.Time
	dir   bool
	inner fs.FileInfo // asked only for what infos may have besides
}

func (i *foreignInfo) Name() string       { return i.name }
func (i *foreignInfo) Size() int64        { return i.size }
func (i *foreignInfo) Mode() fs.FileMode  { return i.mode }
func (i *foreignInfo) ModTime() time.Time { return i.mtime }
func (i *foreignInfo) IsDir() bool        { return i.dir }
func (i *foreignInfo) Sys() any           { return i.inner.Sys() }

// ETag implements webdav.ETager; webdav.ErrNotImplemented where the back end has none.
func (i *foreignInfo) ETag(ctx context.Context) (string, error) {
	if t, ok := i.inner.(webdav.ETager); ok {
		return t.ETag(ctx)
	}
	return "", webdav.ErrNotImplemented
}

// ContentType implements webdav.ContentTyper; webdav.ErrNotImplemented where the back end has none.
func (i *foreignInfo) ContentType(ctx context.Context) (string, error) {
	if t, ok := i.inner.(webdav.ContentTyper); ok {
		return t.ContentType(ctx)
	}
	return "", webdav.ErrNotImplemented
}

// CreationTime is zero where the back end does not know it.
func (i *foreignInfo) CreationTime() time.Time {
	if t, ok := i.inner.(interface{ CreationTime() time.Time }); ok {
		return t.CreationTime()
	}
	return time.Time{}
}

// ChangeTime is zero where the back end does not know it.
func (i *foreignInfo) ChangeTime() time.Time {
	if t, ok := i.inner.(interface{ ChangeTime() time.Time }); ok {
		return t.ChangeTime()
	}
	return time.Time{}
}

// SameFile says false where the back end does not know.
func (i *foreignInfo) SameFile(other fs.FileInfo) bool {
	if o, ok := other.(*foreignInfo); ok {
		other = o.inner
	}
	if s, ok := i.inner.(interface{ SameFile(fs.FileInfo) bool }); ok {
		return s.SameFile(other)
	}
	return os.SameFile(i.inner, other)
}
