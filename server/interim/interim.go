// Package interim keeps the client of a long operation from giving up: it sends 102 Processing.
package interim

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"dav207/server/forwarded"
	"dav207/server/multistatus"
)

// Responses are the interim responses to a long COPY, MOVE or DELETE: many clients close the
// connection after 30 seconds of silence. Before the response begins they are 102 Processing (RFC
// 2518 §10.1, still registered). After a member has failed the response is a 207, and they are more
// of the body.
//
// RFC 4918 dropped 102 for lack of implementations. RFC 9110 §15.2 requires HTTP/1.1 clients to
// skip unknown interim responses, but not all do. So 102 goes only to clients that were tested, and
// never through a proxy: nginx treats it as the final response.
type Responses struct {
	interval  time.Duration
	remaining int // number of 102 that may still be sent

	mu    sync.Mutex // guards the fields below
	timer *time.Timer
	ended bool
	w     http.ResponseWriter
	out   *multistatus.Writer // of the response; nil before it is known
}

// interimClients are words in the User-Agent of clients that skip 1xx, and the maximum of 102 that
// they get. Go before 1.24 fails after five 1xx, neon before 0.33 after 128. TestInterim covers all
// of them.
var interimClients = []struct {
	agent string
	max   int
}{
	{"Go-http-client/", 4}, {"rclone/", 4},
	{"neon/", 100}, {"davfs2/", 100},
	{"curl/", 1000}, {"gvfs/", 1000},
}

// maxInterim returns how many 102 the client of a request accepts.
func maxInterim(r *http.Request) int {
	// HTTP/1.0 has no interim responses (RFC 9110 §15.2). Connection: close may come from a proxy:
	// nginx 1.22 sends it by default and treats 102 as the final response.
	if !r.ProtoAtLeast(1, 1) || r.Close {
		return 0
	}
	if r.ContentLength != 0 { // net/http may send 100 Continue
		return 0
	}
	if forwarded.Any(r.Header) {
		return 0
	}
	agent := r.Header.Get("User-Agent")
	for _, c := range interimClients {
		if strings.Contains(agent, c.agent) {
			return c.max
		}
	}
	return 0
}

// Start returns the interim responses to r, one after each interval. There is no goroutine until
// the timer fires: starting and ending one costs as much as the MOVE of a small tree.
func Start(rw http.ResponseWriter, r *http.Request, interval time.Duration) *Responses {
	w := &Responses{interval: interval, remaining: maxInterim(r), w: rw}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(interval, w.send)
	return w
}

// send sends a 102, or more of the response.
func (w *Responses) send() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.timer.Reset(w.interval)
	switch {
	case w.out != nil && w.out.Started():
		w.out.KeepAlive() // Close returns the error
	case w.remaining > 0:
		w.remaining--
		w.w.WriteHeader(http.StatusProcessing)
	}
}

// Guard calls f, which writes to out, and keeps send from writing meanwhile. w may be nil.
func (w *Responses) Guard(out *multistatus.Writer, f func()) {
	if w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.out = out
	}
	f()
}

// Stop stops the interim responses. It may be called more than once, by one goroutine. w may be
// nil.
func (w *Responses) Stop() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.timer.Stop()
}
