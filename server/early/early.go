// Package early sends responses before the request body was read to its end, so that the client can
// read them.
package early

import (
	"io"
	"net/http"
	"time"
)

const (
	// BodyTimeout is the longest time for which Respond reads the rest of a body.
	BodyTimeout = 10 * time.Second

	maxBodyBytes = 256 << 20 // of the rest
)

// continueTimeout is how long Respond waits for the body of a request with "Expect: 100-continue".
// A client may send it without waiting for 100 (RFC 9110 §10.1.1); curl does after a second.
const continueTimeout = time.Second

// Respond calls write, which sends the response to a request whose body was not read to its end.
// Then it reads and discards the rest, within BodyTimeout and a bound on the bytes: closing the
// connection at once would reset it before the client has read the response (RFC 9112 §9.6). If the
// rest ends in time the connection stays open. A client that waits for 100 Continue gets the
// response, and the connection is closed.
//
// bodyRead reports that the handler has read a part of the body, so that net/http has sent 100
// Continue. deadline is the time limit of the body; Respond does not extend it. Zero means none.
//
// With HTTP/2 Respond reads the body before it calls write. After a response that precedes the end
// of the body net/http sends RST_STREAM (RFC 9113 §8.1), which "curl --anyauth" and libsoup report
// as an error. There net/http does not tell the handler whether the client waits for 100 Continue.
//
// With HTTP/1.x Respond panics with http.ErrAbortHandler, to close the connection, if the body of a
// request without Expect does not end in time.
func Respond(w http.ResponseWriter, r *http.Request, bodyRead bool, deadline time.Time, write func()) {
	if r.Body == nil || r.Body == http.NoBody {
		write()
		return
	}
	now := time.Now()
	if end := now.Add(BodyTimeout); deadline.IsZero() || deadline.After(end) {
		deadline = end
	}
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(deadline) // also for what net/http reads
	if r.ProtoMajor != 1 {
		io.CopyN(io.Discard, r.Body, maxBodyBytes)
		write()
		return
	}
	// Without full duplex net/http reads a part of the body before it sends the response.
	if !deadline.After(now) || rc.EnableFullDuplex() != nil {
		write()
		return
	}
	write()
	rc.Flush()
	expects := r.Header.Get("Expect") != ""
	if expects && !bodyRead {
		if wait := now.Add(continueTimeout); wait.Before(deadline) {
			rc.SetReadDeadline(wait)
		}
		if n, _ := r.Body.Read(make([]byte, 1)); n == 0 {
			return
		}
		rc.SetReadDeadline(deadline)
	}
	if _, err := io.CopyN(io.Discard, r.Body, maxBodyBytes); err != io.EOF && !expects {
		// The connection is lost or the body is too long. Without this panic net/http would take
		// the rest for the next request, or panic with a log message. After Expect it closes the
		// connection.
		panic(http.ErrAbortHandler)
	}
}
