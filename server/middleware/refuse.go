package middleware

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// How long, and for how many bytes, the rest of a body that nobody wants is read.
const (
	lingerTime  = 10 * time.Second
	lingerBytes = 256 << 20
)

// refuse answers a request without asking for its body. Who waits for 100 Continue hears the status instead of it, and the
// connection ends as RFC 9110 §10.1.1 allows. Who is sending already is let finish for a while: closing at once would reset
// the connection under the answer (RFC 9112 §9.6), and clients ask for a password only once they have read that. A body that
// was read to its end leaves the connection usable.
//
// With HTTP/2 the body is read first. An answer that overtakes it ends in RST_STREAM (RFC 9113 §8.1), which "curl --anyauth"
// takes for a failure.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	head := w.Header()
	head.Set("Content-Type", "text/plain; charset=utf-8")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Length", strconv.Itoa(len(text)+1))
	rc := http.NewResponseController(w)
	rest := func() {}
	if r.ContentLength != 0 && r.Body != nil && r.Header.Get("Expect") == "" {
		rc.SetReadDeadline(time.Now().Add(lingerTime))
		if r.ProtoMajor != 1 {
			io.CopyN(io.Discard, r.Body, lingerBytes)
		} else if rc.EnableFullDuplex() == nil { // without it net/http reads some of the body before it answers, and gives up
			rest = func() {
				rc.Flush()
				if _, err := io.CopyN(io.Discard, r.Body, lingerBytes); err != io.EOF {
					// The client is gone, or does not end. net/http would try to read on, and panic with a message in the log.
					panic(http.ErrAbortHandler)
				}
			}
		}
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, text+"\n")
	}
	rest()
}
