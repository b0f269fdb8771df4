package fsbackend

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/net/webdav"
)

// FS serves an afero.Fs. It asks little of it: files are read from Fs.Open, written from begin to end without seeking,
// and what a back end forgets to check (that a parent exists, that a directory is empty, that what was removed is
// gone) is checked here. Those checks are not one step with what follows them, unless the back end's own are.
//
// All methods may be called concurrently where those of the back end may.
type FS struct {
	fs      afero.Fs
	mu      sync.Locker
	staging stagingSet
}

// New serves a back end of afero.
//
// The names of package io/fs, which afero.FromIOFS wants, are found out by asking for the root. An
// archive of zipfs or tarfs has the directories of all its files, be there an entry for each or
// not.
//
// It is no jail: afero.BasePathFs over afero.OsFs follows links out of its directory, so use Root for a disk.
// An *afero.MemMapFs crashes the process when two goroutines rename one file; given directly, its operations are
// done one at a time. Below another afero.Fs it is not recognised: use Memory.
func New(fs afero.Fs) *FS {
	f := &FS{fs: adapted(fs), mu: unlocked{}}
	if _, ok := fs.(*afero.MemMapFs); ok {
		f.mu = new(sync.Mutex)
	}
	return f
}

type unlocked struct{}

func (unlocked) Lock()   {}
func (unlocked) Unlock() {}

// backend returns a canonical name as the back end spells it, and false where it cannot.
func backend(name string) (string, bool) {
	if strings.IndexByte(name, 0) >= 0 || filepath.Separator != '/' && strings.ContainsRune(name, filepath.Separator) {
		return "", false
	}
	return filepath.FromSlash(name), true
}

// lstat describes a canonical name, itself where it is a link and the back end can say so.
func (f *FS) lstat(name string) (fs.FileInfo, error) {
	p, ok := backend(name)
	if !ok {
		return nil, fs.ErrNotExist
	}
	if l, ok := f.fs.(afero.Lstater); ok {
		fi, _, err := l.LstatIfPossible(p)
		return named(name, fi, err)
	}
	return f.stat(name)
}

func (f *FS) stat(name string) (fs.FileInfo, error) {
	p, ok := backend(name)
	if !ok {
		return nil, fs.ErrNotExist
	}
	fi, err := f.fs.Stat(p)
	return named(name, fi, err)
}

func named(name string, fi fs.FileInfo, err error) (fs.FileInfo, error) {
	if err != nil {
		return nil, err
	}
	return snapshot(path.Base(name), fi), nil
}

// room returns nil if something new can be made at name: the parent is a directory. Back ends tend to invent those.
func (f *FS) room(name string) error {
	if _, ok := backend(name); !ok {
		return fs.ErrInvalid
	}
	fi, err := f.stat(path.Dir(name))
	if err == nil && !fi.IsDir() {
		err = syscall.ENOTDIR
	}
	return err
}

// Stat describes what name leads to; the info does not change later.
func (f *FS) Stat(_ context.Context, name string) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fi, err := f.stat(clean(name))
	if err != nil {
		return nil, reading("stat", name, err)
	}
	return fi, nil
}

// Lstat describes name itself where it is a link. A back end that is no afero.Lstater is taken for one without links.
func (f *FS) Lstat(_ context.Context, name string) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fi, err := f.lstat(clean(name))
	if err != nil {
		return nil, reading("lstat", name, err)
	}
	return fi, nil
}

// Mkdir makes one directory; its parent must exist.
func (f *FS) Mkdir(_ context.Context, name string, perm fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.mkdir(clean(name), perm); err != nil {
		return creating("mkdir", name, err)
	}
	return nil
}

func (f *FS) mkdir(name string, perm fs.FileMode) error {
	if err := f.room(name); err != nil {
		return err
	}
	if _, err := f.lstat(name); err == nil {
		return fs.ErrExist
	}
	p, _ := backend(name)
	return f.fs.Mkdir(p, perm.Perm())
}

