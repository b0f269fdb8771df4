package fsbackend

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/spf13/afero"
	"golang.org/x/net/webdav"
)

// aferoFS is an afero.Fs as a webdav.FileSystem.
type aferoFS struct{ afero.Fs }

func (a aferoFS) Stat(_ context.Context, name string) (fs.FileInfo, error) { return a.Fs.Stat(name) }

func (a aferoFS) OpenFile(_ context.Context, name string, flag int, perm fs.FileMode) (webdav.File, error) {
	if flag != os.O_RDONLY {
		return a.Fs.OpenFile(name, flag, perm)
	}
	return a.Fs.Open(name)
}

func (a aferoFS) Mkdir(_ context.Context, name string, perm fs.FileMode) error {
	return a.Fs.Mkdir(name, perm)
}

func (a aferoFS) RemoveAll(_ context.Context, name string) error { return a.Fs.RemoveAll(name) }

func (a aferoFS) Rename(_ context.Context, from, to string) error { return a.Fs.Rename(from, to) }

// withAbsoluteNames returns inner, or a wrapper if the names of inner have no slash in front.
func withAbsoluteNames(inner afero.Fs) afero.Fs {
	if a := newArchive(inner); a != nil {
		return a
	}
	if _, err := inner.Stat("/"); errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		if fi, err := inner.Stat("."); err == nil && fi.IsDir() {
			return relative{inner}
		}
	}
	return inner
}

// relative wraps a file system with the names of package io/fs, whose root is ".". Such a file
// system is an afero.FromIOFS, which refuses every change, whatever the name.
type relative struct{ afero.Fs }

func (r relative) name(name string) string {
	if name == "/" {
		return "."
	}
	return strings.TrimPrefix(name, "/")
}

func (r relative) Stat(name string) (fs.FileInfo, error) { return r.Fs.Stat(r.name(name)) }
func (r relative) Open(name string) (afero.File, error)  { return r.Fs.Open(r.name(name)) }
func (r relative) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	return r.Fs.OpenFile(r.name(name), flag, perm)
}

// createAnew makes a file of an afero.Fs for which OpenFile with O_CREATE failed with err: a
// RegexpFs opens only existing files, and a CacheOnReadFs reads the file first and needs to know
// its directory.
func createAnew(files afero.Fs, name string, err error) (webdav.File, error) {
	if files.MkdirAll(path.Dir(name), 0o777) == nil {
		if file, err := files.Create(name); err == nil {
			return file, nil
		}
		_ = files.Remove(name) // it may exist in one layer only
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fs.ErrPermission // its directory exists
	}
	return nil, err
}

// osFile returns the file of the operating system that f wraps. Between two of them, and to a
// socket, the kernel copies.
func osFile(f any) (*os.File, bool) {
	for {
		switch inner := f.(type) {
		case *os.File:
			return inner, true
		case *afero.BasePathFile:
			f = inner.File
		case interface{ OSFile() *os.File }: // of package disk
			return inner.OSFile(), true
		default:
			return nil, false
		}
	}
}
