package tree

import "dav207/server/davpath"

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
	if err := x.t.batch.sync(); err != nil { // there is no order between two volumes
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
