package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/locks"
)

// RecoverMoves completes MOVEs that a crash interrupted: it moves the dead properties of the moved
// resources. Call it once, before the first request. It returns an error of the property store or
// of ctx.
func (h *Handler) RecoverMoves(ctx context.Context) error { return h.tree.FinishMoves(ctx) }

// DropStaleLocks removes the locks of resources that do not exist, as after a crash. Call it once,
// after the back end has restored its temp files. It may run concurrently with requests. It returns
// an error of the lock table or of ctx.
func (h *Handler) DropStaleLocks(ctx context.Context) error {
	for _, l := range h.locks.Below(davpath.Root) {
		if err := h.dropStaleLock(ctx, l); err != nil {
			return fmt.Errorf("the lock of %s: %w", l.Root, err)
		}
	}
	return nil
}

func (h *Handler) dropStaleLock(ctx context.Context, l locks.Lock) error {
	release, err := h.pathLocks.Acquire(ctx, writes(l.Root))
	if err != nil {
		return err
	}
	defer release()
	if _, err := h.tree.Stat(ctx, l.Root); !errors.Is(err, fs.ErrNotExist) {
		return nil // after another error the resource may exist
	}
	return h.endLocksAt(ctx, l.Root)
}

// endLocksAt removes the locks whose root is p, which has no resource. It was removed outside the
// server, and no request could submit the tokens for an unmapped URL (RFC 4918 §10.4.4).
func (h *Handler) endLocksAt(ctx context.Context, p davpath.Path) error {
	if h.locks.Len() == 0 {
		return nil
	}
	return h.endLocksRooted(ctx, h.realMemberPath(ctx, p))
}

// endLocksAtRequest is endLocksAt for the request's resource.
func (h *Handler) endLocksAtRequest(q *request) error {
	if q.found.vacant && q.found.direct {
		return h.endLocksRooted(q.ctx, q.path)
	}
	return h.endLocksAt(q.ctx, q.path)
}

// endLocksRooted removes the locks whose root is p.
func (h *Handler) endLocksRooted(ctx context.Context, p davpath.Path) error {
	if h.locks.Len() == 0 {
		return nil
	}
	ended := false
	for _, l := range h.locks.Covering(p) {
		if l.Root != p {
			continue
		}
		if err := h.locks.Unlock(l.Token); err != nil && !errors.Is(err, locks.ErrNoSuchLock) {
			return err
		}
		ended = true
	}
	if ended {
		h.locks.Flush(ctx) // before a new resource exists, which a crash would leave locked
	}
	return nil
}

// PurgeOrphanedProps checks every resource that has dead properties once. It removes the properties
// of those that have been missing for grace, because they were removed or renamed outside the
// server. It may run concurrently with requests. It returns the number of resources whose
// properties it removed, and an error of the property store or of ctx; it logs other errors.
func (h *Handler) PurgeOrphanedProps(ctx context.Context, grace time.Duration) (removed int, err error) {
	for e, err := range h.tree.Props.All(ctx, davpath.Root) {
		if err != nil {
			return removed, err
		}
		gone, err := h.reconcile(ctx, e, grace)
		switch {
		case ctx.Err() != nil:
			return removed, ctx.Err()
		case err != nil:
			h.log.WarnContext(ctx, "cannot check the resource of these properties", slog.String("name", e.Path.String()), slog.Any("err", err))
		case gone:
			removed++
			h.log.InfoContext(ctx, "removed the properties of a resource that is gone", slog.String("name", e.Path.String()))
		}
	}
	return removed, nil
}

func (h *Handler) reconcile(ctx context.Context, e props.Entry, grace time.Duration) (gone bool, err error) {
	release, err := h.pathLocks.Acquire(ctx, writes(e.Path))
	if err != nil {
		return false, err
	}
	defer release()
	return h.tree.Reconcile(ctx, e, time.Now(), grace)
}
