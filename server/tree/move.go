package tree

import (
	"context"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/davpath"
)

// moveAll executes a MOVE: in one rename if it can, else member by member.
func (x *transfer) moveAll(p *Plan) error {
	var refused []func() // reports to make unless the destination's members prevent the MOVE first
	immovable := x.checkMovable(p.src, func(q davpath.Path, collection bool, err error) {
		if p.old != nil {
			refused = append(refused, func() { x.report(q, collection, err) })
		}
	})
	if p.old != nil && p.old.IsDir() {
		if err := x.checkMembersRemovable(p.dst); err != nil {
			return err
		}
	}
	if p.old != nil && immovable != nil {
		for _, report := range refused {
			report()
		}
		return immovable
	}
	if immovable == nil {
		err := x.t.renameTree(x.ctx, p.src.Path, p.dst, p.src.Info, p.old, x.report)
		if !crossDevice(err) {
			return err
		}
		if p.old != nil {
			if err := x.checkUndeletable(p.src); err != nil {
				return err
			}
		}
	}
	if p.src.Info.IsLink() {
		return x.file(p.src, p.dst, p.old)
	}
	return x.resource(p.src, p.dst, Infinity)
}

// renameTree renames src, with all its members, to dst and replaces what is there. It moves the
// properties, too, and undoes the rename if that fails.
func (t *Tree) renameTree(ctx context.Context, src, dst davpath.Path, info, old *fsbackend.Info, report Report) error {
	back := context.WithoutCancel(ctx)
	// Properties move before the old resource is removed: a full disk may have no room for them.
	rename := func() error {
		if err := t.FS.Rename(ctx, src, dst); err != nil {
			return err
		}
		err := t.moveProperties(ctx, src, dst)
		if err != nil && t.FS.Rename(back, dst, src) != nil {
			t.gone(src, false)
			return &partialError{err}
		}
		return err
	}
	var err error
	switch {
	case old == nil:
		err = rename()
	case !info.IsDir() && !old.IsDir() && !t.lowSpace(ctx, src, dst):
		if err = t.FS.Rename(ctx, src, dst); err == nil {
			if failed := t.moveProperties(ctx, src, dst); failed != nil {
				t.gone(src, false)
				err = &partialError{failed}
			}
		}
	case !old.IsDir():
		err = t.replaceFile(ctx, dst, rename)
	default:
		var replaced []props.Entry
		if replaced, err = t.entries(ctx, dst); err != nil {
			return err
		}
		undo := func() error {
			if err := t.FS.Rename(back, dst, src); err != nil {
				return err
			}
			t.undoMoveProperties(src, dst, replaced)
			return nil
		}
		err = t.replaceDir(ctx, dst, old, report, rename, undo)
	}
	if err != nil {
		return err
	}
	t.gone(src, false)
	t.gone(dst, true)
	return nil
}

// renameCase renames a resource to another spelling of its own name.
func (t *Tree) renameCase(ctx context.Context, src, dst davpath.Path) error {
	if err := t.FS.Rename(ctx, src, dst); err != nil {
		return err
	}
	t.gone(src, false)
	return t.queue(ctx, props.Move{Src: src, Dst: dst})
}
