package tree

import (
	"context"
	"fmt"
	"time"

	"dav207/props"
	"dav207/server/davpath"
)

// FinishMoves looks how far moves came that an earlier process began and did not end, and gives properties the names that
// their files have now. Call it before the first request. What cannot be done, on a full disk for example, is left for the
// next start.
func (t *Tree) FinishMoves(ctx context.Context) error {
	moves, err := t.Props.Moves(ctx)
	if err != nil {
		return err
	}
	t = t.noting()
	for _, m := range moves {
		if err := t.finishMove(ctx, m); err != nil {
			return fmt.Errorf("properties of %s, which was being moved to %s: %w", m.Src, m.Dst, err)
		}
	}
	return nil
}

// finishMove moves all properties at once where nothing is left at the source and something is at the destination: the move
// was one rename, or had come to its end. Otherwise it moves those of each member that is at the destination only.
func (t *Tree) finishMove(ctx context.Context, m props.MoveIntent) error {
	moved, err := t.moved(ctx, m.Src, m)
	if err != nil {
		return err
	}
	if moved {
		if err := t.note(ctx, props.Move(m)); err != nil {
			return err
		}
		return t.tell(ctx)
	}
	for e, err := range t.Props.All(ctx, m.Src) {
		if err == nil {
			moved, err = t.moved(ctx, e.Path, m)
		}
		if err == nil && moved {
			err = t.note(ctx, props.Set{Path: e.Path.Rebase(m.Src, m.Dst), Properties: e.Properties})
		}
		if err == nil && moved {
			err = t.note(ctx, props.Set{Path: e.Path})
		}
		if err != nil {
			return err
		}
	}
	if err := t.note(ctx, props.MoveDone{Src: m.Src}); err != nil {
		return err
	}
	return t.tell(ctx)
}

// moved reports whether the move m has taken the resource at p to its new name.
func (t *Tree) moved(ctx context.Context, p davpath.Path, m props.MoveIntent) (bool, error) {
	if here, err := t.there(ctx, p); here || err != nil {
		return false, err
	}
	return t.there(ctx, p.Rebase(m.Src, m.Dst))
}

// there reports whether something has the name p, be it a link that leads nowhere.
func (t *Tree) there(ctx context.Context, p davpath.Path) (bool, error) {
	_, err := t.lstat(ctx, p)
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

// Reconcile compares the entry e of the property store with the files. It records since when nothing has its name, and
// removes its properties, and reports that, once that has lasted for grace. The caller keeps others from changing the
// resource meanwhile.
func (t *Tree) Reconcile(ctx context.Context, e props.Entry, now time.Time, grace time.Duration) (removed bool, err error) {
	there, err := t.there(ctx, e.Path)
	if err != nil {
		return false, err // what cannot be looked at may well be there
	}
	var op props.Op
	switch known := !e.Orphaned.IsZero(); {
	case there && !known, known && !there && now.Sub(e.Orphaned) < grace:
		return false, nil
	case there:
		op = props.Orphan{Path: e.Path}
	case !known:
		op = props.Orphan{Path: e.Path, Since: now}
	default:
		op, removed = props.Set{Path: e.Path}, true
	}
	return removed, t.Props.Update(ctx, op)
}
