package boltprops

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// change is what one call changes in the state.
type change struct {
	apply func(*txn) error // may be called again, each time on another state
	err   error            // the outcome, once done is closed
	done  chan struct{}
}

// enqueue blocks until c is committed or has failed. If ctx ends before writeChanges has received
// c, c is not applied. It returns ErrClosed if the store is closed before that.
func (s *Store) enqueue(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.done = make(chan struct{})
	select {
	case s.changes <- c:
		<-c.done
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return ErrClosed
	}
}

// writeChanges commits changes until the store is closed. No other goroutine writes to an open
// file. While it commits, callers of enqueue wait; the next commit has all their changes. Each
// commit has the pending locks as well. If no change comes within s.delay, they are committed
// alone.
//
// bbolt's own Batch makes each caller wait for a timer: a PROPPATCH on one connection then takes
// three times as long.
func (s *Store) writeChanges() {
	defer close(s.ended)
	var delayed <-chan time.Time
	for open := true; open; {
		var batch []*change
		select {
		case c := <-s.changes:
			batch = s.collect(c)
		case <-s.locks.wake:
			if delayed == nil {
				delayed = time.After(s.delay)
			}
			continue
		case <-delayed:
		case <-s.closing:
			open = false
		}
		delayed = nil
		s.commitBatch(batch)
	}
}

// maxCommit bounds the changes of one commit.
const maxCommit = 256

// collect returns first and the changes of all callers that wait.
func (s *Store) collect(first *change) []*change {
	runtime.Gosched() // four connections then share one commit; without it only three do
	batch := []*change{first}
	for len(batch) < maxCommit {
		select {
		case c := <-s.changes:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// commitBatch commits the pending locks and batch, and unblocks the callers of enqueue.
func (s *Store) commitBatch(batch []*change) {
	pending, c := s.pendingLocks()
	if c != nil {
		s.commit(append([]*change{c}, batch...))
		s.wrotePending(pending, c.err)
	} else {
		s.commit(slices.Clone(batch))
	}
	for _, c := range batch {
		close(c.done)
	}
}
