package tree

import (
	"context"
	"fmt"
	"time"

	"dav207/props"
	"dav207/server/davpath"
)

// FinishMoves completes the properties of moves that an earlier process began and did not end:
// properties get the names that their files have now. Call it before the first request. After an
// error, such as a full disk, the rest is left for the next start.
func (t *Tree) FinishMoves(ctx context.Context) error {
	moves, err := t.Props.Moves(ctx)
	if err != nil {
		return err
	}
	t, ctx = t.begin(ctx)
	for _, m := range moves {
		if err := t.finishMove(ctx, m); err != nil {
			return fmt.Errorf("properties of %s, which was being moved to %s: %w", m.Src, m.Dst, err)
		}
	}
	return nil
}

// finishMove moves all properties if nothing is left at the source and something is at the
// destination: the move was one rename, or was complete. Otherwise it moves those of each member
// that is at the destination only.
func (t *Tree) finishMove(ctx context.Context, m props.MoveIntent) error {
	moved, err := t.moved(ctx, m.Src, m)
	if err != nil {
		return err
	}
	if moved {
		return t.flush(ctx, props.Move(m))
	}
	for e, err := range t.Props.All(ctx, m.Src) {
		if err == nil {
			moved, err = t.moved(ctx, e.Path, m)
		}
		if err == nil && moved {
			err = t.queue(ctx, props.Set{Path: e.Path.Rebase(m.Src, m.Dst), Properties: e.Properties}, props.Set{Path: e.Path})
		}
		if err != nil {
			return err
		}
	}
	return t.flush(ctx, props.MoveDone{Src: m.Src})
}

// moved reports whether the move m has given the resource at p its new name.
func (t *Tree) moved(ctx context.Context, p davpath.Path, m props.MoveIntent) (bool, error) {
	if present, err := t.Look(ctx, p); present || err != nil {
		return false, err
	}
	return t.Look(ctx, p.Rebase(m.Src, m.Dst))
}

// Reconcile compares the entry e of the property store with the files. If nothing has its name it
// records since when. Once that has lasted for grace it removes the properties and returns true.
// The caller must keep other requests from changing the resource meanwhile.
func (t *Tree) Reconcile(ctx context.Context, e props.Entry, now time.Time, grace time.Duration) (removed bool, err error) {
	present, err := t.Look(ctx, e.Path)
	if err != nil {
		return false, err // the file may exist
	}
	var op props.Op
	switch known := !e.Orphaned.IsZero(); {
	case present && !known, known && !present && now.Sub(e.Orphaned) < grace:
		return false, nil
	case present:
		op = props.Orphan{Path: e.Path}
	case !known:
		op = props.Orphan{Path: e.Path, Since: now}
	default:
		op, removed = props.Set{Path: e.Path}, true
	}
	return removed, t.Props.Update(ctx, op)
}
