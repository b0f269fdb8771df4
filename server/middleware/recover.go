package middleware

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"dav207/server/multistatus"
)

// representationHeaders describe a response that the panic prevented.
var representationHeaders = []string{"Accept-Ranges", "Content-Encoding", "Content-Language", "Content-Range", "Content-Security-Policy",
	"ETag", "Last-Modified", "Location", "Lock-Token"}

// Recover recovers from a panic of the handler and logs it at level Error with its stack. It
// answers 500 if no header was sent. Otherwise it aborts the connection, so that the client does
// not take a part of the response for all. It does not recover from http.ErrAbortHandler. A nil
// logger discards.
func Recover(log *slog.Logger) func(http.Handler) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := NewRecorder(w)
			path := r.URL.EscapedPath()
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				if err, ok := v.(error); ok && err == http.ErrAbortHandler {
					panic(v)
				}
				log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("method", sanitize(r.Method)),
					slog.String("path", sanitize(path)), slog.String("err", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
				if rec.status != 0 {
					panic(http.ErrAbortHandler)
				}
				for _, name := range representationHeaders {
					w.Header().Del(name)
				}
				multistatus.RespondError(w, r, &multistatus.Error{Status: http.StatusInternalServerError})
			}()
			next.ServeHTTP(rec, r)
		})
	}
}
