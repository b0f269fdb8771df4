package boltprops

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// change is what one call makes of the state.
type change struct {
	apply func(*txn) error // may be called again, each time on another state
	err   error            // the outcome, once done is closed
	done  chan struct{}
}

// enqueue blocks until c is committed, or has failed. If ctx ends before the writer has c, nothing is changed.
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

// writeChanges is the one goroutine that writes, until the store is closed. While it commits, callers of enqueue wait to
// send their changes; the next commit has them all. Pending locks are a part of each commit. They are committed alone
// where no change comes for s.delay.
//
// bbolt's own Batch has every caller wait for a timer: with the shortest that groups, a PROPPATCH on one connection takes
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

// collect returns first and the changes that wait to be sent.
func (s *Store) collect(first *change) []*change {
	runtime.Gosched() // lets callers send: four connections then share a commit by four, without it by three
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

// commitBatch commits the pending locks and batch, and returns from their calls of enqueue.
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