// OpenFile opens a regular file or a directory. An *os.File that the back end opened for reading is returned as it is; a
// directory also has Readdirnames, and Lstat for its members. Whoever writes a file here writes it in place: see Stage.
func (f *FS) OpenFile(_ context.Context, name string, flag int, perm fs.FileMode) (webdav.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	whole := clean(name)
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND) == 0 {
		file, err := f.open(whole)
		if err != nil {
			return nil, reading("open", name, err)
		}
		return file, nil
	}
	file, err := f.create(whole, flag, perm)
	if err != nil {
		return nil, creating("open", name, err)
	}
	return new(newAferoFile(f, file, whole)), nil
}

func (f *FS) open(name string) (webdav.File, error) {
	fi, err := f.stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() && !fi.Mode().IsRegular() {
		return nil, fs.ErrPermission
	}
	p, _ := backend(name)
	file, err := f.fs.Open(p)
	if err != nil {
		return nil, err
	}
	if opened, err := file.Stat(); err == nil {
		fi = opened // something else may have the name by now
	}
	if fi.IsDir() {
		dir := aferoDir{newAferoFile(f, file, name)}
		if members, ok := file.(*memFile); ok {
			return &memDir{dir, members}, nil
		}
		return &dir, nil
	}
	if file, ok := osFile(file); ok {
		return file, nil
	}
	return new(newAferoFile(f, file, name)), nil
}

func (f *FS) create(name string, flag int, perm fs.FileMode) (afero.File, error) {
	fi, err := f.stat(name)
	switch {
	case err == nil && fi.IsDir():
		return nil, syscall.EISDIR
	case err == nil && !fi.Mode().IsRegular():
		return nil, fs.ErrPermission
	case err == nil && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case err != nil:
		if err := f.room(name); err != nil {
			return nil, err
		}
		if flag&os.O_CREATE == 0 {
			return nil, err
		}
		p, _ := backend(name)
		return f.createNew(p, flag, perm.Perm())
	}
	if flag&os.O_CREATE == 0 {
		flag &^= os.O_EXCL // which means nothing then, but not to every back end
	}
	p, _ := backend(name)
	return f.fs.OpenFile(p, flag, perm.Perm())
}

// createNew makes a file in a directory that is there. Some back ends have to be asked for it in
// another way: a RegexpFs opens only what it knows, and a CacheOnReadFs reads what it does not
// know, and wants to know the directory.
func (f *FS) createNew(p string, flag int, perm fs.FileMode) (afero.File, error) {
	file, err := f.fs.OpenFile(p, flag, perm)
	if err == nil || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return file, err
	}
	if f.room(filepath.ToSlash(p)) != nil {
		return nil, err
	}
	if f.fs.MkdirAll(filepath.Dir(p), 0o777) == nil {
		if file, err := f.fs.Create(p); err == nil {
			_ = f.fs.Chmod(p, perm)
			return file, nil
		}
		if isAside(filepath.Base(p)) {
			_ = f.fs.Remove(p) // what may have been made in one layer only
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fs.ErrPermission // there is a place for it, and it does not get it
	}
	return nil, err
}

// Chtimes sets the time of the last modification; see Disk.Chtimes for the fraction it gives to whole seconds.
func (f *FS) Chtimes(_ context.Context, name string, mtime time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := backend(clean(name))
	if !ok {
		return reading("chtimes", name, fs.ErrNotExist)
	}
	// Not every back end knows that a zero time of access means to leave it alone.
	mtime = times.exact(mtime)
	if err := f.fs.Chtimes(p, mtime, mtime); err != nil {
		return reading("chtimes", name, err)
	}
	return nil
}

// Space asks the back end's method Space(name string) (used, available uint64, err error), as Mem has it, and is
// errors.ErrUnsupported where there is none.
func (f *FS) Space(_ context.Context, name string) (used, available uint64, err error) {
	s, ok := f.fs.(interface {
		Space(name string) (used, available uint64, err error)
	})
	if !ok {
		return 0, 0, errors.ErrUnsupported
	}
	p, ok := backend(clean(name))
	if !ok {
		return 0, 0, reading("space", name, fs.ErrNotExist)
	}
	return s.Space(p)
}
