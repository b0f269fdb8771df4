// Package middleware has HTTP middleware that is not specific to WebDAV: a request log, recovery
// from panics, Basic authentication, and protection from requests of other sites and from DNS
// rebinding.
//
// Each is a func(http.Handler) http.Handler. The ResponseWriter that the handler gets supports
// http.ResponseController, and io.ReaderFrom, so that files are sent with sendfile. A refused
// request does not close the connection unless its body is too long.
//
// The package does not authorize (see package access). It limits no rates or connections but those
// of wrong passwords. It never logs a header that may contain credentials, a name that is not a
// user's, or a query.
package middleware

import (
	"io"
	"net/http"
	"time"

	"dav207/server/early"
	"dav207/server/multistatus"
	"dav207/server/wire"
)

// recorder is a ResponseWriter that records the status and the size of the response.
type recorder struct {
	http.ResponseWriter
	status int   // 0 until the header is written
	bytes  int64 // of the body

	counted         bool
	members, failed int // of a 207, if counted
}

// CountMembers implements multistatus.MemberCounter.
func (w *recorder) CountMembers(members, failed int) {
	w.counted, w.members, w.failed = true, members, failed
}

// Unwrap is called by http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader records the first status that is not informational (RFC 9110 §15.2).
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) setImplicitStatus() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.setImplicitStatus()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom, so that net/http can use sendfile.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	w.setImplicitStatus()
	n, err := io.Copy(w.ResponseWriter, r)
	w.bytes += n
	return n, err
}

// FlushError is called by http.ResponseController.
func (w *recorder) FlushError() error {
	w.setImplicitStatus()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (w *recorder) Flush() { w.FlushError() }

// refuse answers a request without using its body.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	w = wire.Wrap(w, r)
	early.Respond(w, r, false, time.Time{}, func() {
		multistatus.RespondError(w, r, &multistatus.Error{Status: status, Description: text})
	})
}
