package serve

import (
	"testing"
	"time"
)

// The end of the process waits for requests of handlers that were replaced, and not for ever.
func TestWaitForReplaced(t *testing.T) {
	var s service
	ended := make(chan struct{})
	s.replaced.Go(func() { <-ended })
	began := time.Now()
	s.waitForReplaced()
	if took := time.Since(began); took < cleanup {
		t.Errorf("it waited for %v for a request that does not end, want %v", took, cleanup)
	}
	close(ended)
	began = time.Now()
	s.waitForReplaced()
	if took := time.Since(began); took >= cleanup {
		t.Errorf("it waited for %v although the request has ended", took)
	}
}
