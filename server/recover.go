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

// RecoverMoves brings what a durable store holds into line with the files, after a process that may have been killed in the
// middle of a MOVE: properties follow their resources. Call it once, before the first request.
func (h *Handler) RecoverMoves(ctx context.Context) error { return h.tree.FinishMoves(ctx) }

// DropStaleLocks ends the locks whose resource is gone, as it may be after a process was killed in the middle of a request.
// Call it once, when what that process had moved to a temp file has its name again. Requests go on meanwhile.
func (h *Handler) DropStaleLocks(ctx context.Context) error {
	for _, l := range h.locks.Below(davpath.Root) {
		if err := h.dropStaleLock(ctx, l); err != nil {
			return fmt.Errorf("the lock of %s: %w", l.Root, err)
		}
	}
	return nil
}

func (h *Handler) dropStaleLock(ctx context.Context, l locks.Lock) error {
	release, err := h.queue.Acquire(ctx, writes(l.Root))
	if err != nil {
		return err
	}
	defer release()
	if _, err := h.tree.Stat(ctx, l.Root); !errors.Is(err, fs.ErrNotExist) {
		return nil // what cannot be looked at may be there
	}
	return h.endAt(ctx, l.Root)
}

// endAt ends the locks of p, where nothing is: what it was went behind the server's back, and nobody could submit their tokens
// for a URL that is not mapped (RFC 4918 §10.4.4).
func (h *Handler) endAt(ctx context.Context, p davpath.Path) error {
	if h.locks.Len() == 0 {
		return nil
	}
	return h.endRooted(ctx, h.realMember(ctx, p))
}

// endAtRequest is endAt for the resource of a request.
func (h *Handler) endAtRequest(q *request) error {
	if q.seen.vacant && q.seen.direct {
		return h.endRooted(q.ctx, q.path)
	}
	return h.endAt(q.ctx, q.path)
}

// endRooted ends the locks whose root is p.
func (h *Handler) endRooted(ctx context.Context, p davpath.Path) error {
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
		h.locks.Flush(ctx) // before something new has the name: it would be locked after a crash
	}
	return nil
}

// PurgeOrphanedProps looks once at every resource that has dead properties, and removes those of resources that have been
// seen to be gone for grace: removed or renamed behind the server's back. Requests go on meanwhile. It returns how many
// resources' properties were removed.
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
			h.log.WarnContext(ctx, "cannot look for the resource of these properties", slog.String("name", e.Path.String()), slog.Any("err", err))
		case gone:
			removed++
			h.log.InfoContext(ctx, "removed the properties of a resource that is gone", slog.String("name", e.Path.String()))
		}
	}
	return removed, nil
}

func (h *Handler) reconcile(ctx context.Context, e props.Entry, grace time.Duration) (gone bool, err error) {
	release, err := h.queue.Acquire(ctx, writes(e.Path))
	if err != nil {
		return false, err
	}
	defer release()
	return h.tree.Reconcile(ctx, e, time.Now(), grace)
}
