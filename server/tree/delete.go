package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
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
	d := deletion{t: t, ctx: ctx, report: report, bulk: t.bulk()}
	err := d.remove(r.Path, r.Info)
	switch {
	case err == nil, d.changed && missing(err): // another process may have removed the rest
		t.dropState(ctx, r.Path)
		return nil
	case errors.Is(err, errNotEmptied):
		return ErrPartial
	case d.changed:
		// The members are gone and their collection is not. A status without a report would say
		// that nothing was done (RFC 4918 §9.6.1).
		report(r.Path, r.Info.IsDir(), err)
		return ErrPartial
	}
	return err
}

// deletion is one DELETE, or the removal of what a COPY or MOVE replaces. The caller has asked the
// guard for the resource itself, and drops the state of it.
type deletion struct {
	t           *Tree
	ctx         context.Context
	report      Report
	changed     bool           // something was removed
	stopAtFirst bool           // end at the first member that cannot be removed
	bulk        fsbackend.Bulk // nil: member by member
	level       int            // how many levels below the first collection the current member is
}

// removed is called after p was removed with all its members, but not its collection.
func (d *deletion) removed(p davpath.Path) {
	d.changed = true
	d.t.dropState(d.ctx, p)
}

// remove removes p with its members. It reports the members that it could not remove and returns
// errNotEmptied for them, or the reason why p itself was kept.
func (d *deletion) remove(p davpath.Path, info *fsbackend.Info) error {
	if err := cmp.Or(d.ctx.Err(), checkFixed(p, info)); err != nil {
		return err
	}
	// RemoveTree has reached the levels between: what it left there is removed member by member.
	if d.bulk != nil && d.level%(fsbackend.BulkDepth+1) == 0 && info.IsDir() && d.t.clear(p) && d.bulk.RemoveTree(d.ctx, p, d.removed) {
		d.changed = true
		return nil
	}
	for tries := 0; ; tries++ {
		if info.IsDir() {
			if err := d.members(p, nil); err != nil {
				return err
			}
		}
		err := d.t.FS.Remove(d.ctx, p)
		if err == nil {
			d.changed = true
			return nil
		}
		if tries == 3 || !errors.Is(err, syscall.ENOTEMPTY) {
			return err
		}
		// Another process added a member meanwhile.
	}
}

// members removes the members of p, except those whose names are in keep, which is sorted.
func (d *deletion) members(p davpath.Path, keep []string) (result error) {
	l, err := d.t.list(d.ctx, p)
	if err != nil {
		return err
	}
	defer l.close()
	d.level++
	defer func() { d.level-- }()
	for e := range l.entries {
		if _, found := slices.BinarySearch(keep, e.path.Name()); found {
			continue
		}
		err := d.t.check(d.ctx, access.Unbind, e.path)
		if errors.Is(err, fs.ErrNotExist) {
			if result == nil {
				result = errHidden
			}
			continue
		}
		if err == nil {
			err = e.err
		}
		if err == nil {
			err = d.remove(e.path, e.info)
		}
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist): // another process may have removed it
			d.t.dropState(d.ctx, e.path)
			continue
		case d.ctx.Err() != nil:
			return d.ctx.Err()
		case !errors.Is(err, errNotEmptied):
			d.report(e.path, e.info != nil && e.info.IsDir(), err)
		}
		if result = errNotEmptied; d.stopAtFirst {
			break
		}
	}
	return result
}

// dropState removes the properties of p and its members, and calls Gone for p.
func (t *Tree) dropState(ctx context.Context, p davpath.Path) {
	t.gone(p, false)
	if err := t.queue(ctx, props.Delete{Path: p}); err != nil {
		t.warn(ctx, "the properties of a removed resource were not removed", p, err)
	}
}
