package fsbackend

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// Remove removes a file, a link itself, or an empty directory. One that holds only what was written aside counts as
// empty, since nobody can see those. With other members the error is syscall.ENOTEMPTY on every platform.
func (d *Disk) Remove(ctx context.Context, name string) error {
	p, ok := host(name)
	if !ok {
		return reading("remove", name, fs.ErrNotExist)
	}
	if p == "." {
		return reading("remove", name, fs.ErrPermission)
	}
	err := d.admit(p, false)
	if err == nil {
		err = d.removeOne(p)
	}
	// Somebody may write aside in there all the time: that is then a directory in use.
	for range 3 {
		if !errors.Is(err, fs.ErrExist) { // what ENOTEMPTY is to package errors, on Windows too
			break
		}
		if !d.removeAsides(p) {
			err = syscall.ENOTEMPTY
			break
		}
		err = d.removeOne(p)
	}
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = syscall.ENOTEMPTY
		}
		return d.reading("remove", name, err)
	}
	if err := d.removed(ctx, p); err != nil {
		return d.reading("remove", name, err)
	}
	return nil
}

func (d *Disk) removeOne(p string) error {
	err := d.removeDirect(p)
	if err == errUnsure {
		err = d.root.Remove(p)
	}
	return err
}

// removed takes note that p is gone, for good where that is wanted.
func (d *Disk) removed(ctx context.Context, p string) error {
	asides.gone(p)
	if u := d.unsettled(ctx); u != nil {
		u.removed(p)
	}
	return d.changed(ctx, p)
}

// removeAsides removes the members of the directory p if all of them were written aside.
func (d *Disk) removeAsides(p string) bool {
	f, _, err := d.open(p, 0, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	var found []string
	for {
		names, err := f.Readdirnames(256)
		for _, n := range names {
			if !isAside(n) {
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
		if d.root.RemoveAll(within(p, n)) != nil {
			return false
		}
		asides.gone(n)
	}
	return true
}

// Abandon implements tree.Abandoner: what stands aside at name is neither kept open any more nor kept from Sweep, which gives
// it its name again where that is free.
func (d *Disk) Abandon(_ context.Context, name string) {
	if p, ok := host(name); ok {
		asides.gone(p)
	}
}

// RemoveAll removes name and, where it is a directory, all below; links are removed and not followed. That name does
// not exist is no error. The error of a member that cannot be removed does not tell which one it is.
func (d *Disk) RemoveAll(ctx context.Context, name string) error {
	p, ok := host(name)
	if !ok {
		return nil
	}
	if p == "." {
		return reading("removeall", name, fs.ErrPermission)
	}
	err := d.removeDirect(p)
	if err != nil && !missing(err) {
		if err = d.admit(p, false); err == nil {
			err = d.root.RemoveAll(p)
		}
	}
	if err != nil {
		if err = d.reading("removeall", name, err); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		asides.gone(p)
		return nil
	}
	if err := d.removed(ctx, p); err != nil {
		return d.reading("removeall", name, err)
	}
	return nil
}
