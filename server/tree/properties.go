package tree

import (
	"context"

	"dav207/props"
	"dav207/server/davpath"
)

// propBatch holds the changes of properties that an operation has not sent to the store yet, so
// that many resources share one transaction. If the process is killed before, the next start finds
// what is missing: FinishMoves reads the announced moves, and Reconcile finds entries whose file is
// gone.
type propBatch struct {
	ops  []props.Op
	size int
}

// The bounds of a batch. A larger one hardly takes less time per change.
const (
	maxPropBatch      = 1024
	maxPropBatchBytes = 1 << 20
)

// beginPropBatch returns a Tree for one operation. It collects the operation's changes of
// properties until flush.
func (t *Tree) beginPropBatch() *Tree {
	out := *t
	out.propBatch = &propBatch{}
	return &out
}

// queue adds a change to the batch and flushes a batch that is full.
func (t *Tree) queue(ctx context.Context, op props.Op) error {
	n := t.propBatch
	switch o := op.(type) {
	case props.Delete:
		// This deletes the entries of members, too: their own changes are superfluous.
		for len(n.ops) > 0 {
			d, ok := n.ops[len(n.ops)-1].(props.Delete)
			if !ok || !o.Path.Contains(d.Path) {
				break
			}
			n.ops = n.ops[:len(n.ops)-1]
		}
	case props.Set:
		for i := range o.Properties {
			n.size += o.Properties[i].Size()
		}
	}
	n.ops = append(n.ops, op)
	if len(n.ops) < maxPropBatch && n.size < maxPropBatchBytes {
		return nil
	}
	if err := syncChanges(ctx); err != nil {
		return err
	}
	return t.flush(ctx)
}

// flush makes the store apply the batch. Call syncChanges first where a change must not be durable
// before the file that it belongs to.
func (t *Tree) flush(ctx context.Context) error {
	n := t.propBatch
	if len(n.ops) == 0 {
		return nil
	}
	ops := n.ops
	n.ops, n.size = nil, 0
	return t.Props.Update(context.WithoutCancel(ctx), ops...) // the files have changed already
}

// moveProperties moves the properties of a whole tree in one transaction, so that the caller can
// undo the rename if it fails.
func (t *Tree) moveProperties(ctx context.Context, src, dst davpath.Path) error {
	if err := t.queue(ctx, props.Move{Src: src, Dst: dst}); err != nil {
		return err
	}
	if !t.hasProps(ctx, src) && !t.hasProps(ctx, dst) {
		return nil
	}
	if err := syncChanges(ctx); err != nil {
		return err
	}
	return t.flush(ctx)
}

// entries returns the entries of the store for p and below it.
func (t *Tree) entries(ctx context.Context, p davpath.Path) (entries []props.Entry, err error) {
	for e, err := range t.Props.All(ctx, p) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// undoMoveProperties undoes moveProperties. Its changes come before all that were queued since, so
// that resources that were removed meanwhile end without properties.
func (t *Tree) undoMoveProperties(src, dst davpath.Path, replaced []props.Entry) {
	ops := []props.Op{props.Move{Src: dst, Dst: src}}
	for _, e := range replaced {
		ops = append(ops, props.Set{Path: e.Path, Properties: e.Properties})
	}
	t.propBatch.ops = append(ops, t.propBatch.ops...)
}

// lowSpace reports whether properties have to move and the disk may have no room for that. The
// caller then keeps the replaced file until they have moved, although no file has the name for a
// moment.
func (t *Tree) lowSpace(ctx context.Context, src, dst davpath.Path) bool {
	if !t.hasProps(ctx, src) && !t.hasProps(ctx, dst) {
		return false
	}
	_, free, err := t.FS.Usage(ctx, dst.Parent())
	return err == nil && free < lowSpaceBytes
}

// lowSpaceBytes is an amount that a few concurrent requests can use up.
const lowSpaceBytes = 16 << 20

// hasProps reports whether the store has an entry for p or below it, or cannot be read: the calls
// for single resources then return the error.
func (t *Tree) hasProps(ctx context.Context, p davpath.Path) bool {
	for range t.Props.All(context.WithoutCancel(ctx), p) {
		return true
	}
	return false
}

// finish flushes the batch at the end of an operation on p that returned err. It reports a failure
// of the store for p.
func (t *Tree) finish(ctx context.Context, p davpath.Path, report Report, err error) error {
	failed := t.flush(ctx)
	if failed == nil {
		return err
	}
	info, _ := t.FS.Lstat(ctx, p)
	report(p, info != nil && info.IsDir(), failed)
	return ErrPartial
}

// copyProperties replaces the properties of dst by those of src. A COPY copies only what
// props.Copied returns.
func (x *transfer) copyProperties(ctx context.Context, src, dst davpath.Path) error {
	ps, err := x.t.Props.Get(ctx, src)
	if err != nil {
		return err
	}
	if !x.move {
		ps = props.Copied(ps)
	}
	return x.t.queue(ctx, props.Set{Path: dst, Properties: ps})
}
