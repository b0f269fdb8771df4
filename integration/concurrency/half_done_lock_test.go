package concurrency

import (
	"context"
	"sync"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
	"dav207/integration/harness"
	"dav207/server/davpath"
)

// blockingBackend is a back end whose Create closes reached and blocks until open is closed.
type blockingBackend struct {
	fsbackend.Backend
	first         sync.Once
	reached, open chan struct{}
}

func (g *blockingBackend) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	g.first.Do(func() { close(g.reached) })
	<-g.open
	return g.Backend.Create(ctx, p)
}

// A PUT must not be refused because of a LOCK that has not been answered, while a GET still shows
// that the resource this LOCK creates does not exist: no serial order explains both.
// TestLinearizability found this.
func TestPutWaitsForUnansweredLock(t *testing.T) {
	g := &blockingBackend{Backend: memory.New(nil).Backend(), reached: make(chan struct{}), open: make(chan struct{})}
	s := harness.Serve(t, g, nil)
	locked, put := make(chan int, 1), make(chan int, 1)
	send := func(answer chan int, method, body string) {
		answer <- s.Do(method, "/b", body).Status
	}
	go send(locked, "LOCK", harness.ExclusiveLock)
	<-g.reached
	go send(put, "PUT", "x")
	select {
	case status := <-put:
		t.Errorf("PUT = %d before the LOCK was answered, want it to wait", status)
		put <- status
	case <-time.After(200 * time.Millisecond):
	}
	s.Want(404, "GET", "/b", "")
	close(g.open)
	if status := <-locked; status != 201 {
		t.Errorf("LOCK = %d, want 201", status)
	}
	if status := <-put; status != 423 {
		t.Errorf("PUT = %d, want 423", status)
	}
}
