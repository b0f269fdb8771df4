package tree

import (
	"context"
	"errors"
	"io/fs"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// file transfers a file, or in a MOVE a link or a special file, to dst, where old is or, if that is
// nil, nothing.
func (x *transfer) file(src props.Resource, dst davpath.Path, old *fsbackend.Info) error {
	if old != nil && old.IsDir() {
		if x.move {
			if err := x.moveOverCollection(src, dst, old); !crossDevice(err) || src.Info.IsLink() {
				return err
			}
		}
		return x.fileOverCollection(src, dst, old)
	}
	priv := access.WriteContent
	if old == nil || x.move { // for a MOVE the removal of old was checked before (§9.9.3)
		priv = access.Bind
	}
	if err := x.t.check(x.ctx, priv, dst); err != nil {
		return err
	}
	if err := x.clearStale(dst, old); err != nil {
		return err
	}
	if x.move {
		return x.moveFile(src, dst, old)
	}
	if err := x.t.copyFile(x.ctx, src.Path, dst); err != nil {
		return err
	}
	x.changed = true
	return x.properties(src, dst)
}

// fileOverCollection copies src to a temp file first, so that the collection is removed only when
// the copy is complete.
func (x *transfer) fileOverCollection(src props.Resource, dst davpath.Path, old *fsbackend.Info) error {
	if err := x.checkReplaceDir(dst); err != nil {
		return err
	}
	ctx := context.WithoutCancel(x.ctx)
	temp := x.t.tempBeside(dst)
	if err := x.t.copyFile(x.ctx, src.Path, temp); err != nil {
		return err
	}
	err := x.t.replaceDir(x.ctx, dst, old, x.report,
		func() error { return x.t.FS.Rename(ctx, temp, dst) },
		func() error { return x.t.FS.Rename(ctx, dst, temp) })
	if err != nil {
		if left := x.t.FS.Remove(ctx, temp); left != nil && !missing(left) {
			x.t.warn("a temp file is left over", temp, left)
		}
		return err
	}
	x.changed = true
	x.t.gone(dst, true) // a lock on dst itself stays: the URL is still mapped (RFC 4918 §6.1)
	if err := errors.Join(x.t.queue(ctx, props.Delete{Path: dst}), x.copyProperties(ctx, src.Path, dst)); err != nil || !x.move {
		return err
	}
	return x.removeSource(src.Path)
}

// moveOverCollection renames a file, a link or a special file over a collection.
func (x *transfer) moveOverCollection(src props.Resource, dst davpath.Path, old *fsbackend.Info) error {
	if err := x.checkReplaceDir(dst); err != nil {
		return err
	}
	ctx := context.WithoutCancel(x.ctx)
	err := x.t.replaceDir(x.ctx, dst, old, x.report,
		func() error { return x.t.FS.Rename(ctx, src.Path, dst) },
		func() error { return x.t.FS.Rename(ctx, dst, src.Path) })
	if err != nil {
		return err
	}
	x.changed = true
	x.t.gone(src.Path, false)
	x.t.gone(dst, true)
	return x.t.queue(ctx, props.Move{Src: src.Path, Dst: dst})
}

// moveFile renames one file. Where the back end cannot rename that far it copies and removes it.
func (x *transfer) moveFile(src props.Resource, dst davpath.Path, old *fsbackend.Info) error {
	err := x.t.FS.Rename(x.ctx, src.Path, dst)
	if err == nil {
		x.changed = true
		x.t.gone(src.Path, false)
		return x.t.queue(x.ctx, props.Move{Src: src.Path, Dst: dst})
	}
	if !crossDevice(err) {
		return x.renameFailure(src.Path, err)
	}
	if err := x.t.copyFile(x.ctx, src.Path, dst); err != nil {
		return err
	}
	before := x.changed
	x.changed = true
	if err = x.copyProperties(x.ctx, src.Path, dst); err == nil {
		err = x.removeSource(src.Path)
	}
	if err != nil && old == nil {
		// A resource is at one of the two URLs: remove the copy.
		if back := x.t.FS.Remove(context.WithoutCancel(x.ctx), dst); back == nil {
			x.changed = before
			x.t.dropState(x.ctx, dst)
		}
	}
	return err
}

// renameFailure marks the error of a rename as the source's, unless it names another file.
func (x *transfer) renameFailure(src davpath.Path, err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path != src.String() {
		return err
	}
	return sourceError{err}
}

// removeSource removes the source of a MOVE after it was copied.
func (x *transfer) removeSource(src davpath.Path) error {
	if err := syncChanges(x.ctx); err != nil { // there is no order between two volumes
		return err
	}
	// Store the copy's properties first: if the process is killed, one of the two must have them.
	if err := x.t.flush(x.ctx); err != nil {
		return err
	}
	if err := x.t.FS.Remove(x.ctx, src); err != nil && !missing(err) { // another process may have removed it
		return sourceError{err}
	}
	x.changed = true
	x.t.dropState(x.ctx, src)
	return nil
}
