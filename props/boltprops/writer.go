package boltprops

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"syscall"

	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/locks"
)

// Patch implements props.Store. It returns syscall.EDQUOT for more properties than props.CheckQuota
// allows, props.ErrFull, and syscall.ENOSPC or syscall.EDQUOT if the disk is full.
func (s *Store) Patch(ctx context.Context, p davpath.Path, changes []props.Change) error {
	return s.change(ctx, func(t *txn) error {
		return t.bounded(func() error { return t.patch(p, changes) })
	})
}

// Update implements props.Store.
func (s *Store) Update(ctx context.Context, ops ...props.Op) error {
	return s.change(ctx, func(t *txn) error {
		apply := func() error {
			for _, op := range ops {
				if err := t.apply(op); err != nil {
					return err
				}
			}
			return nil
		}
		if props.AnySet(ops) {
			return t.bounded(apply)
		}
		return apply()
	})
}

// change is what one call changes in the state.
type change struct {
	apply func(*txn) error // may be called again, each time on another state
	done  bool             // it was committed, or has failed with err
	err   error
}

// change applies a change durably. If it changes nothing there is no commit.
func (s *Store) change(ctx context.Context, apply func(*txn) error) error {
	if !s.opts.ReadOnly {
		return s.enqueue(ctx, &change{apply: apply})
	}
	err := s.view(ctx, apply)
	if errors.Is(err, errChange) {
		err = syscall.EROFS
	}
	return err
}

// enqueue blocks until c is committed or has failed. If ctx ends before, c may not be applied.
//
// While one caller commits, others wait; the next of them commits all that wait. bbolt's own Batch
// makes each caller wait for a timer: a PROPPATCH on one connection then takes three times as long.
func (s *Store) enqueue(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	s.waiting = append(s.waiting, c)
	s.mu.Unlock()
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		if s.withdraw(c) {
			return ctx.Err()
		}
		s.writing <- struct{}{}
	}
	defer func() { <-s.writing }()
	switch {
	case c.done:
	case s.closed.Load():
		return ErrClosed
	default:
		runtime.Gosched() // four connections then share one commit; without it only three do
		s.commitWaiting()
	}
	return c.err
}

// withdraw takes c back, and reports whether it could.
func (s *Store) withdraw(c *change) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.waiting)
	s.waiting = slices.DeleteFunc(s.waiting, func(other *change) bool { return other == c })
	return len(s.waiting) < before
}

// commitWaiting commits all changes that wait, and the pending locks.
func (s *Store) commitWaiting() {
	s.mu.Lock()
	batch, pending := s.waiting, s.pending
	s.waiting, s.pending, s.armed = nil, make(map[string]*locks.Lock), false
	s.mu.Unlock()
	write := &change{apply: func(t *txn) error { return t.putLocks(pending) }}
	batch = append(batch, write)
	if err := s.ensure(batch); err != nil {
		finish(batch, err)
	} else {
		s.commit(batch)
	}
	s.wrotePending(pending, write.err)
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

// finish sets the outcome of changes.
func finish(changes []*change, err error) {
	for _, c := range changes {
		c.done, c.err = true, err
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
		t.room = math.MaxInt64
		if s.opts.MaxBytes > 0 {
			t.room = s.opts.MaxBytes - s.size
		}
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

// commitTxn commits t. Where the outcome is not sure, readers see it, and it may not be durable.
func (s *Store) commitTxn(st *state, t *txn) error {
	s.uncertain = true
	id := t.tx.ID()
	if err := t.tx.Commit(); err != nil {
		s.run(st, false, func(now *txn) error {
			s.uncertain = now.tx.ID() >= id // only the last sync has failed
			return nil
		})
		if s.uncertain {
			s.size += t.growth
			err = errors.Join(err, errUncertain)
		}
		return err
	}
	s.uncertain = false
	s.measure(st)
	s.size += t.growth
	s.commits.Add(1)
	return nil
}
