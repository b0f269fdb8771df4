package batch

import (
	"context"
	"net/http"
	"time"

	"dav207/server/multistatus"
)

// A batch takes little memory, but what is large needs up to ten times its size while it is
// decoded or encoded. So all batches together do that with few envelopes, items and results at a
// time; the others wait. What is large is in a temp file before and after that, so nobody waits for
// a client that sends or reads slowly.
const (
	maxLarge     = 2                // of all batches
	maxLargeWait = 10 * time.Second // there may be conflicts between the requests that wait
	maxBatches   = 64               // at once
	maxPerUser   = 16               // at once, of one user or address
)

// errBusy is the error of what has waited for too long.
var errBusy = &multistatus.Error{Status: http.StatusServiceUnavailable, Description: "Other batches are too large at the moment. Try again later."}

// acquire waits until something large may be in memory. The caller calls release after it.
func (h *Handler) acquire(ctx context.Context) error {
	select {
	case h.large <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(h.largeWait)
	defer timer.Stop()
	select {
	case h.large <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errBusy
	}
}

func (h *Handler) release() { <-h.large }

// large is what one batch has acquired, once or not at all.
type large struct {
	h    *Handler
	ctx  context.Context
	held bool
}

// acquire is Handler.acquire, unless it was acquired already.
func (l *large) acquire() error {
	if l.held {
		return nil
	}
	err := l.h.acquire(l.ctx)
	l.held = err == nil
	return err
}

// release releases what was acquired.
func (l *large) release() {
	if l.held {
		l.h.release()
		l.held = false
	}
}
