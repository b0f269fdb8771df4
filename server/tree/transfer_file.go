package tree

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

func (x *transfer) file(src props.Resource, dst davpath.Path, old fs.FileInfo) error {
	if old != nil && old.IsDir() {
		if x.move {
			if err := x.moveOverCollection(src, dst, old); !tooFar(err) || isLink(src.Info) {
				return err
			}
		}
		return x.fileOverCollection(src, dst, old)
	}
	priv := access.WriteContent
	if old == nil || x.move { // a MOVE deletes what is there, which was asked before (§9.9.3)
		priv = access.Bind
	}
	if err := x.t.check(x.ctx, priv, dst); err != nil {
		return err
	}
	if err := x.begin(); err != nil {
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

// fileOverCollection writes the file aside first, so that the collection goes only when its successor is whole.
func (x *transfer) fileOverCollection(src props.Resource, dst davpath.Path, old fs.FileInfo) error {
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
	if err := errors.Join(x.t.note(ctx, props.Delete{Path: dst}), x.copyProperties(ctx, src.Path, dst)); err != nil || !x.move {
		return err
	}
	return x.removeSource(src.Path, false)
}

// moveOverCollection renames a file, a link or what is neither over a collection.
func (x *transfer) moveOverCollection(src props.Resource, dst davpath.Path, old fs.FileInfo) error {
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
	return x.t.note(ctx, props.Move{Src: src.Path, Dst: dst})
}

// moveFile renames one file, or copies and removes it where the file system cannot rename that far.
func (x *transfer) moveFile(src props.Resource, dst davpath.Path, old fs.FileInfo) error {
	err := x.t.replace(x.ctx, src.Path, dst)
	if err == nil {
		x.changed = true
		x.t.gone(src.Path, false)
		return x.t.note(x.ctx, props.Move{Src: src.Path, Dst: dst})
	}
	if !tooFar(err) {
		return x.blame(src.Path, err)
	}
	if err := x.t.copyFile(x.ctx, src.Path, dst); err != nil {
		return err
	}
	before := x.changed
	x.changed = true
	if err = x.copyProperties(x.ctx, src.Path, dst); err == nil {
		err = x.removeSource(src.Path, false)
	}
	if err != nil && old == nil {
		// A resource is at one URL or at the other: take the copy back.
		if back := x.t.remove(context.WithoutCancel(x.ctx), dst, false); back == nil {
			x.changed = before
			x.t.forget(x.ctx, dst)
		}
	}
	return err
}

// blame decides whose failure a failed rename is: the source's, unless the file system says otherwise.
func (x *transfer) blame(src davpath.Path, err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path != src.String() {
		return err
	}
	return sideError{err}
}

// removeSource ends the move of one resource that was copied.
func (x *transfer) removeSource(src davpath.Path, collection bool) error {
	if err := settle(x.ctx); err != nil { // two volumes keep no order between them
		return err
	}
	// The properties of the copy first: should the process be killed they must be those of one of the two.
	if err := x.t.tell(x.ctx); err != nil {
		return err
	}
	if err := x.t.remove(x.ctx, src, collection); err != nil && !missing(err) { // who took it did what was to be done
		return sideError{err}
	}
	x.changed = true
	x.t.forget(x.ctx, src)
	return nil
}

// mayReplace asks whether the collection dst may go with all its members, and whether the request still wants it.
func (x *transfer) mayReplace(dst davpath.Path) error {
	if err := errors.Join(x.t.check(x.ctx, access.Unbind, dst), x.t.check(x.ctx, access.Bind, dst)); err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	return x.removable(dst)
}

// removable reports what would keep a member of the collection dst, the guard or, as far as that is
// known, the file system, and returns errKept if there is something.
func (x *transfer) removable(dst davpath.Path) error {
	var refused []davpath.Path
	unbind := func(e entry) (davpath.Path, error) { return e.path, x.t.check(x.ctx, access.Unbind, e.path) }
	err := x.t.refusals(x.ctx, dst, x.t.clear, unbind, func(p davpath.Path, collection bool, err error) {
		refused = append(refused, p)
		x.report(p, collection, err)
	})
	if err != nil && !errors.Is(err, errKept) {
		return err
	}
	stuck := x.t.obstacles(x.ctx, dst, func(p davpath.Path, collection bool, err error) {
		// Once for each, and not for what is below a member that was reported, which may be hidden.
		if !slices.ContainsFunc(refused, func(r davpath.Path) bool { return r.Contains(p) }) {
			x.report(p, collection, err)
		}
	})
	if err != nil {
		return err
	}
	return stuck
}

// immovable reports what below src the guard does not let move, and what cannot be looked at while
// there is something to ask. It returns errKept if there is something.
func (x *transfer) immovable(src props.Resource, report Report) error {
	if !src.Info.IsDir() {
		return nil
	}
	clear := func(p davpath.Path) bool { return x.t.clear(p) && x.t.clear(p.Rebase(src.Path, x.dst)) }
	err := x.t.refusals(x.ctx, src.Path, clear, func(e entry) (davpath.Path, error) {
		if err := x.t.check(x.ctx, access.Unbind, e.path); err != nil {
			return e.path, err
		}
		if missing(e.err) {
			return e.path, nil // it went meanwhile
		}
		if e.err != nil {
			return e.path, e.err
		}
		to := e.path.Rebase(src.Path, x.dst)
		return to, x.t.check(x.ctx, access.Bind, to)
	}, report)
	if err != nil && !errors.Is(err, errKept) {
		return sideError{err}
	}
	return err
}

// stuck reports what of src is known to stay when the rest is copied and removed, and returns errKept
// if there is something, or what keeps src itself.
func (x *transfer) stuck(src props.Resource) error {
	if f, ok := x.t.FS.(Foreseer); ok {
		for name, reason := range f.Unremovable(x.ctx, src.Path.Parent().String()) {
			if name == src.Path.Name() {
				return sideError{reason}
			}
		}
	}
	if !src.Info.IsDir() {
		return nil
	}
	return x.t.obstacles(x.ctx, src.Path, x.report)
}
