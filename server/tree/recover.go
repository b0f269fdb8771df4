package tree

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dav207/props"
	"dav207/server/resource"
)

// FinishMoves looks how far moves came that an earlier process began and did not end, and gives properties the names that
// their files have now. It is for the time before the first request. What could not be done, on a full disk for example, is left
// for the next time.
func (t *Tree) FinishMoves(ctx context.Context) error {
	moves, err := t.Props.Moving(ctx)
	if err != nil {
		return err
	}
	t = t.noting()
	for _, m := range moves {
		for e, err := range t.Props.All(ctx, m.Src) {
			if err == nil {
				err = t.follows(ctx, e, m)
			}
			if err != nil {
				return fmt.Errorf("properties of %s, which was being moved to %s: %w", m.Src, m.Dst, err)
			}
		}
		if err := errors.Join(t.note(ctx, props.Settled{Src: m.Src}), t.tell(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// follows moves what is stored for one resource, if that resource was moved.
func (t *Tree) follows(ctx context.Context, e props.Entry, m props.Moving) error {
	if _, here, err := t.owner(ctx, e, e.Path); here || err != nil {
		return err
	}
	r, there, err := t.owner(ctx, e, e.Path.Rebase(m.Src, m.Dst))
	if !there || err != nil {
		return err
	}
	return errors.Join(
		t.note(ctx, props.Set{Resource: r, Properties: e.Properties}),
		t.note(ctx, props.Set{Resource: props.Resource{Path: e.Path}}))
}

// owner returns the resource at p, and whether what is stored belongs to it.
func (t *Tree) owner(ctx context.Context, e props.Entry, p resource.Path) (props.Resource, bool, error) {
	r, err := t.Stat(ctx, p)
	switch {
	case err == nil:
		return r, e.Of(r), nil
	case missing(err), errors.Is(err, ErrSpecial):
		return props.Resource{Path: p}, false, nil
	}
	return r, false, err
}

// Tend looks whether the resource under the name of e is the one that e belongs to, and brings the store up to date: whose
// the properties are where that was not known, and since when they belong to nothing. When they have for at least grace,
// they are removed, and Tend reports it. Nobody else may change the resource meanwhile.
func (t *Tree) Tend(ctx context.Context, e props.Entry, now time.Time, grace time.Duration) (removed bool, err error) {
	r, owned, err := t.owner(ctx, e, e.Path)
	if err != nil {
		return false, err // what cannot be looked at may well be there
	}
	// What is stored may have changed since e was read.
	ps, err := t.Props.Get(ctx, r)
	if err != nil {
		return false, err
	}
	var step props.Step
	switch alive := owned && len(ps) > 0; {
	case alive && len(e.Identities) == 0 && r.Identity() != "":
		step = props.Set{Resource: r, Properties: ps}
	case alive && !e.Orphaned.IsZero():
		step = props.Orphan{Path: e.Path}
	case alive:
		return false, nil
	case e.Orphaned.IsZero():
		step = props.Orphan{Path: e.Path, Since: now}
	case now.Sub(e.Orphaned) < grace:
		return false, nil
	default:
		step, removed = props.Set{Resource: props.Resource{Path: e.Path}}, true
	}
	return removed, t.Props.Update(ctx, step)
}
