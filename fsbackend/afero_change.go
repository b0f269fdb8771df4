package fsbackend

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/spf13/afero"
)

// Remove removes a file, a link itself, or an empty directory. One that holds only what was written aside counts as
// empty; with other members the error is syscall.ENOTEMPTY. What the back end says it removed and still shows is
// fs.ErrPermission.
func (f *FS) Remove(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.remove(clean(name)); err != nil {
		return reading("remove", name, err)
	}
	return nil
}

func (f *FS) remove(name string) error {
	if name == "/" {
		return fs.ErrPermission
	}
	fi, err := f.lstat(name)
	if err != nil {
		return err
	}
	if fi.IsDir() {
		if err := f.empty(name); err != nil {
			return err
		}
	}
	p, _ := backend(name)
	if err := f.fs.Remove(p); err != nil {
		// A layer below may refuse what the one above shows.
		if _, look := f.lstat(name); look == nil && errors.Is(err, fs.ErrNotExist) {
			return fs.ErrPermission
		}
		return err
	}
	return f.vanished(name)
}

// vanished looks whether what was removed is gone: a back end with a layer that is not written to says yes and does
// nothing.
func (f *FS) vanished(name string) error {
	_, err := f.lstat(name)
	if err == nil {
		return fs.ErrPermission
	}
	if cause(err) == syscall.ENOTDIR || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// empty returns nil if the directory name has no members, or none once those written aside are removed.
func (f *FS) empty(name string) error {
	p, _ := backend(name)
	dir, err := f.fs.Open(p)
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	dir.Close()
	if err != nil {
		return err
	}
	for _, n := range names {
		if !isAside(n) {
			return syscall.ENOTEMPTY
		}
	}
	f.rescue(name)
	for _, n := range names {
		if err := f.removeAll(path.Join(name, n)); err != nil {
			return syscall.ENOTEMPTY
		}
	}
	return nil
}

// rescue keeps the uploads in a directory that is about to be removed.
func (f *FS) rescue(name string) {
	f.staging.rescue(name, func(from, to string) error {
		p, _ := backend(from)
		q, _ := backend(to)
		return f.fs.Rename(p, q)
	})
}

// RemoveAll removes name and all below; that it does not exist is no error. What the back end says it removed and
// still shows is fs.ErrPermission.
func (f *FS) RemoveAll(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.removeAll(clean(name)); err != nil {
		return reading("removeall", name, err)
	}
	return nil
}

func (f *FS) removeAll(name string) error {
	if name == "/" {
		return fs.ErrPermission
	}
	if f.vanished(name) == nil {
		return nil
	}
	p, ok := backend(name)
	if !ok {
		return nil
	}
	f.rescue(name)
	if err := f.fs.RemoveAll(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return f.vanished(name)
}

// Rename moves a file or a directory with all its members. A file replaces a file, a directory an empty directory; all
// else is refused as rename(2) does: EISDIR, ENOTDIR, ENOTEMPTY, EINVAL.
func (f *FS) Rename(_ context.Context, oldName, newName string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.rename(clean(oldName), clean(newName)); err != nil {
		return renaming(oldName, newName, err)
	}
	return nil
}

func (f *FS) rename(from, to string) error {
	if from == "/" || to == "/" {
		return fs.ErrPermission
	}
	old, err := f.lstat(from)
	if err != nil {
		return cause(reading("rename", from, err))
	}
	if from == to {
		return nil
	}
	if strings.HasPrefix(to, from+"/") {
		return syscall.EINVAL
	}
	if err := f.room(to); err != nil {
		return err
	}
	p, _ := backend(from)
	q, _ := backend(to)
	move := func() error { return f.moveAway(from, to) }
	if old.IsDir() {
		move = func() error { return f.staging.follow(from, to, func() error { return f.moveDir(from, to) }) }
	}
	there, err := f.lstat(to)
	switch {
	case err != nil:
		return move()
	case sameFile(old, there):
		return f.fs.Rename(p, q)
	}
	switch {
	case !old.IsDir() && there.IsDir():
		return syscall.EISDIR
	case old.IsDir() && !there.IsDir():
		return syscall.ENOTDIR
	case !old.IsDir():
		return f.replaceWith(from, to)
	}
	if err := f.remove(to); err != nil {
		return err
	}
	if err := move(); err != nil {
		return errors.Join(err, f.fs.Mkdir(q, there.Mode().Perm()))
	}
	return nil
}

// Exceeding implements tree.Exceeder where the back end has a method Exceeding(name string, bytes,
// segments int) string, as Mem has it, and is errors.ErrUnsupported where there is none.
func (f *FS) Exceeding(_ context.Context, name string, bytes, segments int) (string, error) {
	e, offered := f.fs.(interface {
		Exceeding(name string, bytes, segments int) string
	})
	if !offered {
		return "", errors.ErrUnsupported
	}
	return e.Exceeding(clean(name), bytes, segments), nil
}

// moveAway renames something to a name that is free, and makes sure that it is not at its old one
// any more: a back end with a layer that is not written to says yes and shows it still
// (fs.ErrPermission), and RegexpFs does so for directories and does nothing
// (errors.ErrUnsupported).
func (f *FS) moveAway(from, to string) error {
	p, _ := backend(from)
	q, _ := backend(to)
	if err := f.fs.Rename(p, q); err != nil {
		return err
	}
	if f.vanished(from) == nil {
		return nil
	}
	if _, err := f.lstat(to); err != nil {
		return errors.ErrUnsupported
	}
	return errors.Join(fs.ErrPermission, f.fs.Rename(q, p))
}

// moveDir is moveAway for a directory. A cache takes one that it does not know for a file.
func (f *FS) moveDir(from, to string) error {
	err := f.moveAway(from, to)
	if err == nil || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EXDEV) || errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	p, _ := backend(from)
	q, _ := backend(path.Dir(to))
	if f.fs.MkdirAll(p, 0o777) != nil || f.fs.MkdirAll(q, 0o777) != nil {
		return err
	}
	if f.moveAway(from, to) == nil {
		return nil
	}
	return err
}

// replaceWith renames a file over a file. Where the old name may stay, that is found out before
// anything is replaced.
func (f *FS) replaceWith(from, to string) error {
	p, _ := backend(from)
	q, _ := backend(to)
	if _, layered := f.fs.(*afero.CopyOnWriteFs); !layered || isAside(path.Base(from)) {
		return f.replace(p, q)
	}
	aside := path.Join(path.Dir(from), asideName())
	if err := f.moveAway(from, aside); err != nil {
		return err
	}
	r, _ := backend(aside)
	err := f.replace(r, q)
	if err != nil {
		err = errors.Join(err, f.fs.Rename(r, p))
	}
	return err
}

// replace renames the file p to q, where a file is. Some back ends refuse that: then the file at q is moved away
// first, and back if it does not work out.
func (f *FS) replace(p, q string) error {
	err := f.fs.Rename(p, q)
	if err == nil || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EXDEV) {
		return err
	}
	aside := parent(q) + asideName()
	if f.fs.Rename(q, aside) != nil {
		return err
	}
	if err := f.fs.Rename(p, q); err != nil {
		return errors.Join(err, f.fs.Rename(aside, q))
	}
	return f.fs.Remove(aside)
}

func sameFile(a, b fs.FileInfo) bool {
	if s, ok := a.(interface{ SameFile(fs.FileInfo) bool }); ok {
		return s.SameFile(b)
	}
	return os.SameFile(a, b)
}
