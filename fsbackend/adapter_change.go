package fsbackend

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"dav207/server/davpath"
)

// Remove implements Backend. If the file system reports a removal and still shows the file, Remove
// returns fs.ErrPermission.
func (a *adapter) Remove(ctx context.Context, p davpath.Path) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.remove(ctx, p.String()); err != nil {
		return ReadError("remove", p, err)
	}
	return nil
}

func (a *adapter) remove(ctx context.Context, name string) error {
	if name == "/" {
		return fs.ErrPermission
	}
	fi, err := a.lstatLink(ctx, name)
	if err != nil {
		return err
	}
	if fi.IsDir() {
		if err := a.removeTemps(ctx, name); err != nil {
			return err
		}
	}
	if err := a.fs.remove(ctx, name); err != nil {
		// A lower layer may refuse to remove what the upper one shows.
		if _, lstatErr := a.lstat(ctx, name); lstatErr == nil && errors.Is(err, fs.ErrNotExist) {
			return fs.ErrPermission
		}
		return err
	}
	return a.checkRemoved(ctx, name)
}

// checkRemoved returns nil if nothing is at name. A file system with a read-only layer may report a
// removal and still show the file: that is fs.ErrPermission.
func (a *adapter) checkRemoved(ctx context.Context, name string) error {
	_, err := a.lstat(ctx, name)
	if err == nil {
		return fs.ErrPermission
	}
	if Cause(err) == syscall.ENOTDIR || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeTemps removes the temp files in the directory name, and returns syscall.ENOTEMPTY if it has
// other members.
func (a *adapter) removeTemps(ctx context.Context, name string) error {
	names, err := a.names(ctx, name)
	if err != nil {
		return err
	}
	if !onlyTemps(names) {
		return syscall.ENOTEMPTY
	}
	a.uploads.moveOut(name, func(from, to string) error { return a.fs.rename(ctx, from, to) })
	for _, n := range names {
		if err := a.removeAll(ctx, path.Join(name, n)); err != nil {
			return syscall.ENOTEMPTY
		}
	}
	return nil
}

// removeAll removes name and all below it.
func (a *adapter) removeAll(ctx context.Context, name string) error {
	if a.checkRemoved(ctx, name) == nil {
		return nil
	}
	if err := a.fs.removeAll(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return a.checkRemoved(ctx, name)
}

// Rename implements Backend. A directory replaces an empty one.
func (a *adapter) Rename(ctx context.Context, from, to davpath.Path) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.rename(ctx, from.String(), to.String()); err != nil {
		return RenameError(from, to, err)
	}
	return nil
}

func (a *adapter) rename(ctx context.Context, from, to string) error {
	if from == "/" || to == "/" {
		return fs.ErrPermission
	}
	old, err := a.lstat(ctx, from)
	if err != nil {
		if Cause(err) == syscall.ENOTDIR {
			err = fs.ErrNotExist
		}
		return err
	}
	if from == to {
		return nil
	}
	if strings.HasPrefix(to, from+"/") {
		return syscall.EINVAL
	}
	if err := a.checkParent(ctx, to); err != nil {
		return err
	}
	replaced, err := a.lstat(ctx, to)
	switch {
	case err == nil && old.SameFile(replaced):
		return a.fs.rename(ctx, from, to)
	case old.IsDir():
		return a.replaceDir(ctx, from, to, replaced)
	case err != nil:
		return a.renameChecked(ctx, from, to)
	case replaced.IsDir():
		return syscall.EISDIR
	}
	return a.renameOverFile(ctx, from, to)
}

// replaceDir renames a directory. replaced describes what is at to: nothing if it is nil, or an
// empty directory.
func (a *adapter) replaceDir(ctx context.Context, from, to string, replaced *Info) error {
	if replaced == nil {
		return a.renameDir(ctx, from, to)
	}
	if !replaced.IsDir() {
		return syscall.ENOTDIR
	}
	if err := a.remove(ctx, to); err != nil {
		return err
	}
	if err := a.renameDir(ctx, from, to); err != nil {
		return errors.Join(err, a.fs.mkdir(ctx, to, replaced.Mode().Perm()))
	}
	return nil
}

// renameChecked renames a file or directory to a name that is free, and checks that nothing has the
// old name any more. A file system with a read-only layer may report success and still show it:
// that is fs.ErrPermission. RegexpFs reports success for directories and does nothing: that is
// errors.ErrUnsupported.
func (a *adapter) renameChecked(ctx context.Context, from, to string) error {
	if err := a.fs.rename(ctx, from, to); err != nil {
		return err
	}
	if a.checkRemoved(ctx, from) == nil {
		return nil
	}
	if _, err := a.lstat(ctx, to); err != nil {
		return errors.ErrUnsupported
	}
	return errors.Join(fs.ErrPermission, a.fs.rename(ctx, to, from))
}

// renameDir renames a directory to a name that is free, with the temp files below it.
func (a *adapter) renameDir(ctx context.Context, from, to string) error {
	return a.uploads.renameDir(from, to, func() error {
		err := a.renameChecked(ctx, from, to)
		if err == nil || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EXDEV) || errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		// A CacheOnReadFs takes a directory that it does not know for a file: make it known.
		if a.fs.mkdirAll(ctx, from) != nil || a.fs.mkdirAll(ctx, path.Dir(to)) != nil {
			return err
		}
		if a.renameChecked(ctx, from, to) == nil {
			return nil
		}
		return err
	})
}

// renameOverFile renames a file over a file. If the old name may stay visible, it checks that
// before it replaces anything.
func (a *adapter) renameOverFile(ctx context.Context, from, to string) error {
	if !a.hasReadOnlyLayer || davpath.IsTemp(path.Base(from)) {
		return a.replace(ctx, from, to)
	}
	temp := path.Join(path.Dir(from), davpath.TempName())
	if err := a.renameChecked(ctx, from, temp); err != nil {
		return err
	}
	err := a.replace(ctx, temp, to)
	if err != nil {
		err = errors.Join(err, a.fs.rename(ctx, temp, from))
	}
	return err
}

// replace renames the file from over the file to. Where the file system refuses that, it moves the
// old file to a temp name first, and back if the rename fails.
func (a *adapter) replace(ctx context.Context, from, to string) error {
	err := a.fs.rename(ctx, from, to)
	if err == nil || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EXDEV) {
		return err
	}
	temp := path.Join(path.Dir(to), davpath.TempName())
	if a.fs.rename(ctx, to, temp) != nil {
		return err
	}
	if err := a.fs.rename(ctx, from, to); err != nil {
		return errors.Join(err, a.fs.rename(ctx, temp, to))
	}
	return a.fs.remove(ctx, temp)
}
