package boltprops

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"syscall"

	"go.etcd.io/bbolt"

	"dav207/props"
	"dav207/server/davpath"
)

// Patch implements props.Store. It returns syscall.EDQUOT for more properties than props.CheckQuota
// allows, and syscall.ENOSPC or syscall.EDQUOT if the disk is full.
func (s *Store) Patch(ctx context.Context, p davpath.Path, changes []props.Change) error {
	c := &change{apply: func(t *txn) error { return t.patch(p, changes) }}
	if s.opts.ReadOnly {
		return s.change(ctx, c)
	}
	// No read first, as s.change makes: a PROPPATCH nearly always changes something.
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

// change applies c durably. It first applies c to a read-only transaction: if c fails or changes
// nothing, no commit is needed, unless the transaction may have read what is not durable yet.
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

// commit writes changes in one transaction if possible, and sets err of each. It modifies the
// slice.
func (s *Store) commit(changes []*change) {
	for len(changes) > 0 {
		failed, err := s.transact(changes)
		var damaged *DamagedError
		switch {
		case failed >= 0:
			// The whole transaction was rolled back. The others are tried again without it.
			changes[failed].err = err
			changes = slices.Delete(changes, failed, failed+1)
			continue
		case err != nil && len(changes) > 1 && (full(err) || errors.As(err, &damaged)):
			// The cause may be one of them, which is too large for the disk or needs a damaged
			// page: try each alone.
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

// ensure creates the file if one of changes needs it, and reports whether it exists. If not, it
// sets err of each change.
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
	err := createError(s.open(true))
	for _, c := range changes {
		if errors.Is(c.err, errChange) {
			c.err = err
		}
	}
	return err == nil
}

// transact applies changes in one transaction. If a change fails after it has written something,
// transact rolls back and returns the index of the change and its error. If it fails before, the
// others are committed and c.err is set. failed is -1 if err is about the whole transaction.
func (s *Store) transact(changes []*change) (failed int, err error) {
	if damaged := cmp.Or(s.unwritable.Load(), s.unreadable.Load()); damaged != nil {
		return -1, damaged
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

// checkInPlace returns an error if the file was removed or replaced: nothing written to it could be
// found again.
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

// commitTx commits tx and keeps s.generation.
func (s *Store) commitTx(st *state, tx *bbolt.Tx) error {
	id := tx.ID()
	if s.generation.Load()%2 == 0 { // else an earlier commit failed whose changes can be read
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
	// If only the last sync failed, readers see the transaction, and it may not be durable.
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

// rollback ends tx. If that panics, or if stuck says that beginning it has, bbolt never releases
// its locks: nothing can be written any more.
func (s *Store) rollback(tx *bbolt.Tx, stuck bool) {
	if tx != nil {
		stuck, _ = s.attempt(func() error {
			tx.Rollback() // the only error is that it has ended
			return nil
		})
	}
	if stuck {
		s.unwritable.Store(&DamagedError{s.file, errDamaged})
	}
}
