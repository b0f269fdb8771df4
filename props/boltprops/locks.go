package boltprops

import (
	"context"
	"errors"
	"maps"
	"strings"
	"syscall"
	"time"

	"dav207/server/locks"
)

// maxPending is the limit of pending locks. It is reached only if the disk hangs.
const maxPending = 1 << 17

var errTooManyPending = errors.New("state: too many locks wait to be written")

// Each lock is an entry of its own, which takes 0.5 ms to write among 100,000 locks; a snapshot of
// all would take 190 ms.

// Put implements locks.Journal. The lock is written within 100 ms. A failure is logged.
func (s *Store) Put(l locks.Lock) error { return s.addPending(l.Token, &l) }

// Delete implements locks.Journal. The locks are removed within 100 ms. After a failure, the next
// commit tries again.
func (s *Store) Delete(tokens ...string) error {
	for _, token := range tokens {
		if err := s.addPending(strings.Clone(token), nil); err != nil {
			return err
		}
	}
	return nil
}

// addPending makes l, or the removal of token if l is nil, pending.
func (s *Store) addPending(token string, l *locks.Lock) error {
	if s.opts.ReadOnly {
		return syscall.EROFS
	}
	if s.closed.Load() {
		return ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.pending[token]; !known && len(s.pending) >= maxPending {
		return errTooManyPending
	}
	s.pending[token] = l
	if !s.armed {
		s.armed = true
		time.AfterFunc(s.delay, func() { s.Flush(context.Background()) })
	}
	return nil
}

// Flush blocks until the changes of earlier calls of Put and Delete are written. It returns an
// error if they could not be.
func (s *Store) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil || s.opts.ReadOnly {
		return err
	}
	// Each commit writes the pending locks.
	err := s.enqueue(ctx, &change{apply: func(*txn) error { return nil }})
	if err == nil {
		err = s.locksFailed()
	}
	return err
}

// Sync implements locks.Syncer. With Options.SyncLocks it calls Flush. Without, it calls Flush
// for a new lock that may fail to be written: if there is no file yet, or if the last write failed.
func (s *Store) Sync(ctx context.Context, granted bool) error {
	if s.opts.SyncLocks || granted && (s.state.Load() == nil || s.locksFailed() != nil) {
		return s.Flush(ctx)
	}
	return nil
}

// locksFailed returns the error of the last write of locks; nil if it succeeded.
func (s *Store) locksFailed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lockErr
}

// wrotePending ends a write of pending. If it failed they are pending again, for the next commit,
// except those that have changed since.
func (s *Store) wrotePending(pending map[string]*locks.Lock, err error) {
	if len(pending) == 0 {
		return
	}
	if err != nil {
		s.log.Error("locks were not written: they are lost if the server ends now", "file", s.file, "locks", len(pending), "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lockErr = err; err != nil {
		maps.Copy(pending, s.pending)
		s.pending = pending
	}
}

// putLocks writes pending locks.
func (t *txn) putLocks(pending map[string]*locks.Lock) error {
	b := t.bucket(locksBucket)
	for token, l := range pending {
		var err error
		if l == nil {
			err = t.remove(b, []byte(token))
		} else {
			err = t.put(b, []byte(token), encodeLock(l))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Locks returns the stored locks, for locks.Table.Restore. Damaged ones are removed and logged.
func (s *Store) Locks(ctx context.Context) ([]locks.Lock, error) {
	var all []locks.Lock
	var damaged []string
	err := s.view(ctx, func(t *txn) error {
		for k, value := range scan(t.bucket(locksBucket), everything) {
			l, err := decodeLock(k, value)
			if err != nil {
				damaged = append(damaged, string(k))
			} else {
				all = append(all, l)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(damaged) > 0 {
		s.log.Error("locks are damaged and lost", "file", s.file, "locks", len(damaged))
		if !s.opts.ReadOnly {
			s.Delete(damaged...) // best effort: the next start tries again
		}
	}
	return all, nil
}
