package tree

import (
	"context"
	"errors"

	"dav207/server/davpath"
)

// withSyncBatch runs operation in a sync batch of the back end (see fsbackend.Backend.Batch) and
// waits at its end until all changes are on the disk. If that fails after changes it reports p.
func (t *Tree) withSyncBatch(ctx context.Context, p davpath.Path, report Report, operation func(context.Context, Report) error) error {
	ctx, sync := t.FS.Batch(ctx)
	if sync == nil {
		return operation(ctx, report)
	}
	reported := false
	err := operation(context.WithValue(ctx, syncKey{}, sync), func(q davpath.Path, collection bool, err error) {
		reported = reported || q == p
		report(q, collection, err)
	})
	failed := sync()
	if failed == nil {
		return err
	}
	if reported || err != nil && !errors.Is(err, ErrPartial) {
		t.warn("changes may not be on the disk", p, failed)
		return err
	}
	info, _ := t.lstat(context.WithoutCancel(ctx), p)
	report(p, info != nil && info.IsDir(), failed)
	return ErrPartial
}

// syncKey is the context key of the batch's sync function.
type syncKey struct{}

// syncChanges waits until what the operation under ctx has changed so far is on the disk.
func syncChanges(ctx context.Context) error {
	if sync, ok := ctx.Value(syncKey{}).(func() error); ok {
		return sync()
	}
	return nil
}
