package tree

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/davpath"
)

// moveAll executes a MOVE: in one rename if it can, else member by member. A case rename and a MOVE
// that replaces something are not begun if a member of the source may not be moved.
func (x *transfer) moveAll(p *Plan) error {
	if p.old != nil && p.old.IsDir() {
		if err := x.checkMembersRemovable(p.dst); err != nil {
			return err
		}
	}
	whole, report := p.old != nil || p.op == renamingCase, x.report
	if !whole {
		report = func(davpath.Path, bool, error) {} // the member is reported when its turn comes
	}
	immovable := x.checkMovable(p.src, report)
	if whole && immovable != nil {
		return immovable
	}
	if immovable == nil {
		err := x.rename(p.src, p.dst, p.old)
		if !crossDevice(err) || p.op == renamingCase {
			return err
		}
		if p.old != nil {
			if err := x.checkUndeletable(p.src); err != nil {
				return err
			}
		}
	}
	return x.resource(p.src, p.dst, Infinity)
}

// removeSource removes the source of a MOVE after it was copied.
func (x *transfer) removeSource(src davpath.Path) error {
	// There is no order between two volumes. And if the process is killed, one of the two must have
	// the properties.
	if err := x.t.commit(x.ctx); err != nil {
		return err
	}
	if err := x.t.FS.Remove(x.ctx, src); err != nil && !missing(err) { // another process may have removed it
		return sourceError{err}
	}
	x.changed = true
	x.t.dropState(x.ctx, src)
	return nil
}

// partialError is a failure after a change. It is reported, since a returned error would say that
// nothing has changed.
type partialError struct{ error }

func (e *partialError) Unwrap() error { return e.error }

// isPartial reports whether err is a partialError.
func isPartial(err error) bool { return errors.As(err, new(*partialError)) }

// sourceError marks a failure of the source of a COPY or MOVE, which is reported for the source's
// URL. All other failures are reported for the destination's.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// crossDevice reports whether a rename failed because the back end cannot rename between the two
// places, or cannot rename a collection.
func crossDevice(err error) bool {
	return errors.Is(err, syscall.EXDEV) || errors.Is(err, errors.ErrUnsupported)
}

// change creates something at a path where nothing is.
type change struct {
	put, undo func() error
	ops, back []props.Op // the changes of properties that belong to put, and those that undo them
}

// rename renames src with all its members to dst, where old is or, if that is nil, nothing.
func (x *transfer) rename(src props.Resource, dst davpath.Path, old *fsbackend.Info) error {
	c := change{
		put:  func() error { return x.t.FS.Rename(x.ctx, src.Path, dst) },
		undo: func() error { return x.t.FS.Rename(context.WithoutCancel(x.ctx), dst, src.Path) },
	}
	if !x.noProps && (x.t.hasProps(x.ctx, src.Path) || x.t.hasProps(x.ctx, dst)) {
		c.ops, c.back = []props.Op{props.Move{Src: src.Path, Dst: dst}}, []props.Op{props.Move{Src: dst, Dst: src.Path}}
	}
	var err error
	switch {
	case c.ops == nil && (old == nil || !src.Info.IsDir() && !old.IsDir()):
		err = c.put()
	case old == nil:
		err = x.apply(c)
	default:
		err = x.replace(dst, old, c)
	}
	if errors.Is(err, errNotEmptied) {
		return err
	}
	if err != nil {
		if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path != src.Path.String() {
			return err // the destination's
		}
		return sourceError{err}
	}
	x.changed = true
	x.t.gone(src.Path, false)
	x.t.gone(dst, true)
	return nil
}

// apply calls c.put, waits until its change is on the disk, and makes the store apply c.ops. If
// that fails it calls c.undo. If undo fails, too, it returns a partialError.
func (x *transfer) apply(c change) error {
	if err := c.put(); err != nil {
		return err
	}
	err := x.t.commit(x.ctx, c.ops...)
	if err != nil && c.undo() != nil {
		err = &partialError{err}
	}
	return err
}

// replace moves the resource at p to a temp name, applies c, which creates something at p, then
// deletes the old resource. It does not ask the guard. If a member cannot be deleted it reports
// that, undoes c, restores what is left of the old resource and returns errNotEmptied. Members that
// were deleted before are lost; a survey finds most such members in advance.
func (x *transfer) replace(p davpath.Path, old *fsbackend.Info, c change) error {
	t, ctx := x.t, context.WithoutCancel(x.ctx) // a cancelled replacement would leave a half
	replaced := t.Swaps.begin(ctx, p)
	defer func() { replaced() }()
	// The temp name is in a directory of its own, in which the resource keeps its name: if the
	// process is killed, the clean-up at the next start can move it back to p.
	tempDir := tempBeside(p)
	temp := tempDir.Child(p.Name())
	if err := t.FS.Mkdir(x.ctx, tempDir); err != nil {
		return err
	}
	defer func() {
		if err := t.FS.Remove(ctx, tempDir); err != nil && !missing(err) {
			t.warn(ctx, "a replaced resource is left under its temp name", tempDir, err)
		}
	}()
	if err := t.FS.Rename(x.ctx, p, temp); err != nil {
		return err
	}
	restore := func(cause error) error {
		if err := t.FS.Rename(ctx, temp, p); err != nil {
			t.warn(ctx, "a resource could not be moved back from its temp name", tempDir, err)
			return &partialError{cause}
		}
		return cause
	}
	// Properties move before the old resource is removed: a full disk may have no room for them.
	if !x.noProps {
		c.ops = slices.Insert(c.ops, 0, props.Op(props.Move{Src: p, Dst: temp}))
		c.back = append(c.back, props.Move{Src: temp, Dst: p})
	}
	if err := x.apply(c); isPartial(err) {
		return err
	} else if err != nil {
		return restore(err)
	}
	replaced()
	of := *t
	of.Guard, of.Gone = nil, func(q davpath.Path, below bool) { t.gone(q.Rebase(temp, p), below) }
	d := deletion{t: &of, ctx: ctx, stopAtFirst: true, report: func(q davpath.Path, collection bool, err error) {
		x.report(q.Rebase(temp, p), collection, err)
	}}
	err := d.remove(temp, old)
	if err == nil || missing(err) {
		t.dropState(ctx, temp)
		return nil
	}
	if !errors.Is(err, errNotEmptied) {
		x.report(p, old.IsDir(), err)
	}
	replaced = t.Swaps.begin(ctx, p)
	if failed := c.undo(); failed != nil {
		t.warn(ctx, "the replacement could not be undone", p, failed)
		return errNotEmptied
	}
	t.batch.ops = append(t.batch.ops, c.back...)
	restore(err) // err was reported
	return errNotEmptied
}

// tempBeside returns the name of a temp file in p's collection.
func tempBeside(p davpath.Path) davpath.Path { return p.Parent().Child(davpath.TempName()) }
