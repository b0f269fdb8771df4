package tree

import (
	"context"
	"errors"

	"dav207/server/davpath"
)

// durably runs an operation whose changes are on the disk together when it ends, where the file system sees to that (see
// Batcher). p is what the operation is about: what was changed and may not last is its failure.
func (t *Tree) durably(ctx context.Context, p davpath.Path, report Report, operation func(context.Context, Report) error) error {
	b, ok := t.FS.(Batcher)
	if !ok {
		return operation(ctx, report)
	}
	ctx, settle := b.Batch(ctx)
	if settle == nil {
		return operation(ctx, report)
	}
	told := false
	err := operation(context.WithValue(ctx, settleKey{}, settle), func(q davpath.Path, collection bool, err error) {
		told = told || q == p
		report(q, collection, err)
	})
	failed := settle()
	if failed == nil {
		return err
	}
	if told || err != nil && !errors.Is(err, ErrPartial) {
		t.warn("what was changed may not be on the disk", p, failed)
		return err
	}
	info, look := t.lstat(context.WithoutCancel(ctx), p)
	report(p, look == nil && info.IsDir(), failed)
	return ErrPartial
}

type settleKey struct{}

// settle waits, within an operation, until what it changed is on the disk.
func settle(ctx context.Context) error {
	if settle, ok := ctx.Value(settleKey{}).(func() error); ok {
		return settle()
	}
	return nil
}
