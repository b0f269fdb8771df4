package disk

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Remove implements fsbackend.Backend. With other members than temp files the error is
// syscall.ENOTEMPTY on every platform.
func (b *backend) Remove(ctx context.Context, p davpath.Path) error {
	h, ok := host(p)
	if !ok {
		return fsbackend.ReadError("remove", p, fs.ErrNotExist)
	}
	if p.IsRoot() {
		return fsbackend.ReadError("remove", p, fs.ErrPermission)
	}
	d, _, err := b.openDir(filepath.Dir(h))
	if err != nil {
		return b.readError("remove", p, err)
	}
	defer d.close()
	err = d.remove(filepath.Base(h))
	// Somebody may write temp files in there all the time: that is then a directory in use.
	for range 3 {
		if !errors.Is(err, fs.ErrExist) { // what ENOTEMPTY is to package errors, on Windows too
			break
		}
		if !b.removeTemps(h) {
			err = syscall.ENOTEMPTY
			break
		}
		err = d.remove(filepath.Base(h))
	}
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = syscall.ENOTEMPTY
		}
		return b.readError("remove", p, err)
	}
	if err := b.removed(ctx, h); err != nil {
		return b.readError("remove", p, err)
	}
	return nil
}

// removed notes that h is gone, and writes that to the disk where that is wanted.
func (b *backend) removed(ctx context.Context, h string) error {
	liveTemps.remove(h)
	return b.changed(ctx, h)
}

// removeTemps removes the members of the directory h if all of them are temp files.
func (b *backend) removeTemps(h string) bool {
	f, _, err := b.openFile(h)
	if err != nil {
		return false
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil || slices.ContainsFunc(names, func(n string) bool { return !davpath.IsTemp(n) }) {
		return false
	}
	for _, n := range names {
		if b.root.RemoveAll(filepath.Join(h, n)) != nil {
			return false
		}
		liveTemps.remove(n)
	}
	return true
}
