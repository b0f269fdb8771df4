package boltprops

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// change is what one call makes of the state.
type change struct {
	apply func(*txn) error // may be called again, each time on another state
	size  int              // about what it writes
	after func(error)      // called with the outcome before the caller has it; may be nil

	err  error         // the outcome, once done is closed
	done chan struct{} // made by enqueue
}

// queue holds the changes that wait for a commit. The first caller that finds no commit under way becomes the leader: it
// commits all that wait, while those that come meanwhile wait for the next leader, which is one of them. bbolt's own Batch
// has every caller wait for a timer: with the shortest that groups, one connection takes three times as long.
type queue struct {
	mu      sync.Mutex
	waiting []*change
	closed  bool

	leader    chan struct{} // holds one while somebody leads
	uncertain atomic.Bool   // a commit failed, and yet can be seen: what is seen may not be durable
}

// enqueue returns when c is committed, or could not be. ctx takes it back as long as it waits; then nothing is changed.
func (s *Store) enqueue(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q := &s.queue
	if !q.add(c) {
		return ErrClosed
	}
	select {
	case q.leader <- struct{}{}:
		for q.waits(c) {
			s.commitBatch()
		}
		<-q.leader
	case <-c.done:
	case <-ctx.Done():
		if q.remove(c) {
			return ctx.Err()
		}
		<-c.done
	}
	return c.err
}

func (c *change) finish(err error) {
	c.err = err
	if c.after != nil {
		c.after(err)
	}
	close(c.done)
}

func (q *queue) add(c *change) bool {
	c.done = make(chan struct{})
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.waiting = append(q.waiting, c)
	}
	return !q.closed
}

func (q *queue) remove(c *change) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, c)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// close lets no more changes in.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// idle reports whether all that can be seen is durable.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.leader) == 0 && len(q.waiting) == 0 && !q.uncertain.Load()
}

// maxCommit bounds what is written at once, so that many large changes take their turns.
const maxCommit = 16 << 20

// collect takes the changes that are to be committed next.
func (q *queue) collect() []*change {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.waiting) && (n == 0 || size+q.waiting[n].size <= maxCommit) {
		size += q.waiting[n].size
		n++
	}
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch
}

func (q *queue) waits(c *change) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Contains(q.waiting, c)
}

// commitBatch commits what waits, and reports whether something did. The caller leads.
func (s *Store) commitBatch() bool {
	runtime.Gosched() // others may be about to run: four clients then share a commit by four, without it by three
	batch := s.queue.collect()
	waited := len(batch) > 0
	if c := s.pendingLocks(); c != nil {
		batch = append([]*change{c}, batch...) // first, so that callers of Flush have its outcome
	}
	s.commit(batch)
	return waited
}
