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
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"dav207/server/locks"
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
	// MaxBytes bounds what the file holds: properties, the names of their resources, and locks. The
	// file itself may be up to twice as large. Beyond it properties are refused with props.ErrFull;
	// locks have limits of their own. 0 is no limit.
	MaxBytes int64
	Logger   *slog.Logger // nil discards
}

// Store is a props.Store and a locks.Journal in one file. It is safe for concurrent use. After
// Close all calls return ErrClosed.
type Store struct {
	file string
	opts Options
	log  *slog.Logger

	state    atomic.Pointer[state]        // nil as long as there is no file
	fileSize atomic.Int64                 // of the file, after the last commit
	broken   atomic.Pointer[DamagedError] // why the file cannot be used any more

	mu      sync.Mutex
	waiting []*change              // guarded by mu, as is what follows
	pending map[string]*locks.Lock // not written yet, by token; nil if the lock is to be removed
	armed   bool                   // they will be written after delay
	lockErr error                  // of the last write of locks; nil if it succeeded

	writing   chan struct{} // has a value while a goroutine commits; it guards what follows
	dir       *os.Root      // that of the file; nil as long as there is none
	uncertain bool          // what readers see may not be durable
	size      int64         // what the file holds, see Options.MaxBytes

	delay   time.Duration // how long a lock may be pending
	closed  atomic.Bool
	close   func() error
	commits atomic.Int64 // for tests: the number of commits
}

// state is an open file.
type state struct {
	db     *bbolt.DB
	file   *os.File    // that of db
	opened fs.FileInfo // of file, when it was opened
}

// Open opens the state in file, or creates it and its directory. It returns an *InUseError if
// another process has it open, and a *DamagedError if it is damaged. It refuses a file that a later
// version of the program wrote. o may be nil.
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
		writing: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.pending = make(map[string]*locks.Lock)
	err = s.open(!o.Lazy && !o.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) && o.Lazy && !o.ReadOnly {
		err = nil // the first change creates it
	}
	if err != nil {
		return nil, err
	}
	s.close = sync.OnceValue(s.shut)
	return s, nil
}

// Close writes the pending locks and closes the file.
// Close returns an error if the locks cannot be written, or the file cannot be closed. Later calls
// return the same.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	s.closed.Store(true)
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	if !s.opts.ReadOnly {
		s.commitWaiting()
	}
	err := s.locksFailed()
	st := s.state.Load()
	if st == nil {
		return err
	}
	defer s.dir.Close()
	if s.broken.Load() != nil {
		return err // bbolt's Close would block: a transaction that panicked holds its locks
	}
	return cmp.Or(err, st.db.Close())
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
	return s.run(st, false, use)
}

// run calls use with a transaction, and then rolls it back unless use has committed it. It turns a
// panic or a fault into a DamagedError: bbolt reads the file as memory, and where it was cut short
// meanwhile that is a fault. If bbolt may hold its locks after that, the file cannot be used any
// more.
func (s *Store) run(st *state, write bool, use func(*txn) error) (err error) {
	if damaged := s.broken.Load(); damaged != nil {
		return damaged
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	locked := true
	defer func() {
		if r := recover(); r != nil {
			damaged := &DamagedError{s.file, fmt.Errorf("%w: %v", errDamaged, r)}
			s.log.Error("state cannot be read", "file", s.file, "err", r, "stack", string(debug.Stack()))
			if err = damaged; locked {
				s.broken.Store(damaged)
			}
		}
	}()
	tx, err := st.db.Begin(write)
	if err != nil {
		return s.translate(err)
	}
	defer func() {
		tx.Rollback() // after a commit it has no effect
		locked = false
	}()
	t := &txn{tx: tx, props: tx.Bucket(propsBucket), readOnly: !write}
	if t.props == nil {
		return s.translate(wrong("without its properties"))
	}
	return s.translate(use(t))
}
