package middleware

import (
	"io"
	"net/http"

	"dav207/server/multistatus"
)

// Recorder is a ResponseWriter that records the status and the size of the response.
type Recorder struct {
	http.ResponseWriter
	status  int   // 0 until the header is written
	bytes   int64 // of the body
	members multistatus.Members
	counted bool
}

// NewRecorder returns a Recorder of what is written to w.
func NewRecorder(w http.ResponseWriter) *Recorder { return &Recorder{ResponseWriter: w} }

// Status returns the status that was sent, or 0 if none was.
func (w *Recorder) Status() int { return w.status }

// End is called when the handler has returned. If it wrote nothing net/http sends 200.
func (w *Recorder) End() { w.setImplicitStatus() }

// Bytes returns the size of the body that was sent.
func (w *Recorder) Bytes() int64 { return w.bytes }

// Members returns the responses in a 207. ok is false for another status, and for a 207 that was
// not written by a multistatus.Writer.
func (w *Recorder) Members() (m multistatus.Members, ok bool) {
	return w.members, w.counted && w.status == http.StatusMultiStatus
}

// CountMembers implements multistatus.MemberCounter.
func (w *Recorder) CountMembers(m multistatus.Members) { w.members, w.counted = m, true }

// Unwrap is called by http.ResponseController.
func (w *Recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader records the first status that is not informational (RFC 9110 §15.2).
func (w *Recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *Recorder) setImplicitStatus() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

func (w *Recorder) Write(p []byte) (int, error) {
	w.setImplicitStatus()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom, so that net/http can use sendfile.
func (w *Recorder) ReadFrom(r io.Reader) (int64, error) {
	w.setImplicitStatus()
	n, err := io.Copy(w.ResponseWriter, r)
	w.bytes += n
	return n, err
}

// FlushError is called by http.ResponseController.
func (w *Recorder) FlushError() error {
	w.setImplicitStatus()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (w *Recorder) Flush() { w.FlushError() }
