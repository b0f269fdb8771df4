package batch

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"

	"dav207/server/multistatus"
)

// result is the ResponseWriter of an item. It keeps the answer, until all of it is known.
type result struct {
	large
	header http.Header
	status int // 0 until the header is written
	body   []byte
	max    int
	head   bool // the answer has no body
	broken *multistatus.Error
	failed int // the members that failed, in a 207
}

func (h *Handler) newResult(ctx context.Context) *result {
	return &result{large: large{h: h, ctx: ctx}, max: h.MaxAnswer}
}

// Header implements http.ResponseWriter.
func (w *result) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. It ignores informational responses, which a batch
// cannot pass on. They may come from another goroutine.
func (w *result) WriteHeader(status int) {
	if status >= 200 && w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *result) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	switch {
	case w.head:
		return len(p), nil
	case w.status == http.StatusNoContent || w.status == http.StatusNotModified:
		return 0, http.ErrBodyNotAllowed
	case w.broken != nil:
		return 0, w.broken
	case len(w.body)+len(p) > w.max:
		w.broken = &multistatus.Error{Status: http.StatusInsufficientStorage, Description: fmt.Sprintf("The answer to this request is longer than the %d bytes that are allowed in a batch: send it alone. It may have changed something.", w.max)}
		return 0, w.broken
	case len(w.body)+len(p) > spoolMemory && w.acquire() != nil:
		w.broken = &multistatus.Error{Status: http.StatusServiceUnavailable, Description: "Other batches are too large at the moment for the answer to this request: send it again. It may have changed something."}
		return 0, w.broken
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

// FlushError is called by http.ResponseController. The answer is sent when it is complete.
func (w *result) FlushError() error { return nil }

// CountMembers implements multistatus.MemberCounter.
func (w *result) CountMembers(m multistatus.Members) { w.failed = m.Failed }

// succeeded reports whether the answer is a success of all that the request touched.
func (w *result) succeeded() bool { return w.status >= 200 && w.status < 300 && w.failed == 0 }

// fail replaces the answer by a problem.
func (w *result) fail(status int, detail string) {
	w.status, w.header = status, http.Header{"Content-Type": {multistatus.ContentTypeProblem}}
	if status == http.StatusServiceUnavailable {
		w.header["Retry-After"] = []string{"1"}
	}
	w.body = multistatus.AppendProblem(w.body[:0], &multistatus.Error{Status: status, Description: detail})
}

// perform runs a request and keeps its answer in w. An answer that is not complete is replaced by a
// 5xx: a part of it must not look like the whole.
func (h *Handler) perform(w *result, r *http.Request) {
	*w = result{large: w.large, header: http.Header{}, body: w.body[:0], max: w.max, head: r.Method == http.MethodHead}
	defer func() {
		v := recover()
		length, err := strconv.Atoi(w.header.Get("Content-Length"))
		short := err == nil && !w.head && length != len(w.body) && w.status != http.StatusNotModified
		switch {
		case v != nil && v != http.ErrAbortHandler:
			h.Logger.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("method", r.Method),
				slog.String("path", r.URL.EscapedPath()), slog.String("err", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			w.fail(http.StatusInternalServerError, "")
		case w.broken != nil:
			w.fail(w.broken.Status, w.broken.Description)
		case v != nil || short:
			w.fail(http.StatusInternalServerError, "The answer to this request broke off. It may have changed something.")
		}
		w.WriteHeader(http.StatusOK) // net/http sends 200 after a handler that wrote nothing
	}()
	h.next.ServeHTTP(w, r)
}
