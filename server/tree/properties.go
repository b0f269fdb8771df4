package tree

import (
	"context"
	"slices"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/davpath"
)

// batch is what an operation has still to do. It holds the changes of properties that were not sent
// to the store yet, so that many resources share one transaction. If the process is killed before,
// the next start finds what is missing: FinishMoves reads the announced moves, and Reconcile finds
// entries whose file is gone.
type batch struct {
	ops  []props.Op
	size int
	sync func() error // blocks until the operation's changes of files are on the disk
}

// The bounds of a batch. A larger one hardly takes less time per change.
const (
	maxPropBatch      = 1024
	maxPropBatchBytes = 1 << 20
)

// begin returns a Tree for one operation, whose changes of files are made under ctx. See
// fsbackend.Backend.Batch.
func (t *Tree) begin(ctx context.Context) (*Tree, context.Context) {
	ctx, sync := t.FS.Batch(ctx)
	if sync == nil {
		sync = func() error { return nil }
	}
	out := *t
	out.batch = &batch{sync: sync}
	return &out, ctx
}

// queue adds changes to the batch and commits a batch that is full.
func (t *Tree) queue(ctx context.Context, ops ...props.Op) error {
	n := t.batch
	for _, op := range ops {
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
	}
	if len(n.ops) < maxPropBatch && n.size < maxPropBatchBytes {
		return nil
	}
	return t.commit(ctx)
}

// commit waits until the operation's changes of files are on the disk. Then it makes the store
// apply the batch and ops.
func (t *Tree) commit(ctx context.Context, ops ...props.Op) error {
	if err := t.batch.sync(); err != nil {
		return err
	}
	return t.flush(ctx, ops...)
}

// flush is commit for changes that may be durable before the files that they belong to.
func (t *Tree) flush(ctx context.Context, ops ...props.Op) error {
	n := t.batch
	ops = append(n.ops, ops...)
	if n.ops, n.size = nil, 0; len(ops) == 0 {
		return nil
	}
	return t.Props.Update(context.WithoutCancel(ctx), ops...) // the files have changed already
}

// hasProps reports whether the store has an entry for p or below it, or cannot be read: the calls
// for single resources then return the error.
func (t *Tree) hasProps(ctx context.Context, p davpath.Path) bool {
	for range t.Props.All(context.WithoutCancel(ctx), p) {
		return true
	}
	return false
}

// properties replaces the properties of dst by those of src. over says that dst was there before,
// as a resource of the same kind: a COPY needs the right to write its properties then (RFC 3744
// Appendix B).
func (x *transfer) properties(src, dst davpath.Path, over bool) error {
	ops, err := x.copied(src, dst)
	if err == nil && over && !x.move && x.t.Writable != nil && len(ops) > 0 {
		ops, err = x.withoutProtected(ops[0].(props.Set))
	}
	if err != nil {
		return err
	}
	return x.t.queue(x.ctx, ops...)
}

// withoutProtected returns set without the properties that the request may not write, and with
// those of them that are there already.
func (x *transfer) withoutProtected(set props.Set) ([]props.Op, error) {
	old, err := x.t.Props.Get(x.ctx, set.Path)
	if err != nil {
		return nil, err
	}
	protected := func(p props.Property) bool { return !x.t.Writable(set.Path, p.XMLName) }
	kept := slices.DeleteFunc(slices.Clone(set.Properties), protected)
	for _, p := range old {
		if protected(p) {
			kept = append(kept, p)
		}
	}
	return []props.Op{props.Set{Path: set.Path, Properties: kept}}, nil
}

// copied returns the change that replaces the properties of dst by those of src: by all in a MOVE,
// by what copiedOf returns in a COPY. It returns none if there are no properties.
func (x *transfer) copied(src, dst davpath.Path) ([]props.Op, error) {
	if x.noProps {
		return nil, nil
	}
	ps, err := x.t.Props.Get(x.ctx, src)
	if err == nil && !x.move {
		ps = x.copiedOf(src, ps)
	}
	return []props.Op{props.Set{Path: dst, Properties: ps}}, err
}

// copiedOf returns the properties of src that a COPY gives to the copy.
func (x *transfer) copiedOf(src davpath.Path, all []props.Property) []props.Property {
	all = props.Copied(all)
	if x.t.Readable == nil {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(p props.Property) bool { return !x.t.Readable(src, p.XMLName) })
}

// clearStale removes properties that the store still has for dst if nothing is there, that is if
// old is nil. Its file was removed outside the server, or just before the server was killed. The
// copy must not get them, even if the process is killed before the copy has its own.
func (x *transfer) clearStale(dst davpath.Path, old *fsbackend.Info) error {
	if old != nil || x.noProps {
		return nil
	}
	return x.t.Props.Update(context.WithoutCancel(x.ctx), props.Delete{Path: dst})
}
