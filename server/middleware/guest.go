package middleware

import (
	"io"
	"net/http"
)

// guestWriter is the ResponseWriter for a request without credentials. It replaces a 403 by a 401
// with challenges, so that the client asks its user to log in (RFC 9110 §15.5.2, §15.5.4). Members
// with 403 in a 207 stay: the rest of the request was granted. So does a 403 that everybody gets.
type guestWriter struct {
	http.ResponseWriter
	challenge   func()      // sends the 401
	kept        func() bool // a 403 stays
	wroteHeader bool
	replaced    bool
}

// Unwrap is called by http.ResponseController.
func (w *guestWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader replaces a 403.
func (w *guestWriter) WriteHeader(status int) {
	if w.wroteHeader {
		return
	}
	w.wroteHeader = status >= 200
	if status != http.StatusForbidden || w.kept() {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.replaced = true
	for _, name := range representationHeaders {
		w.Header().Del(name)
	}
	w.challenge()
}

// Write discards the body of a 403.
func (w *guestWriter) Write(p []byte) (int, error) {
	w.wroteHeader = true
	if w.replaced {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, so that net/http can use sendfile.
func (w *guestWriter) ReadFrom(r io.Reader) (int64, error) {
	w.wroteHeader = true
	if w.replaced {
		return io.Copy(io.Discard, r)
	}
	return io.Copy(w.ResponseWriter, r)
}
