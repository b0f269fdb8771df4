// Package boltprops stores dead properties and locks in one file, the state, with go.etcd.io/bbolt.
//
// When a call that changes properties returns, the change is committed and synced. Concurrent calls
// share commits. Locks are written within 100 ms, or at once with Options.SyncLocks. A process that
// is killed leaves the file as the last commit wrote it. Only one process can have the file open
// for writing: Open in another one returns an *InUseError.
//
// The package does not access the files whose properties it stores, and repairs nothing. Open
// returns a *DamagedError for a file whose structure is damaged. A damaged entry fails the calls
// that need it.
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

// Options are the options of Open. The zero value is the default.
type Options struct {
	// ReadOnly opens an existing file without changing it; Open returns fs.ErrNotExist if there is
	// none. Many processes can have it open so, but none for writing meanwhile. Changes return
	// syscall.EROFS.
	ReadOnly bool
	// Lazy delays the creation of the file until the first change. If it fails, that change fails,
	// and the next one tries again.
	Lazy bool
	// NoFollow refuses a file, or a directory that the file is in, that is a symbolic link,
	// whenever it became one: for a state among files that others can change. Else Open follows a
	// link, and nothing does so later.
	NoFollow bool
	// SyncLocks makes Sync wait until a lock is written, whatever becomes of it.
	SyncLocks bool
	Logger    *slog.Logger // nil discards
}

// Store is a props.Store and a locks.Journal in one file. It is safe for concurrent use. After
// Close all calls return ErrClosed.
type Store struct {
	file string
	opts Options
	log  *slog.Logger

	dir        *os.Root                     // that of the file; nil as long as there is no state. Only the leader uses it
	state      atomic.Pointer[state]        // nil as long as there is no file
	unwritable atomic.Pointer[DamagedError] // why nothing can be written any more
	unreadable atomic.Pointer[DamagedError] // why nothing can be read any more

	changes    chan *change // received by writeChanges
	generation atomic.Int64 // odd while readers may see what is not durable

	locks   lockJournal
	delay   time.Duration // how long a lock may be pending
	closed  atomic.Bool
	closing chan struct{} // closed by Close
	ended   chan struct{} // closed when writeChanges returns
	close   func() error
	commits atomic.Int64 // for tests: the number of commits
}

// state is an open file.
type state struct {
	db          *bbolt.DB
	opened      fs.FileInfo // of the file when it was opened
	fileMissing bool        // the file was removed or replaced, which was logged; used by writeChanges alone
}

// Open opens the state in file, or creates it and its directory. It returns an *InUseError if
// another process has it open, a *DamagedError if it is damaged, and a *NewerError if a later
// version of the program wrote it. o may be nil.
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

// Close writes the pending locks and closes the file. Changes that still wait fail with ErrClosed.
// Close returns an error if the locks cannot be written, or the file cannot be closed. Later calls
// return the same.
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
	if s.unwritable.Load() != nil || s.unreadable.Load() != nil {
		return err // bbolt's Close would block: a transaction that panicked holds its locks
	}
	if e := s.guarded(st.db.Close); err == nil {
		err = e
	}
	return err
}

// view calls use with a read-only transaction, which is valid during the call alone.
func (s *Store) view(ctx context.Context, use func(*txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return ErrClosed
	}
	st := s.state.Load()
	if st == nil {
		return use(&txn{readOnly: true})
	}
	return s.translate(s.read(st, func(tx *bbolt.Tx) error {
		t, err := begin(tx)
		if err != nil {
			return err
		}
		t.readOnly = true
		return use(t)
	}))
}

// read is view without a txn.
func (s *Store) read(st *state, use func(*bbolt.Tx) error) error {
	if damaged := s.unreadable.Load(); damaged != nil {
		return damaged
	}
	var tx *bbolt.Tx
	panicked, err := s.attempt(func() (err error) {
		if tx, err = st.db.Begin(false); err != nil {
			return err
		}
		defer tx.Rollback()
		return use(tx)
	})
	if panicked && tx == nil { // bbolt never releases its locks
		s.unreadable.Store(&DamagedError{s.file, errDamaged})
	}
	return err
}
