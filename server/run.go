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

// runWriteTimeout is the total time that a client has to read a 207 while other requests wait for
// the same resources.
const runWriteTimeout = 15 * time.Second

// run executes a plan and sends the response for its failures. An error of plan.Run itself is the
// result of the whole request; each reported failure becomes a response of a 207. done is true if
// everything succeeded: then the caller responds. run calls release before it sends the end of a
// 207.
func (h *Handler) run(q *request, release func(), plan *tree.Plan) (done bool, err error) {
	out := multistatus.NewWriter(q.w)
	out.SetWriteTimeout(runWriteTimeout) // other requests may wait for these resources
	report := func(p davpath.Path, collection bool, err error) {
		h.warnMember(q, p, err)
		q.interim.guard(out, func() {
			out.Write(failure(h.hrefs(q.ctx).Href(p, collection), err)) // Close returns the error
			out.FlushIfStale()
		})
	}
	err = plan.Run(q.ctx, report)
	q.interim.stop()
	switch {
	case err == nil:
		return true, nil
	case q.ctx.Err() != nil:
		return false, abort(q.ctx.Err()) // a 207 that ends here would claim success for the rest
	case !errors.Is(err, tree.ErrPartial):
		return false, discardOrAbort(out, err)
	}
	release()
	out.SetWriteTimeout(0)
	if err := out.Close(); err != nil {
		return false, abort(err)
	}
	return false, nil
}

// warnMember logs the failure of one of many resources.
func (h *Handler) warnMember(q *request, p davpath.Path, err error) {
	level := slog.LevelWarn
	if errors.Is(err, context.Canceled) { // the client is gone
		level = slog.LevelDebug
	}
	h.log.LogAttrs(q.ctx, level, "member failed", slog.String("method", q.Method), slog.String("name", p.String()),
		slog.Int("status", asError(err).Status), slog.Any("err", err))
}
