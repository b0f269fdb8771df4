// Package middleware holds what stands in front of a handler and is not WebDAV: a line in the log for each request, the end
// of a panic, names and passwords, and a door that is closed to other sites.
//
// Each is a func(http.Handler) http.Handler. The ResponseWriter that the handler gets passes everything on:
// http.ResponseController reaches the original one, and ReadFrom does, so that a file still goes out by sendfile.
// A request that is refused here costs its client no connection, if its body is not too long.
//
// It does not say who may do what (see package access), and does not limit rates or connections but those of wrong
// passwords. It never logs a header that may hold credentials, a name that is not a user's, nor a query.
package middleware

import (
	"io"
	"net/http"
)

// recorder is a ResponseWriter that notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int   // 0 until the header is written
	bytes  int64 // of the body
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the status that counts: the first one that is not informational (RFC 9110 §15.2).
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) implicit() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.implicit()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom lets net/http hand a file to the system instead of reading it.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	w.implicit()
	n, err := io.Copy(w.ResponseWriter, r)
	w.bytes += n
	return n, err
}

// FlushError is for http.ResponseController.
func (w *recorder) FlushError() error {
	w.implicit()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is for those who look for an http.Flusher.
func (w *recorder) Flush() { w.FlushError() }
