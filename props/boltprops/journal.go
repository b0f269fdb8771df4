package boltprops

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"time"

	"dav207/server/locks"
)

// What may wait to be written. Locks come to wait in such numbers only where the disk hangs.
const (
	maxJournal      = 1 << 17
	maxJournalBytes = 64 << 20
)

var errJournalFull = errors.New("state: too many locks wait to be written")

// Put implements locks.Journal. The lock is written a moment later; if that fails, the log says so.
func (s *Store) Put(l locks.Lock) error { return s.note(l.Token, &l) }

// Delete implements locks.Journal in the same way. What cannot be forgotten is tried again with later changes.
func (s *Store) Delete(tokens ...string) error {
	for _, token := range tokens {
		if err := s.note(strings.Clone(token), nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) note(token string, l *locks.Lock) error {
	if s.opts.ReadOnly {
		return syscall.EROFS
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	old, known := q.journal[token]
	if !known && len(q.journal) >= maxJournal || q.journalBytes+lockSize(l) > maxJournalBytes {
		return errJournalFull
	}
	if known {
		q.journalBytes -= lockSize(old)
	}
	q.journal[token] = l // what waited under this token is never written
	q.journalBytes += lockSize(l)
	if q.due.IsZero() {
		q.due = time.Now().Add(s.delay)
		q.rouse()
	}
	return nil
}

// Flush returns when the locks that Put and Delete were told of are written, or could not be: then with the reason.
func (s *Store) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.opts.ReadOnly {
		return nil
	}
	err := s.wait(ctx, flush())
	if err == nil {
		err = s.queue.lost()
	}
	return err
}

// flush is a request that takes the journal with it.
func flush() *request { return &request{apply: func(*txn) error { return nil }} }

// write writes what nobody waits for: the journal whenever it is due. When the queue is closed it
// ends after all that waited, and the journal also if it could not be written before.
func (s *Store) write() {
	defer close(s.ended)
	if s.opts.ReadOnly {
		return
	}
	for s.queue.sleep() {
		s.settle(flush())
	}
	s.settle(flush())
}

// settle is wait for what is written although the queue is closed.
func (s *Store) settle(r *request) {
	if leads, _ := s.queue.join(r, true); leads || <-r.turn {
		s.lead()
	}
}

// Settle implements locks.Settler. It waits for all with Options.SyncLocks, and otherwise for a new lock where it is
// doubtful that it can be written at all: where there is no file yet, and where it failed the last time.
func (s *Store) Settle(ctx context.Context, granted bool) error {
	if s.opts.SyncLocks || granted && (s.state.Load() == nil || s.queue.lost() != nil) {
		return s.Flush(ctx)
	}
	return nil
}

// lost returns why locks could not be written the last time; nil if they were.
func (q *queue) lost() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.journalErr
}

// journalRequest writes down the journal.
func (s *Store) journalRequest(journal map[string]*locks.Lock) *request {
	r := &request{}
	for token, l := range journal {
		r.size += len(token) + lockSize(l)
	}
	r.apply = func(t *txn) error {
		b := t.bucket(locksBucket)
		for token, l := range journal {
			k := []byte(token)
			var err error
			if l == nil {
				err = t.remove(b, k)
			} else {
				err = t.put(b, k, encodeLock(l))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	r.told = func(err error) { s.journaled(journal, err) }
	return r
}

// journaled keeps what could not be written for the next time that something is: newer word of a lock takes its place.
func (s *Store) journaled(journal map[string]*locks.Lock, err error) {
	if err != nil {
		s.log.Error("locks were not written: they are lost if the server ends now", "file", s.file, "locks", len(journal), "err", err)
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.journalErr = err; err == nil {
		return
	}
	for token, l := range journal {
		if _, newer := q.journal[token]; newer || len(q.journal) >= maxJournal || q.journalBytes+lockSize(l) > maxJournalBytes {
			continue
		}
		q.journal[token] = l
		q.journalBytes += lockSize(l)
	}
}

// Locks returns the locks that are written down, for locks.Table.Restore. One that is damaged is left out, and forgotten:
// the log says so.
func (s *Store) Locks(ctx context.Context) ([]locks.Lock, error) {
	var all []locks.Lock
	var damaged []string
	err := s.view(ctx, func(t *txn) error {
		all, damaged = nil, nil
		b := t.bucket(locksBucket)
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, value []byte) error {
			l, err := decodeLock(k, value)
			if err != nil {
				damaged = append(damaged, string(k))
			} else {
				all = append(all, l)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	if len(damaged) > 0 {
		s.log.Error("locks are damaged and lost", "file", s.file, "locks", len(damaged))
		if !s.opts.ReadOnly {
			s.Delete(damaged...) // if not now, the next start does it
		}
	}
	return all, nil
}
