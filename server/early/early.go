// Package early answers requests before their bodies were read, so that the client can read the answer.
package early

import (
	"io"
	"net/http"
	"time"
)

// How long, and for how many bytes, the rest of a body is read.
const (
	Time     = 10 * time.Second
	maxBytes = 256 << 20
)

// expectTime is how long Answer waits for a client that announced "Expect: 100-continue" and may
// have begun to send all the same: it need not wait (RFC 9110 §10.1.1), and curl waits for a second.
const expectTime = time.Second

// Answer calls write, which answers a request whose body was not read to its end, and reads the rest
// for a while: to close the connection at once would reset it before the client that is sending has
// read the answer (RFC 9112 §9.6). A body that was read to its end leaves the connection usable. A
// client that waits for 100 Continue gets the answer instead, and then the end of the connection.
//
// begun says that some of the body was read, and so that 100 Continue was sent. until, unless it is
// zero, is when the time for the body ends: Answer does not extend it.
//
// With HTTP/2 Answer reads the body first. An answer that overtakes it ends in RST_STREAM (RFC 9113
// §8.1), which "curl --anyauth" and libsoup take for a failure. net/http does not say there whether
// the client waits for 100 Continue.
func Answer(w http.ResponseWriter, r *http.Request, begun bool, until time.Time, write func()) {
	if r.Body == nil || r.Body == http.NoBody {
		write()
		return
	}
	now := time.Now()
	if end := now.Add(Time); until.IsZero() || until.After(end) {
		until = end
	}
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(until) // in force for what net/http reads, too
	if r.ProtoMajor != 1 {
		io.CopyN(io.Discard, r.Body, maxBytes)
		write()
		return
	}
	// Without full duplex net/http reads some of the body before it answers, and then gives up.
	if !until.After(now) || rc.EnableFullDuplex() != nil {
		write()
		return
	}
	write()
	rc.Flush()
	expects := r.Header.Get("Expect") != ""
	if expects && !begun {
		if wait := now.Add(expectTime); wait.Before(until) {
			rc.SetReadDeadline(wait)
		}
		if n, _ := r.Body.Read(make([]byte, 1)); n == 0 {
			return
		}
		rc.SetReadDeadline(until)
	}
	if _, err := io.CopyN(io.Discard, r.Body, maxBytes); err != io.EOF && !expects {
		// The client is gone, or does not end. net/http would take the rest for the next request, or
		// panic with a message in the log. After Expect it closes the connection by itself.
		panic(http.ErrAbortHandler)
	}
}
