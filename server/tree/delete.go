package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// errNotEmptied means that a collection was kept because a member was. That member was reported.
var errNotEmptied = errors.New("kept: a member could not be removed")

// errHidden means that a collection was kept because of a member that the client may not see.
var errHidden = fmt.Errorf("kept: a hidden member could not be removed: %w", fs.ErrPermission)

func (t *Tree) delete(ctx context.Context, r props.Resource, report Report) error {
	p, info := r.Path, r.Info
	d := deletion{t: t, ctx: ctx, report: report}
	if info.IsDir() && d.removeTree(p) {
		t.dropState(ctx, p)
		return nil
	}
	err := d.removeAllowed(p, info)
	if d.changed && missing(err) {
		err = nil // another process removed the rest
	}
	switch {
	case err == nil:
		t.dropState(ctx, p)
		return nil
	case errors.Is(err, errNotEmptied):
		return ErrPartial
	case d.changed:
		// The members are gone and their collection is not. A status without a report would say
		// that nothing was done (RFC 4918 §9.6.1).
		report(p, info.IsDir(), err)
		return ErrPartial
	}
	return err
}

// deletion is one DELETE, or the removal of what a COPY or MOVE replaces.
type deletion struct {
	t           *Tree
	ctx         context.Context
	report      Report
	changed     bool // something was removed
	stopAtFirst bool // end at the first member that cannot be removed
	// originalName, if not nil, maps a temp name to the name that reports and properties use.
	originalName func(davpath.Path) davpath.Path
}

// name returns the name under which p is reported.
func (d *deletion) name(p davpath.Path) davpath.Path {
	if d.originalName == nil {
		return p
	}
	return d.originalName(p)
}

// remove asks the guard for p and removes it with its members. It reports the members that it could
// not remove and returns errNotEmptied for them, or the reason why p itself was kept.
func (d *deletion) remove(p davpath.Path, info *fsbackend.Info) error {
	if err := d.t.check(d.ctx, access.Unbind, p); err != nil {
		return err
	}
	return d.removeAllowed(p, info)
}

// removeTree removes the collection p in bulk if nothing has to be asked of the guard. If it
// returns false, the caller removes what is left member by member.
func (d *deletion) removeTree(p davpath.Path) (gone bool) {
	b := d.t.bulk()
	if b == nil || !d.t.clear(p) {
		return false
	}
	return b.RemoveTree(d.ctx, p, func(removed davpath.Path) {
		d.changed = true
		d.t.dropState(d.ctx, removed)
	})
}

// removeAllowed is remove without asking the guard for p.
func (d *deletion) removeAllowed(p davpath.Path, info *fsbackend.Info) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	var dropped []davpath.Path // members whose state is still to be dropped
	for tries := 0; ; tries++ {
		if info.IsDir() {
			gone, err := d.members(p)
			dropped = append(dropped, gone...)
			if err != nil {
				d.dropStates(dropped)
				return err
			}
		}
		err := d.t.FS.Remove(d.ctx, p)
		if err == nil {
			d.changed = true
			return nil
		}
		if tries == 3 || !errors.Is(err, syscall.ENOTEMPTY) {
			d.dropStates(dropped)
			return err
		}
		// Another process added a member meanwhile.
	}
}

// members removes the members of p and returns those that are gone. It leaves their properties to
// the caller: one change covers a whole collection if that goes, too.
func (d *deletion) members(p davpath.Path) (gone []davpath.Path, err error) {
	l, err := d.t.list(d.ctx, p)
	if err != nil {
		return nil, err
	}
	defer l.close()
	kept, hidden := false, false
	for e := range l.entries {
		err := d.t.check(d.ctx, access.Unbind, e.path)
		if errors.Is(err, fs.ErrNotExist) {
			hidden = true
			continue
		}
		if err == nil {
			err = e.err
		}
		if err == nil {
			err = d.removeAllowed(e.path, e.info)
		}
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist): // another process may have removed it
			gone = append(gone, e.path)
			continue
		case d.ctx.Err() != nil:
			return gone, d.ctx.Err()
		case !errors.Is(err, errNotEmptied):
			d.report(d.name(e.path), e.info != nil && e.info.IsDir(), err)
		}
		kept = true
		if d.stopAtFirst {
			break
		}
	}
	switch {
	case kept:
		return gone, errNotEmptied
	case hidden:
		return gone, errHidden
	}
	return gone, nil
}

func (d *deletion) dropStates(paths []davpath.Path) {
	for _, p := range paths {
		d.t.dropState(d.ctx, d.name(p))
	}
}

// dropState removes the properties of p and its members, and calls Gone for p.
func (t *Tree) dropState(ctx context.Context, p davpath.Path) {
	t.gone(p, false)
	if err := t.queue(ctx, props.Delete{Path: p}); err != nil {
		t.warn("the properties of a removed resource were not removed", p, err)
	}
}
