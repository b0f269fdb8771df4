package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"dav207/props"
	"dav207/server/resource"
)

// Recover brings what a durable store and a durable lock table hold into line with the files, after a process that may have
// been killed in the middle of a request: properties follow the resources whose move had begun, and locks end whose
// resource is gone. Call it once, before the first request.
func (h *Handler) Recover(ctx context.Context) error {
	if err := h.tree.FinishMoves(ctx); err != nil {
		return err
	}
	for _, l := range h.locks.Below(resource.Root) {
		if _, err := h.tree.Stat(ctx, l.Root); !errors.Is(err, fs.ErrNotExist) {
			continue // if it cannot be looked at it may be there
		}
		if err := h.locks.Unlock(l.Token); err != nil {
			return fmt.Errorf("the lock of %s, which is gone: %w", l.Root, err)
		}
	}
	return nil
}

// Sweep looks once at every resource that has dead properties. Those whose resource was removed, renamed or replaced behind
// the server's back are never shown for another one; once they have been seen without their resource for grace they are
// removed. Requests go on meanwhile. It returns how many resources' properties were removed.
func (h *Handler) Sweep(ctx context.Context, grace time.Duration) (removed int, err error) {
	for e, err := range h.tree.Props.All(ctx, resource.Root) {
		if err != nil {
			return removed, err
		}
		gone, err := h.tend(ctx, e, grace)
		switch {
		case ctx.Err() != nil:
			return removed, ctx.Err()
		case err != nil:
			h.log.WarnContext(ctx, "cannot tell whose properties these are", slog.String("name", e.Path.String()), slog.Any("err", err))
		case gone:
			removed++
			h.log.InfoContext(ctx, "removed the properties of a resource that is gone", slog.String("name", e.Path.String()))
		}
	}
	return removed, nil
}

func (h *Handler) tend(ctx context.Context, e props.Entry, grace time.Duration) (gone bool, err error) {
	release, err := h.queue.Acquire(ctx, writes(e.Path))
	if err != nil {
		return false, err
	}
	defer release()
	return h.tree.Tend(ctx, e, time.Now(), grace)
}
