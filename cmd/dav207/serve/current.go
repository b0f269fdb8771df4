package serve

import (
	"net/http"
	"sync"
	"sync/atomic"
)

// current is a handler that can be replaced while it serves.
type current struct{ now atomic.Pointer[generation] }

// generation is one of the handlers that a current has had.
type generation struct {
	handler http.Handler
	mu      sync.RWMutex  // held for reading by each request
	alone   chan struct{} // closed when the requests of all generations before have ended
}

// ServeHTTP implements http.Handler.
func (c *current) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := c.now.Load()
	for !g.mu.TryRLock() { // it was replaced since
		g = c.now.Load()
	}
	defer g.mu.RUnlock()
	g.handler.ServeHTTP(w, r)
}

// replace makes later requests use h. wait blocks until all requests that began before have ended,
// also those of earlier generations, which may use what the last one had. Each must be called once.
func (c *current) replace(h http.Handler) (wait func()) {
	next := &generation{handler: h, alone: make(chan struct{})}
	old := c.now.Swap(next)
	if old == nil {
		close(next.alone)
		return func() {}
	}
	return func() {
		old.mu.Lock() // and never unlock: nothing can use it any more
		<-old.alone
		close(next.alone)
	}
}
