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
	var err error
	switch {
	case old != nil && old.IsDir():
		err = x.checkReplaceDir(dst)
	case old == nil || x.move: // for a MOVE the removal of old was checked before (§9.9.3)
		err = x.t.check(x.ctx, access.Bind, dst)
	default:
		err = x.t.check(x.ctx, access.WriteContent, dst)
	}
	if err == nil {
		err = x.clearStale(dst, old)
	}
	if err != nil {
		return err
	}
	if x.move {
		if err := x.rename(src, dst, old); !crossDevice(err) || src.Info.IsLink() {
			return err
		}
	}
	if err := x.content(src.Path, dst, old); err != nil {
		return err
	}
	before := x.changed
	x.changed = true
	if err = x.properties(src.Path, dst); err == nil && x.move {
		err = x.removeSource(src.Path)
	}
	if err != nil && x.move && old == nil {
		// A resource is at one of the two URLs: remove the copy.
		if back := x.t.FS.Remove(context.WithoutCancel(x.ctx), dst); back == nil {
			x.changed = before
			x.t.dropState(x.ctx, dst)
		}
	}
	return err
}

// content copies the content of src to dst. It replaces a file there in one step, and a collection
// only once the copy is complete. A failure of the source is a sourceError.
func (x *transfer) content(src, dst davpath.Path, old *fsbackend.Info) error {
	to := dst
	over := old != nil && old.IsDir()
	if over {
		to = tempBeside(dst)
	}
	err := x.t.FS.CopyFile(x.ctx, src, to)
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path == src.String() {
		err = sourceError{err}
	}
	if err != nil || !over {
		return err
	}
	ctx := context.WithoutCancel(x.ctx)
	ops, err := x.copied(src, dst)
	if err == nil {
		err = x.replace(dst, old, change{ops: ops,
			put:  func() error { return x.t.FS.Rename(ctx, to, dst) },
			undo: func() error { return x.t.FS.Rename(ctx, dst, to) },
		})
	}
	if err != nil {
		if left := x.t.FS.Remove(ctx, to); left != nil && !missing(left) {
			x.t.warn("a temp file is left over", to, left)
		}
		return err
	}
	x.t.gone(dst, true) // a lock on dst itself stays: the URL is still mapped (RFC 4918 §6.1)
	return nil
}
