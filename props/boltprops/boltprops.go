// Package boltprops keeps dead properties and locks in one file (go.etcd.io/bbolt), so that they outlive the process.
//
// A change is committed and synced when the call that makes it returns; callers who wait at the same time share a commit.
// Locks are written a moment after they were granted, unless Options.SyncLocks wants them before. Whatever ends the process,
// the file is what some commit left: all of it or nothing. One process has the file for writing; Open in another one returns
// an error that names it.
//
// The package does not look at the files whose properties it keeps, and repairs nothing. A file whose structure is damaged is
// refused; an entry that is damaged fails the requests that need it.
package boltprops

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// Options are how a Store is opened. The zero value has all the defaults.
type Options struct {
	// ReadOnly opens what is there without changing a byte, and fails with fs.ErrNotExist where nothing is. Many
	// processes can do so at a time, while none has the file for writing. Changes fail with syscall.EROFS.
	ReadOnly bool
	// Lazy creates the file with the first change: until then the Store answers as an empty one. If it cannot be
	// created, that change fails, and the next one tries again.
	Lazy bool
	// NoFollow refuses a file, or a directory that the file is in, that is a symbolic link, whenever it became one: for a
	// state among files that others can change. Else Open follows a link, and nothing does so later.
	NoFollow bool
	// SyncLocks has Settle wait until a lock is written, whatever becomes of it.
	SyncLocks bool
	// Owner is named to those who find the file in use, such as the address served.
	Owner  string
	Logger *slog.Logger // nil discards
}

// Store is a props.Store and a locks.Journal in one file. It is safe for concurrent use. Once it is closed, all calls
// fail with ErrClosed.
type Store struct {
	file string
	opts Options
	log  *slog.Logger

	dir    *os.Root                     // that of the file; nil as long as there is no state. Only the leader uses it
	state  atomic.Pointer[state]        // nil as long as there is no file
	broken atomic.Pointer[DamagedError] // why nothing can be written any more
	dead   atomic.Pointer[DamagedError] // why nothing can be read any more

	changes    chan *change // taken by writeChanges
	generation atomic.Int64 // odd as long as what can be seen may not be durable

	locks   lockJournal
	delay   time.Duration // how long a lock waits for others before it is written
	closed  atomic.Bool
	closing chan struct{} // closed with the store
	ended   chan struct{} // closed when writeChanges has returned
	close   func() error
	commits atomic.Int64 // how many there were
}

// state is a file that is open.
type state struct {
	db          *bbolt.DB
	owned       bool        // the owner is written down beside it
	opened      fs.FileInfo // what had the name when it was opened
	fileMissing bool        // the name has gone since, and the log says so; only the writer uses it
}

// Open opens the state in file, or creates it with the directory it is in. It fails with a *InUseError where another
// process has it, a *DamagedError where it cannot be used as it is, and a *NewerError where a later version wrote it.
// Options may be nil.
func Open(file string, o *Options) (*Store, error) {
	if o == nil {
		o = new(Options)
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	if !o.NoFollow && linked(file) {
		if file, err = filepath.EvalSymlinks(file); err != nil {
			return nil, err
		}
	}
	s := &Store{file: file, opts: *o, log: o.Logger, delay: 100 * time.Millisecond,
		changes: make(chan *change), closing: make(chan struct{}), ended: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.locks.pending, s.locks.wake = make(map[string]*pendingLock), make(chan struct{}, 1)
	err = s.open(!o.Lazy && !o.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) && o.Lazy && !o.ReadOnly {
		err = nil // the first change creates it
	}
	if err != nil {
		return nil, err
	}
	s.close = sync.OnceValue(s.shut)
	if o.ReadOnly {
		close(s.ended)
	} else {
		go s.writeChanges()
	}
	return s, nil
}

// Close writes what waits to be written, and gives the file free. Its error is that of the locks which could not be
// written, or of the file.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	s.closed.Store(true)
	close(s.closing)
	<-s.ended
	err := s.locks.failed()
	st := s.state.Load()
	if st == nil {
		return err
	}
	defer s.dir.Close()
	if st.owned && s.inPlace(st) {
		s.dir.Remove(s.ownerFile()) // while the file is still ours: later it may be somebody else's
	}
	if s.broken.Load() != nil || s.dead.Load() != nil {
		return err // the transaction that panicked has its locks for ever, and would keep us waiting
	}
	if e := s.guarded(st.db.Close); err == nil {
		err = e
	}
	return err
}

// view runs look on what is stored, all of it as it was at one moment. Nothing that it is given may be kept.
func (s *Store) view(ctx context.Context, look func(*txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return ErrClosed
	}
	st := s.state.Load()
	if st == nil {
		return look(&txn{readOnly: true})
	}
	return s.translate(s.read(st, func(tx *bbolt.Tx) error {
		t, err := begin(tx)
		if err != nil {
			return err
		}
		t.readOnly = true
		return look(t)
	}))
}

func (s *Store) read(st *state, look func(*bbolt.Tx) error) error {
	if dead := s.dead.Load(); dead != nil {
		return dead
	}
	var tx *bbolt.Tx
	panicked, err := s.attempt(func() (err error) {
		if tx, err = st.db.Begin(false); err != nil {
			return err
		}
		defer tx.Rollback()
		return look(tx)
	})
	if panicked && tx == nil { // bbolt had locks that it never gives back
		s.dead.Store(&DamagedError{s.file, errDamaged})
	}
	return err
}
