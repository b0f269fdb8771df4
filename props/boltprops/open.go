package boltprops

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// patience is how long a file that is in use is asked for: somebody may be about to close it.
const patience = 150 * time.Millisecond

// open makes the file the state of s. It creates the file where there is none.
func (s *Store) open() error {
	for range 5 {
		info, err := os.Stat(s.file)
		if errors.Is(err, fs.ErrNotExist) && !s.opts.ReadOnly {
			if err := s.create(); err != nil {
				return fmt.Errorf("state: %w", err)
			}
			continue
		}
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() { // opening it might wait for ever
			return fmt.Errorf("state %s is not a file", s.file)
		}
		st, err := s.openExisting(info)
		if err == errReplaced {
			continue
		}
		if err == nil {
			s.state.Store(st)
		}
		return s.translate(err)
	}
	return &HeldError{File: s.file}
}

// errReplaced says that the file that was opened has no longer the name that it was opened by.
var errReplaced = errors.New("replaced meanwhile")

func (s *Store) openExisting(info fs.FileInfo) (*state, error) {
	if info.Size() == 0 { // no creation of ours leaves that: see create
		return nil, wrong("it is empty")
	}
	_, err := os.Stat(s.holder())
	clean := err != nil // who ends as it should takes the name away
	found, err := s.inspect(clean)
	if err != nil {
		return nil, err
	}
	if found.half {
		s.log.Warn("one of the two first pages of the state is damaged: what was changed last may be missing", "file", s.file)
	}
	db, file, err := s.bolt(s.file, s.opts.ReadOnly)
	if err != nil {
		return nil, err
	}
	st := &state{db: db}
	if panicked, err := s.attempt(func() error { return s.begun(st, file) }); panicked {
		file.Close() // bbolt may have kept locks that its Close would wait for
		return nil, err
	} else if err != nil {
		s.guarded(db.Close)
		return nil, err
	}
	if s.opts.ReadOnly {
		return st, nil
	}
	s.sweep()
	if found.wasteful() {
		if err := s.compact(st); err != nil {
			s.log.Warn("state was not compacted", "file", s.file, "err", err)
		}
	}
	st.held = s.hold()
	return st, nil
}

// begun reads the header of a file that was just opened.
func (s *Store) begun(st *state, file *os.File) error {
	opened, err := file.Stat()
	if err != nil {
		return err
	}
	if now, err := os.Stat(s.file); err != nil || !os.SameFile(opened, now) {
		return errReplaced
	}
	version := 0
	err = st.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if meta == nil {
			return wrong("not a state")
		}
		version, err = decodeHeader(meta.Get(headerKey))
		switch {
		case err != nil:
			return err
		case version > format:
			return &NewerError{s.file, version, format}
		}
		for _, name := range buckets {
			if tx.Bucket(name) == nil {
				return wrong("without %s", name)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	st.opened = opened
	if version == format || s.opts.ReadOnly {
		return nil
	}
	// Entries of an earlier format are read as they are, and written in this one when they change. From now on an earlier
	// version of the program refuses the file.
	if err = st.db.Update(putHeader); full(s.translate(err)) {
		s.log.Warn("the format of the state is marked at the next start: the disk is full", "file", s.file)
		return nil
	}
	return err
}

func putHeader(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(headerKey, encodeHeader()) }

// errAstray fails what would be written to a file that nobody finds again.
var errAstray = errors.New("state: its file was removed or replaced while it was in use")

// inPlace reports whether the file that is open still has its name, as far as can be told.
func (s *Store) inPlace(st *state) bool {
	now, err := os.Stat(s.file)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
	}
	return os.SameFile(st.opened, now)
}

// initialise makes a state of a new file.
func initialise(db *bbolt.DB) error {
	return db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return putHeader(tx)
	})
}

// bolt opens a file with bbolt, and takes its lock: a shared one if it is only to be read.
func (s *Store) bolt(name string, readOnly bool) (db *bbolt.DB, file *os.File, err error) {
	o := &bbolt.Options{
		Timeout:  patience,
		ReadOnly: readOnly,
		PageSize: 4 << 10, // the same on every machine
		// The list of free pages is written with each commit, although that costs a page or more: without it a start,
		// and each commit that fails, would read the whole file.
		NoFreelistSync: false,
		FreelistType:   bbolt.FreelistMapType, // does not get slower with the number of free pages
		NoStatistics:   true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	}
	if !readOnly && runtime.GOOS != "windows" { // there the file itself would become as large
		o.InitialMmapSize = 64 << 20 // address space alone: who reads and who lets the file grow seldom wait for each other
	}
	err = s.guarded(func() (err error) {
		db, err = bbolt.Open(name, 0o600, o)
		return err
	})
	switch {
	case err == nil:
		db.AllocSize = 1 << 20 // the steps in which the file grows; 16 MiB are much for a few properties
		return db, file, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, nil, &HeldError{s.file, s.whoHolds()}
	}
	if file != nil {
		file.Close() // bbolt did, unless it panicked
	}
	return nil, nil, err
}

// create makes an empty state under another name, and then gives it its own: whenever it is cut short, the file is
// there as a whole or not at all. If somebody else was faster, theirs stays.
func (s *Store) create() error {
	dir := s.dir()
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		if err := syncDir(parent(dir)); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	s.sweep()
	aside := s.aside()
	defer os.Remove(aside)
	db, _, err := s.bolt(aside, false)
	if err != nil {
		return s.translate(err)
	}
	err = s.guarded(func() error {
		if err := initialise(db); err != nil {
			db.Close()
			return err
		}
		return db.Close()
	})
	if err != nil {
		return s.translate(err)
	}
	if err := os.Link(aside, s.file); err != nil && !errors.Is(err, fs.ErrExist) {
		// No links here. A rename would take the place of a file that somebody else has made in this moment.
		if _, err := os.Lstat(s.file); err == nil {
			return nil
		}
		if err := os.Rename(aside, s.file); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// syncDir makes what was created or renamed in a directory durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // it has no such call
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
