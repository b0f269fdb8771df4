package boltprops

import (
	"context"
	"errors"
	"runtime"
	"syscall"

	"dav207/props"
	"dav207/server/davpath"
)

// Patch implements props.Store. It returns syscall.EDQUOT for more properties than props.CheckQuota
// allows, and syscall.ENOSPC or syscall.EDQUOT if the disk is full.
func (s *Store) Patch(ctx context.Context, p davpath.Path, changes []props.Change) error {
	return s.change(ctx, func(t *txn) error { return t.patch(p, changes) })
}

// Update implements props.Store.
func (s *Store) Update(ctx context.Context, ops ...props.Op) error {
	return s.change(ctx, func(t *txn) error {
		for _, op := range ops {
			if err := t.apply(op); err != nil {
				return err
			}
		}
		return nil
	})
}

// change is what one call changes in the state.
type change struct {
	apply func(*txn) error // may be called again, each time on another state
	err   error            // the outcome, once done is closed
	done  chan struct{}
}

// change applies a change durably. It first applies it to a read-only transaction: if it fails or
// changes nothing, no commit is needed. While a commit is running it does not: it might read what
// is not durable yet.
func (s *Store) change(ctx context.Context, apply func(*txn) error) error {
	if s.committing.TryRLock() {
		err, uncertain := s.view(ctx, apply), s.uncertain
		s.committing.RUnlock()
		switch {
		case !errors.Is(err, errChange) && (err != nil || !uncertain):
			return err
		case s.opts.ReadOnly:
			return syscall.EROFS
		}
	}
	return s.enqueue(ctx, &change{apply: apply})
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

// maxCommit bounds the changes of one commit.
const maxCommit = 256

// writeChanges commits changes until the store is closed. No other goroutine writes to an open
// file. While it commits, callers of enqueue wait; the next commit has all their changes. Each
// commit has the pending locks as well.
//
// bbolt's own Batch makes each caller wait for a timer: a PROPPATCH on one connection then takes
// three times as long.
func (s *Store) writeChanges() {
	defer close(s.ended)
	for {
		select {
		case c := <-s.changes:
			runtime.Gosched() // four connections then share one commit; without it only three do
			batch := []*change{c}
			for more := true; more && len(batch) < maxCommit; {
				select {
				case c := <-s.changes:
					batch = append(batch, c)
				default:
					more = false
				}
			}
			s.commitBatch(batch)
		case <-s.closing:
			s.commitBatch(nil)
			return
		}
	}
}

// commitBatch commits batch and the pending locks, and unblocks the callers of enqueue.
func (s *Store) commitBatch(batch []*change) {
	pending := s.locks.take()
	locks := &change{apply: func(t *txn) error { return t.putLocks(pending) }}
	all := append(batch, locks)
	if err := s.ensure(all); err != nil {
		finish(all, err)
	} else {
		s.commit(all)
	}
	s.wrotePending(pending, locks.err)
	for _, c := range batch {
		close(c.done)
	}
}

// ensure creates the file if one of changes needs it.
func (s *Store) ensure(changes []*change) error {
	if s.state.Load() != nil {
		return nil
	}
	for _, c := range changes {
		if errors.Is(c.apply(&txn{readOnly: true}), errChange) {
			return createError(s.open(true))
		}
	}
	return nil
}

func finish(changes []*change, err error) {
	for _, c := range changes {
		c.err = err
	}
}

// errUncertain says that changes may or may not have been written.
var errUncertain = errors.New("state: a commit was not confirmed by the disk")

// commit writes changes in one transaction. If that fails, nothing is written, and it tries each
// half: the cause may be one of them, which fails or is too large for the disk.
func (s *Store) commit(changes []*change) {
	err := s.transact(changes)
	if half := len(changes) / 2; err != nil && half > 0 && !errors.Is(err, errUncertain) {
		s.commit(changes[:half])
		s.commit(changes[half:])
		return
	}
	finish(changes, err)
}

// transact applies changes in one transaction.
func (s *Store) transact(changes []*change) error {
	apply := func(t *txn) error {
		for _, c := range changes {
			if err := c.apply(t); err != nil {
				return err
			}
		}
		return nil
	}
	st := s.state.Load()
	if st == nil {
		return apply(&txn{readOnly: true})
	}
	return s.run(st, true, func(t *txn) error {
		if err := apply(t); err != nil {
			return err
		}
		if t.writes == 0 && !s.uncertain {
			return nil
		}
		if err := s.checkInPlace(st); err != nil {
			return err
		}
		return s.commitTxn(st, t)
	})
}

// commitTxn commits t, and sets s.uncertain if readers may see it after that without it being
// durable.
func (s *Store) commitTxn(st *state, t *txn) error {
	s.committing.Lock()
	defer s.committing.Unlock()
	s.uncertain = true
	id := t.tx.ID()
	if err := t.tx.Commit(); err != nil {
		s.run(st, false, func(now *txn) error {
			s.uncertain = now.tx.ID() >= id // only the last sync has failed
			return nil
		})
		if s.uncertain {
			err = errors.Join(err, errUncertain)
		}
		return err
	}
	s.uncertain = false
	s.commits.Add(1)
	return nil
}
