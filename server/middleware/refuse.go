package middleware

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"dav207/server/early"
	"dav207/server/wire"
)

// refuse answers a request without asking for its body.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	w = wire.Wrap(w, r)
	early.Respond(w, r, false, time.Time{}, func() {
		head := w.Header()
		head.Set("Content-Type", "text/plain; charset=utf-8")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Content-Length", strconv.Itoa(len(text)+1))
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			io.WriteString(w, text+"\n")
		}
	})
}
