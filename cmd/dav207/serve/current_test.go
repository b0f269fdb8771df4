package serve

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A request may use what several configurations had: nothing of theirs ends before it.
func TestReplaceWaitsForAllRequestsBefore(t *testing.T) {
	var c current
	begun, end := make(chan bool), make(chan bool)
	c.replace(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { begun <- true; <-end }))
	served := make(chan bool)
	go func() {
		c.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		close(served)
	}()
	<-begun
	var waiting sync.WaitGroup
	var ended atomic.Int32
	for range 3 {
		wait := c.replace(http.NotFoundHandler())
		waiting.Go(func() { wait(); ended.Add(1) })
	}
	time.Sleep(50 * time.Millisecond)
	if n := ended.Load(); n > 0 {
		t.Errorf("%d of 3 replacements do not wait for a request of the first handler", n)
	}
	close(end)
	<-served
	waiting.Wait()
}
