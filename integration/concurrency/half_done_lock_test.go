package concurrency

import (
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/integration/harness"
)

// blockingFS is a file system whose OpenFile blocks when it creates a file.
type blockingFS struct {
	webdav.FileSystem
	reached, open chan struct{}
}

func (g *blockingFS) OpenFile(ctx context.Context, name string, flag int, perm os.FileMode) (webdav.File, error) {
	if flag&os.O_CREATE != 0 {
		g.reached <- struct{}{}
		<-g.open
	}
	return g.FileSystem.OpenFile(ctx, name, flag, perm)
}

// A PUT must not be refused because of a LOCK that has not been answered, while a GET still shows
// that the resource this LOCK creates does not exist: no serial order explains both.
// TestLinearizability found this.
func TestPutWaitsForUnansweredLock(t *testing.T) {
	g := &blockingFS{fsbackend.New(fsbackend.Memory()), make(chan struct{}), make(chan struct{})}
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
