package tree

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"dav207/server/davpath"
)

// supplant has put put something at dst, where a collection is whose members the guard lets go. The collection is set aside
// first and removed last; if some of it turns out to stay, the removal ends there, undo takes back what put did, what is left
// of the collection has its name again, what stopped the removal is reported, and errKept is returned. What is known to stay
// is asked for before: see obstacles.
func (t *Tree) supplant(ctx context.Context, dst davpath.Path, old fs.FileInfo, report Report, put, undo func() error) error {
	swapped := t.Swaps.begin(ctx, dst)
	defer func() { swapped() }()
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
			t.leave(ctx, "what was replaced is left over", holder, err)
			return &changedError{err}
		}
		return t.putBack(ctx, holder, dst, true, err)
	}
	swapped()
	asked := *t
	asked.Guard = nil
	d := deletion{t: &asked, ctx: ctx, report: report, stop: true, as: func(p davpath.Path) davpath.Path { return p.Rebase(aside, dst) }}
	err = d.allowed(aside, old)
	if err == nil || missing(err) {
		t.discard(ctx, holder)
		return nil
	}
	if !errors.Is(err, errKept) {
		report(dst, true, err)
	}
	swapped = t.Swaps.begin(ctx, dst)
	if failed := undo(); failed != nil {
		t.leave(ctx, "what was replaced is left over", holder, err)
		t.warn("what replaced it could not be taken back", dst, failed)
		return errKept
	}
	t.putBack(ctx, holder, dst, true, err) // the failure itself was reported
	return errKept
}

// obstacles reports what of the collection p is known to stay when the rest is removed, and returns errKept if there is
// something: it is not to be removed then, lest its other members are lost although nothing comes in their place.
func (t *Tree) obstacles(ctx context.Context, p davpath.Path, report Report) error {
	err := t.obstaclesIn(ctx, p, report)
	if err != nil && !errors.Is(err, errKept) && ctx.Err() == nil {
		report(p, true, err)
		return errKept
	}
	return err
}

// obstaclesIn reports every resource below p that is known to stay, and returns errKept if there is one, or what keeps p itself.
func (t *Tree) obstaclesIn(ctx context.Context, p davpath.Path, report Report) error {
	l, err := t.list(ctx, p)
	if err != nil {
		return ctx.Err() // that it cannot be looked at now says nothing of the removal: the file system may know
	}
	defer l.close()
	stuck := map[string]error{}
	if f, ok := t.FS.(Foreseer); ok {
		for name, reason := range f.Unremovable(ctx, p.String()) {
			stuck[name] = reason
		}
	}
	var result error
	for e := range l.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		collection := e.info != nil && e.info.IsDir()
		err := stuck[e.path.Name()]
		if err == nil && collection {
			err = t.obstaclesIn(ctx, e.path, report)
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, errKept) {
			report(e.path, collection, err)
		}
		result = errKept
	}
	if result == nil && l.foreign {
		return &fs.PathError{Op: "remove", Path: p.String(), Err: syscall.ENOTEMPTY}
	}
	return result
}

// refusals reports every resource below the collection p for which allowed returns an error, under
// the name that allowed returns, and returns errKept if there is one. A resource that may not be
// seen is not named. Nothing is asked below what is clear.
func (t *Tree) refusals(ctx context.Context, p davpath.Path, clear func(davpath.Path) bool, allowed func(entry) (davpath.Path, error), report Report) error {
	if clear(p) {
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
		at, err := allowed(e)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			report(p, true, errHidden)
			return errKept
		case err == nil && collection:
			at, err = e.path, t.refusals(ctx, e.path, clear, allowed, report)
		}
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist): // it went meanwhile
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, errKept):
			if at != e.path {
				if there, err := t.lstat(ctx, at); err == nil {
					collection = there.IsDir()
				}
			}
			report(at, collection, err)
		}
		result = errKept
	}
	return result
}
