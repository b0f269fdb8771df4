package boltprops

import (
	"context"
	"sync"
	"time"

	"dav207/server/locks"
)

// request is a change that somebody waits for.
type request struct {
	apply func(*txn) error // may be called again, each time on another state
	size  int              // about what it writes
	err   error            // what became of it
	done  chan struct{}    // closed when err is there
	told  func(error)      // is told before, if not nil
}

// queue holds what waits for the committer.
type queue struct {
	mu      sync.Mutex
	wake    chan struct{} // has one when something came that the committer may sleep over
	waiting []*request
	busy    bool // the committer is at work on what it took
	doubt   bool // a commit failed, and yet can be seen: what is seen may not be durable
	closed  bool

	journal      map[string]*locks.Lock // by token; nil where it is to be forgotten
	journalBytes int
	due          time.Time // when the journal is to be written
	journalErr   error     // why it could not be written the last time
}

func (q *queue) init() {
	q.wake = make(chan struct{}, 1)
	q.journal = make(map[string]*locks.Lock)
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// end lets nobody else in. What is there is still written, the journal too if it could not be before.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.due.IsZero() && len(q.journal) > 0 {
		q.due = time.Now()
	}
	q.rouse()
}

// settled reports whether all that can be seen is durable.
func (q *queue) settled() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.busy && !q.doubt && len(q.waiting) == 0
}

func (q *queue) add(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.waiting = append(q.waiting, r)
	q.rouse()
	return true
}

// wait queues r and returns what became of it. While r waits to be taken its context can call it back; then nothing
// is changed. Later only the outcome counts.
func (q *queue) wait(ctx context.Context, r *request) error {
	r.done = make(chan struct{})
	if !q.add(r) {
		return ErrClosed
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
	}
	q.mu.Lock()
	for i, w := range q.waiting {
		if w == r {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			q.mu.Unlock()
			return ctx.Err()
		}
	}
	q.mu.Unlock()
	<-r.done
	return r.err
}

// maxCommit bounds what is written at once, so that many large changes take their turns.
const maxCommit = 16 << 20

// next waits for work, and takes all there is: requests, and the journal if it is due or they make a commit necessary
// anyway. It returns false when the queue is closed and empty.
func (q *queue) next() (taken []*request, journal map[string]*locks.Lock, ok bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
	for {
		left := time.Until(q.due)
		if len(q.waiting) > 0 || len(q.journal) > 0 && !q.due.IsZero() && (left <= 0 || q.closed) {
			break
		}
		if q.closed {
			return nil, nil, false
		}
		if len(q.journal) == 0 || q.due.IsZero() {
			left = time.Hour
		}
		timer.Reset(left)
		q.mu.Unlock()
		select {
		case <-q.wake:
		case <-timer.C:
		}
		q.mu.Lock()
	}
	q.busy = true
	n, size := 0, 0
	for n < len(q.waiting) && (n == 0 || size+q.waiting[n].size <= maxCommit) {
		size += q.waiting[n].size
		n++
	}
	taken = q.waiting[:n:n]
	q.waiting = append([]*request(nil), q.waiting[n:]...)
	if len(q.journal) > 0 {
		journal = q.journal
		q.journal, q.journalBytes, q.due = make(map[string]*locks.Lock), 0, time.Time{}
	}
	return taken, journal, true
}

func (q *queue) setDoubt(doubt bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.doubt = doubt
}

func (q *queue) inDoubt() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.doubt
}
