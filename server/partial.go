package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"dav207/server/davpath"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// patience is how long, in all, clients may take to read what is sent while others wait for the resources that it is about.
const patience = 15 * time.Second

// partial runs an operation of the engine and answers for it: what it returns is for the request as a whole, and each
// failure that it reports is a response of a 207. done reports that all went well and nothing was answered yet.
// release is called when others need wait no more.
func (h *Handler) partial(q *request, release func(), operation func(tree.Report) error) (done bool, err error) {
	out := multistatus.NewWriter(q.w)
	out.SetWriteTimeout(patience) // others may be waiting for these resources
	report := func(p davpath.Path, collection bool, err error) {
		h.warnMember(q, p, err)
		q.waiting.watch(out, func() {
			out.Write(failure(h.hrefs(q.ctx).Href(p, collection), err)) // Close returns the error
			out.FlushIfStale()
		})
	}
	err = operation(report)
	q.waiting.stop()
	switch {
	case err == nil:
		return true, nil
	case q.ctx.Err() != nil:
		return false, abort(q.ctx.Err()) // broken off: what was not tried would look as if it had gone well
	case !errors.Is(err, tree.ErrPartial):
		return false, giveUp(out, err)
	}
	release()
	out.SetWriteTimeout(0)
	if err := out.Close(); err != nil {
		return false, abort(err)
	}
	return false, nil
}

// warnMember logs why one of many resources failed.
func (h *Handler) warnMember(q *request, p davpath.Path, err error) {
	level := slog.LevelWarn
	if errors.Is(err, context.Canceled) { // not of this member
		level = slog.LevelDebug
	}
	h.log.LogAttrs(q.ctx, level, "member failed", slog.String("method", q.Method), slog.String("name", p.String()),
		slog.Int("status", asError(err).Status), slog.Any("err", err))
}
