package boltprops

import (
	"cmp"
	"context"
	"errors"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"dav207/props"
	"dav207/server/resource"
)

// Patch implements props.Store. It fails with syscall.EDQUOT where p would have more than 4096 properties or 4 MiB of
// them, or where the disk is full.
func (s *Store) Patch(ctx context.Context, p resource.Path, changes []props.Change) error {
	size := 0
	for i := range changes {
		size += changes[i].Property.Size()
	}
	apply := func(t *txn) error { return t.patch(p, changes) }
	if s.opts.ReadOnly {
		return s.change(ctx, size, apply)
	}
	// It nearly always changes something: to look first would be to do the work twice.
	return s.wait(ctx, &request{apply: apply, size: size})
}

// Update implements props.Store.
func (s *Store) Update(ctx context.Context, ops ...props.Op) error {
	size := 0
	for _, op := range ops {
		if set, ok := op.(props.Set); ok {
			for i := range set.Properties {
				size += set.Properties[i].Size()
			}
		}
	}
	return s.change(ctx, size, func(t *txn) error {
		for _, op := range ops {
			if err := t.apply(op); err != nil {
				return err
			}
		}
		return nil
	})
}

// change makes a change durable. What fails, or changes nothing, needs no commit: a look finds that out. But what is seen
// while a commit is under way may not be durable yet.
func (s *Store) change(ctx context.Context, size int, apply func(*txn) error) error {
	settled := s.queue.settled()
	if err := s.view(ctx, apply); err != nil && !errors.Is(err, errChange) {
		return err
	} else if err == nil && settled {
		return nil
	}
	if s.opts.ReadOnly {
		return syscall.EROFS
	}
	return s.wait(ctx, &request{apply: apply, size: size})
}

// wait queues r and returns what became of it. While r waits to be taken its context can call it back; then nothing
// is changed. Later only the outcome counts.
func (s *Store) wait(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	leads, ok := s.queue.join(r, false)
	if !ok {
		return ErrClosed
	}
	if !leads {
		select {
		case leads = <-r.turn:
		case <-ctx.Done():
			if s.queue.leave(r) {
				return ctx.Err()
			}
			leads = <-r.turn
		}
	}
	if leads {
		s.lead()
	}
	return r.err
}

// lead commits what waits: all at once, and what has come meanwhile is left to the next one.
func (s *Store) lead() {
	s.queue.gather()
	requests, journal := s.queue.take()
	n, began := len(requests), time.Now()
	defer func() { s.queue.pass(n, time.Since(began)) }()
	if journal != nil {
		// First, so that whoever waits for a Flush hears of it.
		requests = append([]*request{s.journalRequest(journal)}, requests...)
	}
	s.commit(requests)
}

// commit writes requests in one transaction as far as possible, and tells each what became of it.
func (s *Store) commit(requests []*request) {
	requests = s.ensure(requests)
	for len(requests) > 0 {
		failed, err := s.transact(requests)
		if failed >= 0 {
			// What it wrote was taken back, and with it what the others wrote. They go on without it.
			requests[failed].finish(err)
			requests = append(requests[:failed:failed], requests[failed+1:]...)
			continue
		}
		if err == nil {
			for _, r := range requests {
				r.finish(r.err)
			}
			return
		}
		// It may be due to one of them alone: to the one that is too large for what is left of the disk, or to one that
		// needs a damaged page.
		var damaged *DamagedError
		if len(requests) > 1 && (full(err) || errors.As(err, &damaged)) {
			for _, r := range requests {
				s.commit([]*request{r})
			}
			return
		}
		for _, r := range requests {
			r.finish(err)
		}
		return
	}
}

// ensure creates the file if a request needs it. It returns those that are to be written.
func (s *Store) ensure(requests []*request) []*request {
	if s.state.Load() != nil {
		return requests
	}
	need := false
	for _, r := range requests {
		r.err = r.apply(&txn{readOnly: true})
		need = need || errors.Is(r.err, errChange)
	}
	var err error
	if need {
		if err = nameless(s.open()); err == nil {
			return requests
		}
	}
	for _, r := range requests {
		if errors.Is(r.err, errChange) {
			r.err = err
		}
		r.finish(r.err)
	}
	return nil
}

// transact runs requests in one transaction. If one of them fails when it has already changed something, nothing of
// the transaction remains, and its index is returned, with its error. One that fails before has its error in r.err.
func (s *Store) transact(requests []*request) (failed int, err error) {
	if broken := cmp.Or(s.broken.Load(), s.dead.Load()); broken != nil {
		return -1, broken
	}
	st := s.state.Load()
	var tx *bbolt.Tx
	var t *txn
	if panicked, err := s.attempt(func() (err error) {
		if tx, err = st.db.Begin(true); err == nil {
			t, err = begin(tx)
		}
		return err
	}); err != nil {
		s.rollback(tx, panicked && tx == nil)
		return -1, s.translate(err)
	}
	for i, r := range requests {
		before := t.writes
		var panicked bool
		panicked, r.err = s.attempt(func() error { return r.apply(t) })
		r.err = s.translate(r.err)
		if r.err != nil && (panicked || t.writes > before) {
			s.rollback(tx, false)
			return i, r.err
		}
	}
	if t.writes == 0 && !s.queue.inDoubt() {
		s.rollback(tx, false)
		return -1, nil
	}
	if !s.inPlace(st) {
		s.rollback(tx, false)
		if !st.astray {
			s.log.Error("the state was removed or replaced while it was in use: no change is kept until it is back, or the server is started again", "file", s.file)
		}
		st.astray = true
		return -1, errAstray
	}
	st.astray = false
	id := tx.ID()
	panicked, err := s.attempt(func() error {
		return tx.Commit()
	})
	if err != nil {
		if panicked {
			s.rollback(tx, false)
		}
		s.queue.setDoubt(s.seen(st, id))
		return -1, s.translate(err)
	}
	s.queue.setDoubt(false)
	s.commits.Add(1)
	return -1, nil
}

// rollback ends tx. If even that meets a damaged page, or one did before there was a transaction, its locks are never
// given back: nothing can be written any more.
func (s *Store) rollback(tx *bbolt.Tx, stuck bool) {
	if tx != nil {
		stuck, _ = s.attempt(func() error {
			tx.Rollback() // it may have ended: that is all it can say
			return nil
		})
	}
	if stuck {
		s.broken.Store(&DamagedError{s.file, errDamaged})
	}
}

// seen reports whether the transaction can be seen although it failed: when its last page was written, and the sync
// after it went wrong.
func (s *Store) seen(st *state, id int) bool {
	seen := true
	s.read(st, func(tx *bbolt.Tx) error {
		seen = tx.ID() >= id
		return nil
	})
	return seen
}
