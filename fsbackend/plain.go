package fsbackend

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/net/webdav"
)

// plainFS is a file system to adapt. Names are "/" or "/a/b".
type plainFS interface {
	stat(ctx context.Context, name string) (fs.FileInfo, error)
	lstat(ctx context.Context, name string) (fs.FileInfo, error)
	// listedLink returns the info of a link if only a listing shows that name is one, else nil.
	listedLink(ctx context.Context, name string) fs.FileInfo
	open(ctx context.Context, name string, flag int, perm fs.FileMode) (plainFile, error)
	// create makes a file in another way after open failed with err.
	create(ctx context.Context, name string, err error) (plainFile, error)
	mkdir(ctx context.Context, name string, perm fs.FileMode) error
	mkdirAll(ctx context.Context, name string) error
	remove(ctx context.Context, name string) error // a file or an empty directory
	removeAll(ctx context.Context, name string) error
	rename(ctx context.Context, from, to string) error
	chmod(ctx context.Context, name string, mode fs.FileMode) error
	chtimes(ctx context.Context, name string, t time.Time) error
}

// plainFile is an open file or directory. It is listed with Readdirnames if it has that.
type plainFile interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	Seek(offset int64, whence int) (int64, error)
	Stat() (fs.FileInfo, error)
	Readdir(n int) ([]fs.FileInfo, error)
	Close() error
}

// aferoFS is an afero.Fs.
type aferoFS struct{ fs afero.Fs }

func (a aferoFS) stat(_ context.Context, name string) (fs.FileInfo, error) {
	return a.fs.Stat(filepath.FromSlash(name))
}

func (a aferoFS) lstat(ctx context.Context, name string) (fs.FileInfo, error) {
	if l, ok := a.fs.(afero.Lstater); ok {
		fi, _, err := l.LstatIfPossible(filepath.FromSlash(name))
		return fi, err
	}
	return a.stat(ctx, name)
}

func (a aferoFS) listedLink(context.Context, string) fs.FileInfo { return nil }

func (a aferoFS) open(_ context.Context, name string, flag int, perm fs.FileMode) (plainFile, error) {
	if flag == os.O_RDONLY {
		return a.fs.Open(filepath.FromSlash(name))
	}
	return a.fs.OpenFile(filepath.FromSlash(name), flag, perm)
}

// create makes a new file where open with O_CREATE fails: a RegexpFs opens only existing files, and
// a CacheOnReadFs reads the file first and needs to know its directory.
func (a aferoFS) create(_ context.Context, name string, err error) (plainFile, error) {
	for _, final := range []error{fs.ErrPermission, fs.ErrExist, syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, final) {
			return nil, err
		}
	}
	p := filepath.FromSlash(name)
	if a.fs.MkdirAll(filepath.Dir(p), 0o777) == nil {
		if file, err := a.fs.Create(p); err == nil {
			return file, nil
		}
		_ = a.fs.Remove(p) // it may exist in one layer only
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fs.ErrPermission // its directory exists
	}
	return nil, err
}

func (a aferoFS) mkdir(_ context.Context, name string, perm fs.FileMode) error {
	return a.fs.Mkdir(filepath.FromSlash(name), perm)
}

func (a aferoFS) mkdirAll(_ context.Context, name string) error {
	return a.fs.MkdirAll(filepath.FromSlash(name), 0o777)
}

func (a aferoFS) remove(_ context.Context, name string) error {
	return a.fs.Remove(filepath.FromSlash(name))
}

func (a aferoFS) removeAll(_ context.Context, name string) error {
	return a.fs.RemoveAll(filepath.FromSlash(name))
}

func (a aferoFS) rename(_ context.Context, from, to string) error {
	return a.fs.Rename(filepath.FromSlash(from), filepath.FromSlash(to))
}

func (a aferoFS) chmod(_ context.Context, name string, mode fs.FileMode) error {
	return a.fs.Chmod(filepath.FromSlash(name), mode)
}

// chtimes also sets the access time, since not every file system takes a zero time for "unchanged".
func (a aferoFS) chtimes(_ context.Context, name string, t time.Time) error {
	return a.fs.Chtimes(filepath.FromSlash(name), t, t)
}

// webdavFS is a webdav.FileSystem.
type webdavFS struct{ fs webdav.FileSystem }

// stat corrects webdav.NewMemFS, which returns fs.ErrInvalid for a name below a file.
func (w webdavFS) stat(ctx context.Context, name string) (fs.FileInfo, error) {
	fi, err := w.fs.Stat(ctx, name)
	if errors.Is(err, fs.ErrInvalid) {
		err = syscall.ENOTDIR
	}
	return fi, err
}

func (w webdavFS) lstat(ctx context.Context, name string) (fs.FileInfo, error) {
	return w.stat(ctx, name)
}

func (w webdavFS) listedLink(ctx context.Context, name string) fs.FileInfo {
	dir, err := w.fs.OpenFile(ctx, path.Dir(name), os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer dir.Close()
	infos, _ := dir.Readdir(-1)
	for _, fi := range infos {
		if fi.Name() == path.Base(name) && fi.Mode()&fs.ModeSymlink != 0 {
			return fi
		}
	}
	return nil
}

func (w webdavFS) open(ctx context.Context, name string, flag int, perm fs.FileMode) (plainFile, error) {
	f, err := w.fs.OpenFile(ctx, name, flag, perm)
	if err != nil {
		return nil, err
	}
	return webdavFile{f}, nil
}

// webdavFile is listed with Readdir: Stat of a member would follow a link that Readdir shows.
type webdavFile struct{ webdav.File }

func (w webdavFS) create(_ context.Context, _ string, err error) (plainFile, error) { return nil, err }

func (w webdavFS) mkdir(ctx context.Context, name string, perm fs.FileMode) error {
	return w.fs.Mkdir(ctx, name, perm)
}

func (w webdavFS) mkdirAll(context.Context, string) error { return errors.ErrUnsupported }

func (w webdavFS) remove(ctx context.Context, name string) error { return w.fs.RemoveAll(ctx, name) }

func (w webdavFS) removeAll(ctx context.Context, name string) error { return w.fs.RemoveAll(ctx, name) }

func (w webdavFS) rename(ctx context.Context, from, to string) error {
	return w.fs.Rename(ctx, from, to)
}

func (w webdavFS) chmod(context.Context, string, fs.FileMode) error { return errors.ErrUnsupported }

func (w webdavFS) chtimes(context.Context, string, time.Time) error { return errors.ErrUnsupported }

// osFile returns the file of the operating system that f wraps. Between two of them, and to a
// socket, the kernel copies.
func osFile(f any) (*os.File, bool) {
	for {
		switch inner := f.(type) {
		case *os.File:
			return inner, true
		case *afero.BasePathFile:
			f = inner.File
		case webdavFile:
			f = inner.File
		case interface{ OSFile() *os.File }: // of package disk
			return inner.OSFile(), true
		default:
			return nil, false
		}
	}
}
