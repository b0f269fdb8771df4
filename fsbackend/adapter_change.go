package fsbackend

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"strings"
	"syscall"

	"dav207/server/davpath"
)

// Remove implements Backend. If the file system reports a removal and still shows the file, Remove
// returns fs.ErrPermission.
func (a *adapter) Remove(ctx context.Context, p davpath.Path) error {
	defer a.lock()()
	return ReadError("remove", p, a.remove(ctx, p.String()))
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
	if err = a.removeOne(ctx, name); err == nil || errors.Is(err, fs.ErrNotExist) {
		// A lower layer may refuse to remove what the upper one shows.
		err = cmp.Or(a.checkRemoved(ctx, name), err)
	}
	return err
}

// removeOne removes a file or an empty directory. A webdav.FileSystem has only RemoveAll.
func (a *adapter) removeOne(ctx context.Context, name string) error {
	if a.afero == nil {
		return a.fs.RemoveAll(ctx, name)
	}
	return a.afero.Remove(name)
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
// other members. Those that are being written it moves to the parent; one that cannot be moved is
// removed with the directory.
func (a *adapter) removeTemps(ctx context.Context, name string) error {
	members, err := a.list(ctx, name)
	if err != nil {
		return err
	}
	for _, member := range members {
		if !davpath.IsTemp(member.Name()) {
			return syscall.ENOTEMPTY
		}
	}
	a.dirs.Lock()
	defer a.dirs.Unlock()
	for u := range a.uploadsBelow(name) {
		if to := path.Join(path.Dir(name), path.Base(u.temp)); a.fs.Rename(ctx, u.temp, to) == nil {
			u.temp = to
		}
	}
	for _, member := range members {
		temp := path.Join(name, member.Name())
		err := a.fs.RemoveAll(ctx, temp)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || a.checkRemoved(ctx, temp) != nil {
			return syscall.ENOTEMPTY
		}
	}
	return nil
}

// uploadsBelow yields the uploads with a temp file below a directory. The caller has locked a.dirs.
func (a *adapter) uploadsBelow(dir string) iter.Seq[*upload] {
	return func(yield func(*upload) bool) {
		a.uploads.Range(func(u, _ any) bool {
			return !strings.HasPrefix(u.(*upload).temp, dir+"/") || yield(u.(*upload))
		})
	}
}

// Rename implements Backend. A directory does not replace an empty one.
func (a *adapter) Rename(ctx context.Context, from, to davpath.Path) error {
	defer a.lock()()
	return RenameError(from, to, a.rename(ctx, from.String(), to.String()))
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
	case err == nil:
		return a.renameOver(ctx, from, to, old, replaced)
	case old.IsDir():
		return a.renameDir(ctx, from, to)
	}
	return a.renameChecked(ctx, from, to)
}

// renameChecked renames a file or directory to a name that is free, and checks that nothing has the
// old name any more. A file system with a read-only layer may report success and still show it:
// that is fs.ErrPermission. RegexpFs reports success for directories and does nothing: that is
// errors.ErrUnsupported.
func (a *adapter) renameChecked(ctx context.Context, from, to string) error {
	if err := a.fs.Rename(ctx, from, to); err != nil {
		return err
	}
	if a.checkRemoved(ctx, from) == nil {
		return nil
	}
	if _, err := a.lstat(ctx, to); err != nil {
		return errors.ErrUnsupported
	}
	return errors.Join(fs.ErrPermission, a.fs.Rename(ctx, to, from))
}

// renameDir renames a directory to a name that is free, with the temp files below it.
func (a *adapter) renameDir(ctx context.Context, from, to string) error {
	a.dirs.Lock()
	defer a.dirs.Unlock()
	err := a.renameChecked(ctx, from, to)
	// A CacheOnReadFs takes a directory that it does not know for a file: make it known.
	if err != nil && a.afero != nil && !isFinal(err) && a.afero.MkdirAll(from, 0o777) == nil &&
		a.afero.MkdirAll(path.Dir(to), 0o777) == nil && a.renameChecked(ctx, from, to) == nil {
		err = nil
	}
	if err != nil {
		return err
	}
	for u := range a.uploadsBelow(from) {
		u.temp = path.Join(to, strings.TrimPrefix(u.temp, from))
	}
	return nil
}

// isFinal reports whether another way to rename something would not help.
func isFinal(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EXDEV)
}

// renameOver renames something to a name that something has. Only a file replaces a file. If the
// old name may stay visible, it checks that before it replaces anything.
func (a *adapter) renameOver(ctx context.Context, from, to string, old, replaced *Info) error {
	switch {
	case old.SameFile(replaced):
		return a.fs.Rename(ctx, from, to)
	case old.IsDir() && replaced.IsDir():
		return fs.ErrExist
	case old.IsDir():
		return syscall.ENOTDIR
	case replaced.IsDir():
		return syscall.EISDIR
	case !a.hasReadOnlyLayer, davpath.IsTemp(path.Base(from)):
		return a.replace(ctx, from, to)
	}
	temp := path.Join(path.Dir(from), davpath.TempName())
	if err := a.renameChecked(ctx, from, temp); err != nil {
		return err
	}
	err := a.replace(ctx, temp, to)
	if err != nil {
		err = errors.Join(err, a.fs.Rename(ctx, temp, from))
	}
	return err
}

// replace renames the file from over the file to. Where the file system refuses that, it moves the
// old file to a temp name first, and back if the rename fails.
func (a *adapter) replace(ctx context.Context, from, to string) error {
	err := a.fs.Rename(ctx, from, to)
	if err == nil || isFinal(err) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temp := path.Join(path.Dir(to), davpath.TempName())
	if a.fs.Rename(ctx, to, temp) != nil {
		return err
	}
	if err := a.fs.Rename(ctx, from, to); err != nil {
		return errors.Join(err, a.fs.Rename(ctx, temp, to))
	}
	return a.removeOne(ctx, temp)
}
