package disk

import (
	"context"
	"errors"
	"io"
	"io/fs"
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
	err := b.checkNoReservedLink(h, false)
	if err == nil {
		err = b.removeOne(h)
	}
	// Somebody may write temp files in there all the time: that is then a directory in use.
	for range 3 {
		if !errors.Is(err, fs.ErrExist) { // what ENOTEMPTY is to package errors, on Windows too
			break
		}
		if !b.removeTemps(h) {
			err = syscall.ENOTEMPTY
			break
		}
		err = b.removeOne(h)
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

func (b *backend) removeOne(h string) error {
	err := b.removeDirect(h)
	if err == errFallback {
		err = b.root.Remove(h)
	}
	return err
}

// removed notes that h is gone, and writes that to the disk where that is wanted.
func (b *backend) removed(ctx context.Context, h string) error {
	liveTemps.remove(h)
	if batch := b.batchOf(ctx); batch != nil {
		batch.removed(h)
	}
	return b.changed(ctx, h)
}

// removeTemps removes the members of the directory h if all of them are temp files.
func (b *backend) removeTemps(h string) bool {
	f, _, err := b.openFile(h)
	if err != nil {
		return false
	}
	defer f.Close()
	var found []string
	for {
		names, err := f.Readdirnames(256)
		for _, n := range names {
			if !davpath.IsTemp(n) {
				return false
			}
		}
		found = append(found, names...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return false
		}
	}
	for _, n := range found {
		if b.root.RemoveAll(within(h, n)) != nil {
			return false
		}
		liveTemps.remove(n)
	}
	return true
}
