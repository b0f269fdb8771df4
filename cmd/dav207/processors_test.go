package main

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counted are processors that only note how many there would be.
func counted(calm time.Duration) (p *processors, all *atomic.Bool) {
	all = new(atomic.Bool)
	all.Store(true)
	p = &processors{all: func() { all.Store(true) }, one: func() { all.Store(false) }, calm: calm, longAfter: time.Hour, began: time.Now()}
	p.spread.Store(true)
	return p, all
}

func ask(h http.Handler, method string) { askFrom(h, "192.0.2.1:1", method) }

func askFrom(h http.Handler, addr, method string) {
	r := httptest.NewRequest(method, "/", nil)
	r.RemoteAddr = addr
	h.ServeHTTP(httptest.NewRecorder(), r)
}

// What needs more than one processor has them at once; a single short request, or one that had to wait, does not.
func TestProcessorsSpread(t *testing.T) {
	for _, tt := range []struct {
		what string
		use  func(h http.Handler, p *processors)
		want bool
	}{
		{"one short request after another", func(h http.Handler, _ *processors) {
			for range 10 {
				ask(h, "PUT")
			}
		}, false},
		{"a long one among short ones", func(h http.Handler, p *processors) {
			for range 3 {
				p.longAfter = 0
				ask(h, "GET")
				p.longAfter = time.Hour
				ask(h, "GET")
			}
		}, false},
		{"long ones", func(h http.Handler, p *processors) {
			p.longAfter = 0
			for range longRequests {
				ask(h, "GET")
			}
		}, true},
		{"PROPFIND of a tree", func(h http.Handler, _ *processors) { ask(h, "PROPFIND") }, true},
		{"on two connections, in turns", func(h http.Handler, _ *processors) {
			askFrom(h, "192.0.2.1:1", "GET")
			askFrom(h, "192.0.2.1:2", "GET")
		}, true},
		{"HTTP/2, where one connection has many requests", func(h http.Handler, _ *processors) {
			r := httptest.NewRequest("GET", "/", nil)
			r.ProtoMajor = 2
			h.ServeHTTP(httptest.NewRecorder(), r)
		}, true},
		{"COPY", func(h http.Handler, _ *processors) { ask(h, "COPY") }, true},
		{"MOVE", func(h http.Handler, _ *processors) { ask(h, "MOVE") }, true},
		{"DELETE", func(h http.Handler, _ *processors) { ask(h, "DELETE") }, true},
	} {
		p, all := counted(0)
		p.gather()
		if all.Load() {
			t.Fatal("nothing runs, and there is more than one processor")
		}
		p.calm = time.Hour
		tt.use(p.follow(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), p)
		if all.Load() != tt.want {
			t.Errorf("%s: all processors: %v, want %v", tt.what, all.Load(), tt.want)
		}
	}
}

// A connection that comes long after another one is no reason to have more processors.
func TestProcessorsOfTheNextClient(t *testing.T) {
	p, all := counted(time.Millisecond)
	time.Sleep(2 * p.calm)
	p.gather()
	h := p.follow(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, addr := range []string{"192.0.2.1:1", "192.0.2.1:2"} {
		if askFrom(h, addr, "GET"); all.Load() {
			t.Errorf("all processors for %s", addr)
		}
		time.Sleep(2 * p.calm)
	}
}

// Requests that run at a time are spread, for as long as they come and for a while after it.
func TestProcessorsTogether(t *testing.T) {
	p, all := counted(20 * time.Millisecond)
	p.gather()
	var both sync.WaitGroup
	both.Add(2)
	h := p.follow(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		both.Done()
		both.Wait()
		if !all.Load() {
			t.Error("two requests, and one processor")
		}
	}))
	var done sync.WaitGroup
	for range 2 {
		done.Go(func() { ask(h, "GET") })
	}
	done.Wait()
	for end := time.Now().Add(10 * time.Second); all.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("all processors long after the requests")
		}
	}
}

// What comes after the requests has all processors.
func TestProcessorsStop(t *testing.T) {
	p, all := counted(0)
	p.gather()
	p.stop()
	if p.gather(); !all.Load() {
		t.Error("stopped, and one processor")
	}
	(*processors)(nil).stop() // of a machine that has but one
}

func TestProcessorsOfTheEnvironment(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	before := runtime.GOMAXPROCS(0)
	if p := newProcessors(); p != nil {
		t.Error("the environment says how many there are, and they are changed")
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	w := httptest.NewRecorder()
	newProcessors().follow(h).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusTeapot || runtime.GOMAXPROCS(0) != before {
		t.Errorf("status %d with %d processors", w.Code, runtime.GOMAXPROCS(0))
	}
}
