package mounts

import (
	"context"
	"errors"
	"iter"

	"dav207/server/davpath"
)

// whole returns where p is if all below it is in one mount that has Bulk.
func (t *Table) whole(ctx context.Context, p davpath.Path) (place, bool) {
	pl, err := t.find(ctx, "bulk", p)
	return pl, err == nil && pl.mounted != nil && pl.bulk != nil && (pl.node == nil || len(pl.node.members) == 0)
}

// CopyTree implements fsbackend.Bulk.
func (t *Table) CopyTree(ctx context.Context, src, dst davpath.Path, skipped func(davpath.Path)) (begun bool) {
	from, ok := t.whole(ctx, src)
	to, both := t.whole(ctx, dst)
	return ok && both && from.mounted == to.mounted && !to.readOnly &&
		to.bulk.CopyTree(t.in(ctx, to.mounted), from.inner, to.inner, func(p davpath.Path) { skipped(from.outer(p)) })
}

// outer returns the path of p, which is in the mounted tree, as the caller names it.
func (m *mounted) outer(p davpath.Path) davpath.Path { return p.Rebase(davpath.Root, m.at) }

// RemoveTree implements fsbackend.Bulk.
func (t *Table) RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) (gone bool) {
	pl, ok := t.whole(ctx, p)
	return ok && pl.node == nil && !pl.readOnly &&
		pl.bulk.RemoveTree(t.in(ctx, pl.mounted), pl.inner, func(p davpath.Path) { removed(pl.outer(p)) })
}

// Undeletable implements fsbackend.Bulk. Mount points are fsbackend.Info.Fixed.
func (t *Table) Undeletable(ctx context.Context, p davpath.Path) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		pl, err := t.find(ctx, "bulk", p)
		if err != nil || pl.mounted == nil || pl.bulk == nil {
			return
		}
		for name, err := range pl.bulk.Undeletable(ctx, pl.inner) {
			if covered := pl.node != nil && pl.node.members[name] != nil; !covered && !yield(name, pl.fail(err)) {
				return
			}
		}
	}
}

// Exceeding implements fsbackend.Bulk.
func (t *Table) Exceeding(ctx context.Context, p davpath.Path, bytes, segments int) (davpath.Path, bool, error) {
	pl, ok := t.whole(ctx, p)
	if !ok {
		return p, false, errors.ErrUnsupported
	}
	found, ok, err := pl.bulk.Exceeding(ctx, pl.inner, bytes, segments)
	return pl.outer(found), ok, pl.fail(err)
}
