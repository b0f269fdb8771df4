package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// errKept says that a collection stays because something in it does; that something was reported.
var errKept = errors.New("kept: a member could not be removed")

// errHidden says that a collection stays because something in it does that may not be told of.
var errHidden = fmt.Errorf("kept: a hidden member could not be removed: %w", fs.ErrPermission)

// Delete removes p with all its members, and their properties (RFC 4918 §9.6). What can be removed is; a member that cannot
// be is reported and keeps its ancestors, which are not. A symbolic link is removed, not what it leads to.
func (t *Tree) Delete(ctx context.Context, p davpath.Path, report Report) error {
	t = t.noting()
	err := t.durably(ctx, p, report, func(ctx context.Context, report Report) error { return t.delete(ctx, p, report) })
	if left := t.tell(ctx); left != nil {
		t.warn("properties of what is gone are left over", p, left) // nobody sees them, see props.Store
	}
	return err
}

func (t *Tree) delete(ctx context.Context, p davpath.Path, report Report) error {
	info, err := t.lstat(ctx, p)
	if err != nil {
		if missing(err) {
			err = fs.ErrNotExist
		}
		return err
	}
	if err := t.check(ctx, access.Unbind, p); err != nil {
		return err
	}
	if err := t.before(); err != nil {
		return err
	}
	d := deletion{t: t, ctx: ctx, report: report}
	if info.IsDir() && d.whole(p) {
		t.forget(ctx, p)
		return nil
	}
	err = d.allowed(p, info)
	if d.changed && missing(err) {
		err = nil // somebody else took the rest away
	}
	switch {
	case err == nil:
		t.forget(ctx, p)
		return nil
	case errors.Is(err, errKept):
		return ErrPartial
	case d.changed:
		// All members went and their collection could not: a bare status would say that nothing was done (§9.6.1).
		report(p, info.IsDir(), err)
		return ErrPartial
	}
	return err
}

type deletion struct {
	t       *Tree
	ctx     context.Context
	report  Report
	changed bool // something was removed
	stop    bool // at the first member that stays: the others are to stay, too
	// as, if not nil, gives the name that what is removed had, and that reports and properties know.
	as func(davpath.Path) davpath.Path
}

func (d *deletion) name(p davpath.Path) davpath.Path {
	if d.as == nil {
		return p
	}
	return d.as(p)
}

// resource removes p with its members. It returns errKept, or what stopped p itself; members that stay were reported.
func (d *deletion) resource(p davpath.Path, info fs.FileInfo) error {
	if err := d.t.check(d.ctx, access.Unbind, p); err != nil {
		return err
	}
	return d.allowed(p, info)
}

// whole removes the collection p, if it can, without asking and telling of each member. What it leaves is to be removed as if
// it had not been called.
func (d *deletion) whole(p davpath.Path) (gone bool) {
	r, ok := d.t.FS.(TreeRemover)
	if !ok || !d.t.clear(p) {
		return false
	}
	return r.RemoveTree(d.ctx, p.String(), func(name string) {
		d.changed = true
		if went, err := davpath.Clean(name); err == nil {
			d.t.forget(d.ctx, went)
		}
	})
}

// allowed is resource once the guard was asked.
func (d *deletion) allowed(p davpath.Path, info fs.FileInfo) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	var went []davpath.Path
	for tries := 0; ; tries++ {
		if info.IsDir() {
			gone, err := d.members(p)
			went = append(went, gone...)
			if err != nil {
				d.forget(went)
				return err
			}
		}
		err := d.t.remove(d.ctx, p, info.IsDir())
		if err == nil {
			d.changed = true
			return nil
		}
		if tries == 3 || !errors.Is(err, syscall.ENOTEMPTY) {
			d.forget(went)
			return err
		}
		// Somebody who does not ask this server added a member meanwhile.
	}
}

// members removes the members of p and returns those that went. What belongs to them is forgotten once for a whole
// collection that went, and for each of its members only where it stays.
func (d *deletion) members(p davpath.Path) (went []davpath.Path, err error) {
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
			err = d.allowed(e.path, e.info)
		}
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist): // gone, by us or by somebody else
			went = append(went, e.path)
			continue
		case d.ctx.Err() != nil:
			return went, d.ctx.Err()
		case !errors.Is(err, errKept):
			d.report(d.name(e.path), e.info != nil && e.info.IsDir(), err)
		}
		kept = true
		if d.stop {
			break
		}
	}
	switch {
	case kept:
		return went, errKept
	case hidden:
		return went, errHidden
	}
	return went, nil
}

func (d *deletion) forget(paths []davpath.Path) {
	for _, p := range paths {
		d.t.forget(d.ctx, d.name(p))
	}
}

// forget ends what belongs to p and its members, which are gone.
func (t *Tree) forget(ctx context.Context, p davpath.Path) {
	t.gone(p, false)
	if err := t.note(ctx, props.Delete{Path: p}); err != nil {
		t.warn("properties of what is gone are left over", p, err)
	}
}

// remove removes one resource, a collection only if it is empty but for what an upload that was cut off left there.
func (t *Tree) remove(ctx context.Context, p davpath.Path, collection bool) error {
	err := t.removeOne(ctx, p, collection)
	if !collection || !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	l, listErr := t.listAll(ctx, p)
	if listErr != nil {
		return err
	}
	l.close()
	t.rescue(ctx, p)
	for _, name := range l.all() {
		if davpath.IsTemp(name) {
			if err := t.FS.RemoveAll(ctx, p.Child(name).String()); err != nil {
				return err
			}
		}
	}
	return t.removeOne(ctx, p, collection)
}

func (t *Tree) removeOne(ctx context.Context, p davpath.Path, collection bool) error {
	if r, ok := t.FS.(Remover); ok {
		if err := r.Remove(ctx, p.String()); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	if collection {
		l, err := t.listAll(ctx, p)
		if err != nil {
			return err
		}
		l.close()
		if len(l.all()) > 0 {
			return &fs.PathError{Op: "remove", Path: p.String(), Err: syscall.ENOTEMPTY}
		}
	}
	if err := t.FS.RemoveAll(ctx, p.String()); err != nil {
		return err
	}
	// Some file systems say that they removed what they could not (a layer below that is read-only).
	if _, err := t.lstat(ctx, p); err == nil {
		return fmt.Errorf("%s is still there after its removal: %w", p, fs.ErrPermission)
	}
	return nil
}
