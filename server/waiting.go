package server

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"dav207/server/forwarded"
	"dav207/server/multistatus"
)

// waiting keeps a client company whose COPY, MOVE or DELETE takes long: many give up on a server that is silent for half a
// minute. As long as nothing of the answer is decided that is 102 Processing (RFC 2518 §10.1, still registered): the status
// that counts comes at the end, and is true. Once a member has failed the status is 207, and its body goes on.
//
// RFC 4918 dropped 102 for lack of implementations; RFC 9110 §15.2 has every client of HTTP/1.1 read past what it does
// not know. Not all do, so it is sent to those only of which we know it, and never through a proxy that may take it for
// the answer, as nginx does.
type waiting struct {
	every   time.Duration
	interim int // how many 102 may be sent

	mu    sync.Mutex // of what follows, while the request is served
	timer *time.Timer
	ended bool
	w     http.ResponseWriter
	out   *multistatus.Writer // of the answer, nil before there is one
}

// company are words of the User-Agent of the clients that read past 1xx, and how many they take: Go counted to five
// before Go 1.24, and neon to 128 before 0.33. We have seen all of them do it, in TestInterim.
var company = []struct {
	agent string
	most  int
}{
	{"Go-http-client/", 4}, {"rclone/", 4},
	{"neon/", 100}, {"davfs2/", 100},
	{"curl/", 1000}, {"gvfs/", 1000},
}

// interim returns how many 102 the client of a request takes.
func interim(r *http.Request) int {
	// A request that came by HTTP/1.0 gets none (RFC 9110 §15.2), nor one that a proxy may have passed on: nginx 1.22 takes a
	// 102 for the answer, and asks for each connection to be closed unless it is told otherwise.
	if !r.ProtoAtLeast(1, 1) || r.Close {
		return 0
	}
	if r.ContentLength != 0 { // while a body is read net/http has things to say, too
		return 0
	}
	if forwarded.Any(r.Header) {
		return 0
	}
	agent := r.Header.Get("User-Agent")
	for _, c := range company {
		if strings.Contains(agent, c.agent) {
			return c.most
		}
	}
	return 0
}

// patiently serves a method that may take long.
func (h *Handler) patiently(serve func(*request) error) func(*request) error {
	if h.silence <= 0 {
		return serve
	}
	return func(q *request) error {
		q.waiting = &waiting{every: h.silence, interim: interim(q.Request), w: q.w}
		q.waiting.start()
		defer q.waiting.stop()
		return serve(q)
	}
}

// start begins it. There is no goroutine before there is something to say: to start and to end one cost as much as the MOVE of
// a small tree.
func (w *waiting) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.every, w.beat)
}

// beat says that the server is still there.
func (w *waiting) beat() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.timer.Reset(w.every)
	switch {
	case w.out != nil && w.out.Started():
		w.out.KeepAlive() // Close returns the error
	case w.interim > 0:
		w.interim--
		w.w.WriteHeader(http.StatusProcessing)
	}
}

// watch has what is written by f, which writes to out, and what is said meanwhile take turns. w may be nil.
func (w *waiting) watch(out *multistatus.Writer, f func()) {
	if w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.out = out
	}
	f()
}

// stop ends it: from here on the answer is the caller's alone. w may be nil. It may be called more than once, by one
// goroutine.
func (w *waiting) stop() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.timer.Stop()
}
