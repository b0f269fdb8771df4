package tree

import (
	"context"
	"errors"
	"io/fs"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/resource"
)

func (x *transfer) file(src props.Resource, dst resource.Path, old fs.FileInfo) error {
	if old != nil && old.IsDir() {
		if x.move {
			if err := x.moveOverCollection(src, dst, old); !tooFar(err) || isLink(src.Info) {
				return err
			}
		}
		return x.fileOverCollection(src, dst, old)
	}
	priv := access.WriteContent
	if old == nil {
		priv = access.Bind
	}
	if err := x.t.check(x.ctx, priv, dst); err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	if x.move {
		return x.moveFile(src.Path, dst, old)
	}
	if err := x.t.copyFile(x.ctx, src.Path, dst); err != nil {
		return err
	}
	x.changed = true
	return x.t.Props.Copy(context.WithoutCancel(x.ctx), src.Path, dst)
}

// fileOverCollection writes the file aside first, so that the collection goes only when its successor is whole.
func (x *transfer) fileOverCollection(src props.Resource, dst resource.Path, old fs.FileInfo) error {
	if err := x.mayReplace(dst); err != nil {
		return err
	}
	ctx := context.WithoutCancel(x.ctx)
	aside := x.t.aside(dst)
	if err := x.t.copyFile(x.ctx, src.Path, aside); err != nil {
		return err
	}
	err := x.t.supplant(x.ctx, dst, old, x.report,
		func() error { return x.t.rename(ctx, aside, dst, false) },
		func() error { return x.t.rename(ctx, dst, aside, false) })
	if err != nil {
		if left := x.t.remove(ctx, aside, false); left != nil && !missing(left) {
			x.t.warn("a file written aside is left over", aside, left)
		}
		return err
	}
	x.changed = true
	x.t.gone(dst, true) // a lock on dst itself goes on: the URL is still mapped (§6.1)
	if err := errors.Join(x.t.Props.Delete(ctx, dst), x.t.Props.Copy(ctx, src.Path, dst)); err != nil || !x.move {
		return err
	}
	return x.removeSource(src.Path, false)
}

// moveOverCollection renames a file, a link or what is neither over a collection.
func (x *transfer) moveOverCollection(src props.Resource, dst resource.Path, old fs.FileInfo) error {
	if err := x.mayReplace(dst); err != nil {
		return err
	}
	ctx := context.WithoutCancel(x.ctx)
	err := x.t.supplant(x.ctx, dst, old, x.report,
		func() error { return x.t.rename(ctx, src.Path, dst, false) },
		func() error { return x.t.rename(ctx, dst, src.Path, false) })
	if err != nil {
		return err
	}
	x.changed = true
	x.t.gone(src.Path, false)
	x.t.gone(dst, true)
	return x.t.Props.Move(ctx, src.Path, dst)
}

// moveFile renames one file, or copies and removes it where the file system cannot rename that far.
func (x *transfer) moveFile(src, dst resource.Path, old fs.FileInfo) error {
	ctx := context.WithoutCancel(x.ctx)
	err := x.t.replace(x.ctx, src, dst)
	if err == nil {
		x.changed = true
		x.t.gone(src, false)
		return x.t.Props.Move(ctx, src, dst)
	}
	if !tooFar(err) {
		return x.blame(src, err)
	}
	if err := x.t.copyFile(x.ctx, src, dst); err != nil {
		return err
	}
	before := x.changed
	x.changed = true
	if err := x.t.Props.Copy(ctx, src, dst); err != nil {
		return err
	}
	if err = x.removeSource(src, false); err != nil && old == nil {
		// A resource is at one URL or at the other: take the copy back.
		if back := x.t.remove(ctx, dst, false); back == nil {
			x.changed = before
			return errors.Join(err, x.t.forget(ctx, dst))
		}
	}
	return err
}

// blame decides whose failure a failed rename is: the source's, unless the file system says otherwise.
func (x *transfer) blame(src resource.Path, err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path != src.String() {
		return err
	}
	return sideError{err}
}

// removeSource ends the move of one resource that was copied.
func (x *transfer) removeSource(src resource.Path, collection bool) error {
	if err := x.t.remove(x.ctx, src, collection); err != nil && !missing(err) { // who took it did what was to be done
		return sideError{err}
	}
	x.changed = true
	return x.t.forget(x.ctx, src)
}

// mayReplace asks whether the collection dst may go with all its members, and whether the request still wants it.
func (x *transfer) mayReplace(dst resource.Path) error {
	if err := errors.Join(x.t.check(x.ctx, access.Unbind, dst), x.t.check(x.ctx, access.Bind, dst)); err != nil {
		return err
	}
	if err := x.t.refusals(x.ctx, dst, x.report); err != nil {
		return err
	}
	return x.begin()
}
