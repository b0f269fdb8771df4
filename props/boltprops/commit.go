package boltprops

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"syscall"

	"go.etcd.io/bbolt"

	"dav207/props"
	"dav207/server/resource"
)

// Patch implements props.Store. It fails with syscall.EDQUOT where p would have more than 4096 properties or 4 MiB of
// them, or where the disk is full.
func (s *Store) Patch(ctx context.Context, p resource.Path, changes []props.Change) error {
	c := &change{apply: func(t *txn) error { return t.patch(p, changes) }}
	if s.opts.ReadOnly {
		return s.change(ctx, c)
	}
	// It nearly always changes something: to look first would be to do the work twice.
	return s.enqueue(ctx, c)
}

// Update implements props.Store.
func (s *Store) Update(ctx context.Context, ops ...props.Op) error {
	return s.change(ctx, &change{apply: func(t *txn) error {
		for _, op := range ops {
			if err := t.apply(op); err != nil {
				return err
			}
		}
		return nil
	}})
}

// change makes c durable. What fails, or changes nothing, needs no commit: a look finds that out. But what is seen while a
// commit is under way may not be durable yet.
func (s *Store) change(ctx context.Context, c *change) error {
	before := s.generation.Load()
	switch err := s.view(ctx, c.apply); {
	case err != nil && !errors.Is(err, errChange):
		return err
	case err == nil && before%2 == 0 && before == s.generation.Load():
		return nil
	case s.opts.ReadOnly:
		return syscall.EROFS
	}
	return s.enqueue(ctx, c)
}

// commit writes changes in one transaction as far as possible, and sets err of each. It changes the slice.
func (s *Store) commit(changes []*change) {
	for len(changes) > 0 {
		failed, err := s.transact(changes)
		var damaged *DamagedError
		switch {
		case failed >= 0:
			// What it wrote was taken back, and with it what the others wrote. They go on without it.
			changes[failed].err = err
			changes = slices.Delete(changes, failed, failed+1)
			continue
		case err != nil && len(changes) > 1 && (full(err) || errors.As(err, &damaged)):
			// It may be due to one of them alone: to one that is too large for what is left of the disk, or that needs a
			// damaged page.
			for _, c := range changes {
				s.commit([]*change{c})
			}
			return
		}
		for _, c := range changes {
			c.err = cmp.Or(err, c.err)
		}
		return
	}
}

// ensure creates the file if a change needs it, and reports whether it is there.
func (s *Store) ensure(changes []*change) bool {
	if s.state.Load() != nil {
		return true
	}
	needed := false
	for _, c := range changes {
		c.err = c.apply(&txn{readOnly: true})
		needed = needed || errors.Is(c.err, errChange)
	}
	if !needed {
		return false
	}
	err := nameless(s.open(true))
	for _, c := range changes {
		if errors.Is(c.err, errChange) {
			c.err = err
		}
	}
	return err == nil
}

// transact applies changes in one transaction. If one of them fails when it has already changed something, nothing of the
// transaction remains, and its index is returned with its error. One that fails before has its error in c.err.
func (s *Store) transact(changes []*change) (failed int, err error) {
	if broken := cmp.Or(s.broken.Load(), s.dead.Load()); broken != nil {
		return -1, broken
	}
	if !s.ensure(changes) {
		return -1, nil
	}
	st := s.state.Load()
	var tx *bbolt.Tx
	var t *txn
	panicked, err := s.attempt(func() (err error) {
		if tx, err = st.db.Begin(true); err == nil {
			t, err = begin(tx)
		}
		return err
	})
	if err != nil {
		s.rollback(tx, panicked && tx == nil)
		return -1, s.translate(err)
	}
	for i, c := range changes {
		before := t.writes
		panicked, err := s.attempt(func() error { return c.apply(t) })
		c.err = s.translate(err)
		if c.err != nil && (panicked || t.writes > before) {
			s.rollback(tx, false)
			return i, c.err
		}
	}
	if t.writes == 0 && s.generation.Load()%2 == 0 {
		s.rollback(tx, false)
		return -1, nil
	}
	if err := s.checkInPlace(st); err != nil {
		s.rollback(tx, false)
		return -1, err
	}
	return -1, s.commitTx(st, tx)
}

// checkInPlace fails what would be written to a file that nobody finds again.
func (s *Store) checkInPlace(st *state) error {
	missing := !s.inPlace(st)
	if missing && !st.fileMissing {
		s.log.Error("the state was removed or replaced while it was in use: no change is kept until it is back, or the server is started again", "file", s.file)
	}
	st.fileMissing = missing
	if missing {
		return errFileMissing
	}
	return nil
}

func (s *Store) commitTx(st *state, tx *bbolt.Tx) error {
	id := tx.ID()
	if s.generation.Load()%2 == 0 { // else an earlier one failed, and yet can be seen
		s.generation.Add(1)
	}
	panicked, err := s.attempt(tx.Commit)
	if err == nil {
		s.generation.Add(1)
		s.commits.Add(1)
		return nil
	}
	if panicked {
		s.rollback(tx, false)
	}
	// It can be seen when its last page was written, and the sync after that went wrong.
	seen := true
	s.read(st, func(tx *bbolt.Tx) error {
		seen = tx.ID() >= id
		return nil
	})
	if !seen {
		s.generation.Add(1)
	}
	return s.translate(err)
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
