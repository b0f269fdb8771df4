// Package wire does for answers in HTTP/1.x what net/http leaves to the handler: the names of header
// fields, and when the connection has to end.
package wire

import (
	"io"
	"net/http"

	"dav207/server/forwarded"
)

// spelled maps names as net/http writes them to those of the RFCs. Names have no case, but some
// clients look for the RFCs' byte for byte.
var spelled = map[string]string{
	"Dav":              "DAV",
	"Etag":             "ETag",
	"Ms-Author-Via":    "MS-Author-Via",
	"Www-Authenticate": "WWW-Authenticate",
	"X-Oc-Ctime":       "X-OC-CTime",
	"X-Oc-Mtime":       "X-OC-Mtime",
}

// Begin returns the ResponseWriter to answer r with. It sends header fields under the names that the
// RFCs have, and closes the connection where what follows the request may be a part of it. It changes
// nothing for HTTP/2, whose names have no capitals and whose requests have frames, and for answers
// that go to no connection, such as those to an httptest.ResponseRecorder.
func Begin(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if r.ProtoMajor != 1 || r.Context().Value(http.ServerContextKey) == nil {
		return w
	}
	if _, done := w.(*writer); done {
		return w
	}
	if unsure(r) {
		w.Header().Set("Connection", "close")
	}
	return &writer{ResponseWriter: w}
}

// unsure reports whether a proxy may have seen the end of r elsewhere, and would take what follows
// for another request (RFC 9112 §6.1, §11.2). A request with Content-Length and Transfer-Encoding is
// one, and so is one of HTTP/1.0 with Transfer-Encoding: the connection must be closed after them.
// net/http hides which they are: it takes the one field away before the handler sees it. So it is
// closed after every request of HTTP/1.0, where connections that stay are rare, and after every
// chunked one that came through a proxy. Without a proxy only the client could be misled, by itself.
func unsure(r *http.Request) bool {
	return r.ProtoMinor == 0 || len(r.TransferEncoding) > 0 && forwarded.Any(r.Header)
}

// writer is a ResponseWriter that spells names when it writes the header.
type writer struct {
	http.ResponseWriter
	begun bool
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) spell() {
	if w.begun {
		return
	}
	w.begun = true
	head := w.Header()
	for name, exact := range spelled {
		if values, ok := head[name]; ok {
			delete(head, name)
			head[exact] = values
		}
	}
}

// WriteHeader spells the names of the answer, and leaves those of interim answers alone.
func (w *writer) WriteHeader(status int) {
	if status >= 200 {
		w.spell()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write spells the names before it writes the header.
func (w *writer) Write(p []byte) (int, error) {
	w.spell()
	return w.ResponseWriter.Write(p)
}

// ReadFrom lets net/http hand a file to the system instead of reading it.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	w.spell()
	return io.Copy(w.ResponseWriter, r)
}

// FlushError is for http.ResponseController.
func (w *writer) FlushError() error {
	w.spell()
	return http.NewResponseController(w.ResponseWriter).Flush()
}
