// Package wire adjusts HTTP/1.x responses where net/http leaves it to the handler: it sends header
// names in the spelling of the RFCs, and closes connections that could be misinterpreted.
package wire

import (
	"cmp"
	"io"
	"net/http"

	"dav207/server/forwarded"
)

// exactNames maps the canonical header names of net/http to the spelling of the RFCs. Header names
// are case-insensitive, but some clients compare them byte by byte.
var exactNames = map[string]string{
	"Dav":              "DAV",
	"Etag":             "ETag",
	"Ms-Author-Via":    "MS-Author-Via",
	"Www-Authenticate": "WWW-Authenticate",
	"X-Oc-Ctime":       "X-OC-CTime",
	"X-Oc-Mtime":       "X-OC-Mtime",
}

// ExactName returns a canonical header name of net/http in the spelling of the RFCs.
func ExactName(name string) string { return cmp.Or(exactNames[name], name) }

// Wrap returns a ResponseWriter for the answer to r. It sends header names in the spelling of the
// RFCs, and sets "Connection: close" if a proxy may have seen another end of the request. It
// returns w itself for HTTP/2, which has lower-case names and frames, for a response without a
// connection, such as an httptest.ResponseRecorder, and if w is wrapped already.
func Wrap(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if r.ProtoMajor != 1 || r.Context().Value(http.ServerContextKey) == nil {
		return w
	}
	if _, wrapped := w.(*writer); wrapped {
		return w
	}
	if mustClose(r) {
		w.Header().Set("Connection", "close")
	}
	return &writer{ResponseWriter: w}
}

// mustClose reports whether a proxy may have seen another end of r and would take the following
// bytes for another request (RFC 9112 §6.1, §11.2). The connection must be closed after a request
// with both Content-Length and Transfer-Encoding, and after a request of HTTP/1.0 with
// Transfer-Encoding. net/http removes one of the fields before it calls the handler. So mustClose
// returns true for every request of HTTP/1.0, which rarely keeps a connection open, and for every
// chunked request through a proxy. Without a proxy a client could only mislead itself.
func mustClose(r *http.Request) bool {
	return r.ProtoMinor == 0 || len(r.TransferEncoding) > 0 && forwarded.Any(r.Header)
}

// writer is a ResponseWriter that renames header fields before it writes the header.
type writer struct {
	http.ResponseWriter
	headerWritten bool
}

// Unwrap is called by http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// setExactNames renames the header fields, once.
func (w *writer) setExactNames() {
	if w.headerWritten {
		return
	}
	w.headerWritten = true
	header := w.Header()
	for name, exact := range exactNames {
		if values, ok := header[name]; ok {
			delete(header, name)
			header[exact] = values
		}
	}
}

// WriteHeader does not rename the header fields of interim (1xx) responses.
func (w *writer) WriteHeader(status int) {
	if status >= 200 {
		w.setExactNames()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write is that of http.ResponseWriter.
func (w *writer) Write(p []byte) (int, error) {
	w.setExactNames()
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, so that net/http can use sendfile.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	w.setExactNames()
	return io.Copy(w.ResponseWriter, r)
}

// FlushError is called by http.ResponseController.
func (w *writer) FlushError() error {
	w.setExactNames()
	return http.NewResponseController(w.ResponseWriter).Flush()
}
