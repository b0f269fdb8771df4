package tree

import (
	"context"
	"errors"
	"io/fs"

	"dav207/server/access"
	"dav207/server/resource"
)

// supplant has put put something at dst, where a collection is whose members the guard lets go. The collection is set
// aside first and removed last; if some of it cannot be removed, undo takes back what put did, what is left of the collection
// has its name again, what stays of it is reported, and errKept is returned.
func (t *Tree) supplant(ctx context.Context, dst resource.Path, old fs.FileInfo, report Report, put, undo func() error) error {
	holder, err := t.setAside(ctx, dst, true)
	if err != nil {
		return err
	}
	aside := holder.Child(dst.Name())
	ctx = context.WithoutCancel(ctx) // from here on half of it would be worse than all or nothing
	if err := put(); err != nil {
		return t.putBack(ctx, holder, dst, true, err)
	}
	if err := settle(ctx); err != nil { // the collection goes only when its successor is sure to stay
		if failed := undo(); failed != nil {
			t.warn("what was replaced is left over", holder, err)
			return &changedError{err}
		}
		return t.putBack(ctx, holder, dst, true, err)
	}
	asked := *t
	asked.Guard = nil
	d := deletion{t: &asked, ctx: ctx, report: report, as: func(p resource.Path) resource.Path { return p.Rebase(aside, dst) }}
	err = d.allowed(aside, old)
	if err == nil || missing(err) {
		t.discard(ctx, holder)
		return nil
	}
	if !errors.Is(err, errKept) {
		report(dst, true, err)
	}
	if failed := undo(); failed != nil {
		t.warn("what was replaced is left over", holder, err)
		t.warn("what replaced it could not be taken back", dst, failed)
		return errKept
	}
	t.putBack(ctx, holder, dst, true, err) // the failure itself was reported
	return errKept
}

// refusals reports every resource below the collection p that the guard does not let go, and returns errKept if there is
// one.
func (t *Tree) refusals(ctx context.Context, p resource.Path, report Report) error {
	if t.clear(p) {
		return nil
	}
	l, err := t.list(ctx, p)
	if err != nil {
		return err
	}
	defer l.close()
	var result error
	for e := range l.entries {
		collection := e.info != nil && e.info.IsDir()
		err := t.check(ctx, access.Unbind, e.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			report(p, true, errHidden)
			return errKept
		case err == nil && collection:
			err = t.refusals(ctx, e.path, report)
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, errKept) {
			report(e.path, collection, err)
		}
		result = errKept
	}
	return result
}
