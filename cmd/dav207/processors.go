package main

import (
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// processors is how many processors requests are spread over: one as long as one short request comes after another on one connection,
// as from the one client that most servers have, and all of them otherwise. What net/http does for one request on two goroutines would
// be handed from processor to processor all the time, which costs more than the request: with one of two, PUT of 1 KiB takes 0.55 of
// the processor time and comes 1.2 times as often; LOCK, PUT and UNLOCK likewise.
type processors struct {
	all, one  func()        // set how many there are
	calm      time.Duration // how long there must have been no need for more than one
	longAfter time.Duration // see longRequest

	running atomic.Int64
	latest  atomic.Pointer[visitor]
	long    atomic.Int64 // how many were long since the last short one
	needed  atomic.Int64 // when more than one was needed the last time, in nanoseconds since began
	began   time.Time

	spread  atomic.Bool
	mu      sync.Mutex // for changes
	stopped bool
}

const (
	// calmAfter is far more than what the change costs, for which all goroutines stop for some ten microseconds.
	calmAfter = 100 * time.Millisecond
	// longRequest is what takes so long that a part of it may be done by another processor. One alone is rather one that had to wait for
	// something, and for that more processors are no help: it takes longRequests of them, one after the other.
	longRequest  = 2 * time.Millisecond
	longRequests = 2
)

// newProcessors returns nil where there is nothing to choose: with one processor, or where the environment says how many there are.
func newProcessors() *processors {
	if runtime.GOMAXPROCS(0) == 1 || os.Getenv("GOMAXPROCS") != "" {
		return nil
	}
	p := &processors{all: runtime.SetDefaultGOMAXPROCS, one: func() { runtime.GOMAXPROCS(1) }, calm: calmAfter, longAfter: longRequest, began: time.Now()}
	p.spread.Store(true)
	time.AfterFunc(p.calm, p.gather)
	return p
}

// follow counts the requests that h answers.
func (p *processors) follow(h http.Handler) http.Handler {
	if p == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		if p.running.Add(1) > 1 || forTree(r) || r.ProtoMajor > 1 || p.turns(r.RemoteAddr, began) {
			p.need(began)
		}
		defer func() {
			p.running.Add(-1)
			if end := time.Now(); end.Sub(began) < p.longAfter {
				p.long.Store(0)
			} else if p.long.Add(1) >= longRequests {
				p.need(end)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// visitor is a connection that requests come from.
type visitor struct {
	from string
	at   atomic.Int64 // when the last one came, in nanoseconds since began
}

// turns reports whether somebody else has asked just now: with one processor nothing else shows that requests wait for each other.
func (p *processors) turns(from string, now time.Time) bool {
	at := int64(now.Sub(p.began))
	latest := p.latest.Load()
	if latest != nil && latest.from == from {
		latest.at.Store(at)
		return false
	}
	next := &visitor{from: from}
	next.at.Store(at)
	p.latest.Store(next)
	return latest != nil && at-latest.at.Load() < int64(p.calm)
}

// forTree reports whether a request may be for a whole tree, which several processors share.
func forTree(r *http.Request) bool {
	switch r.Method {
	case "COPY", "MOVE", http.MethodDelete:
		return true
	case "PROPFIND":
		depth := r.Header.Get("Depth")
		return depth != "0" && depth != "1"
	}
	return false
}

// need says that more than one processor is needed now.
func (p *processors) need(now time.Time) {
	p.needed.Store(int64(now.Sub(p.began)))
	if p.spread.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.spread.Load() && !p.stopped {
		p.all()
		p.spread.Store(true)
		time.AfterFunc(p.calm, p.gather)
	}
}

// stop leaves all processors to what comes after the requests.
func (p *processors) stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if !p.spread.Swap(true) {
		p.all()
	}
}

// gather goes back to one processor once it has been calm.
func (p *processors) gather() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	since := time.Since(p.began) - time.Duration(p.needed.Load())
	if p.running.Load() > 1 {
		since = 0
	}
	if since < p.calm {
		time.AfterFunc(p.calm-since, p.gather)
		return
	}
	p.one()
	p.spread.Store(false)
}
