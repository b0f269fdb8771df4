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
	mu      sync.RWMutex // held for reading by each request
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

// replace makes later requests use h. wait blocks until the requests before have ended; it may be
// called once.
func (c *current) replace(h http.Handler) (wait func()) {
	old := c.now.Swap(&generation{handler: h})
	if old == nil {
		return func() {}
	}
	return old.mu.Lock // and never unlock: nothing can use it any more
}
