package middleware

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
)

// describing are headers that describe an answer which is not going to be sent.
var describing = []string{"Accept-Ranges", "Content-Encoding", "Content-Language", "Content-Range", "Content-Security-Policy",
	"ETag", "Last-Modified", "Location", "Lock-Token"}

// Recover ends a panic of the handler: it is logged at level Error with its stack, and answered with 500 if nothing was
// sent yet. If something was, the connection is broken, since the rest of the answer can not be told from a whole one.
// http.ErrAbortHandler, which asks for just that, goes through. A nil logger discards.
func Recover(log *slog.Logger) func(http.Handler) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := &recorder{ResponseWriter: w}
			path := r.URL.EscapedPath()
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				if err, ok := v.(error); ok && err == http.ErrAbortHandler {
					panic(v)
				}
				log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("method", safe(r.Method)),
					slog.String("path", safe(path)), slog.String("err", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
				if rec.status != 0 {
					panic(http.ErrAbortHandler)
				}
				for _, name := range describing {
					w.Header().Del(name)
				}
				http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			}()
			next.ServeHTTP(rec, r)
		})
	}
}
