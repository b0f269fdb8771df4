package boltprops

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long Open waits for a file that another process has locked.
const lockTimeout = 150 * time.Millisecond

// pageSize of the file does not depend on the machine.
const pageSize = 4 << 10

// createNew is how a temp file is opened: no link is followed that somebody may have put there.
const createNew = os.O_RDWR | os.O_CREATE | os.O_EXCL

// open makes the file the state of s. Where there is none it creates one, or returns a
// fs.ErrNotExist.
func (s *Store) open(create bool) error {
	for range 5 {
		err := s.openDir(create)
		if err == nil {
			if err = s.openIn(create); err == nil {
				return nil
			}
			s.dir.Close()
		}
		if !errors.Is(err, errReplaced) {
			return s.translate(err)
		}
	}
	return &InUseError{s.file}
}

// openDir opens the directory of the file. What is done after that is done through this handle:
// it does not matter what the name of the directory leads to by then.
func (s *Store) openDir(create bool) error {
	name := filepath.Dir(s.file)
	dir, err := os.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) && create {
		switch err := os.Mkdir(name, 0o700); {
		case err == nil:
			parent, err := os.OpenRoot(filepath.Dir(name))
			if err != nil {
				return fmt.Errorf("state: %w", err)
			}
			defer parent.Close()
			if err := syncDir(parent); err != nil {
				return fmt.Errorf("state: %w", err)
			}
		case !errors.Is(err, fs.ErrExist):
			return fmt.Errorf("state: %w", err)
		}
		dir, err = os.OpenRoot(name)
	}
	switch {
	case s.opts.NoFollow && linked(name):
		err = errLink(name)
	case err == nil && s.opts.NoFollow && !named(dir, name):
		err = errReplaced
	}
	if err != nil && dir != nil {
		dir.Close()
	}
	s.dir = dir
	return err
}

// named reports whether name, and no link of that name, is dir.
func named(dir *os.Root, name string) bool {
	opened, err1 := dir.Stat(".")
	now, err2 := os.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(opened, now)
}

func isLink(info fs.FileInfo) bool {
	return info.Mode()&(fs.ModeSymlink|fs.ModeIrregular) != 0 // a junction of Windows is irregular
}

func linked(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && isLink(info)
}

func errLink(name string) error {
	return fmt.Errorf("state: %s is a symbolic link, which is not followed: remove it", name)
}

// openIn opens or creates the file in s.dir.
func (s *Store) openIn(create bool) error {
	info, err := s.dir.Lstat(s.base())
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := s.create(); err != nil {
			return fmt.Errorf("state: %w", err)
		}
		info, err = s.dir.Lstat(s.base())
	}
	if err != nil {
		return err
	}
	if isLink(info) {
		return errLink(s.file)
	}
	if !info.Mode().IsRegular() { // opening it might wait for ever
		return fmt.Errorf("state %s is not a file", s.file)
	}
	st, err := s.openExisting(info)
	if err == nil {
		s.state.Store(st)
	}
	return err
}

// errReplaced says that what was opened has no longer the name that it was opened by.
var errReplaced = errors.New("replaced meanwhile")

// openFile opens a file in s.dir, and fails where a link has led to it.
func (s *Store) openFile(name string, flag int, mode os.FileMode) (*os.File, error) {
	file, err := s.dir.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	opened, err := file.Stat()
	if err == nil {
		var now fs.FileInfo
		if now, err = s.dir.Lstat(name); err == nil && !os.SameFile(opened, now) {
			err = errReplaced
		}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (s *Store) openExisting(info fs.FileInfo) (*state, error) {
	if info.Size() == 0 { // no creation of ours leaves that: see create
		return nil, wrong("it is empty")
	}
	version, err := s.inspect()
	if err != nil {
		return nil, err
	}
	flag := os.O_RDWR
	if s.opts.ReadOnly {
		flag = os.O_RDONLY
	}
	db, file, err := s.bolt(s.base(), flag)
	if err != nil {
		return nil, err
	}
	st := &state{db: db}
	if st.opened, err = file.Stat(); err == nil && !s.inPlace(st) {
		err = errReplaced
	}
	if err == nil && version < format && !s.opts.ReadOnly {
		err = s.upgrade(db)
	}
	if err != nil {
		s.guarded(db.Close)
		return nil, err
	}
	if s.opts.ReadOnly {
		return st, nil
	}
	s.cleanTemp()
	return st, nil
}

// upgrade sets the format in the header, so that earlier versions of the program refuse the file.
// Entries are read in their format, and written in the new one when they change.
func (s *Store) upgrade(db *bbolt.DB) error {
	err := s.translate(s.guarded(func() error { return db.Update(putHeader) }))
	if full(err) {
		s.log.Warn("the disk is full: the format of the state is marked at the next start", "file", s.file)
		return nil
	}
	s.dir.Remove(s.base() + ".holder") // an earlier version wrote it: who has the state
	return err
}

func putHeader(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(headerKey, encodeHeader()) }

// errFileMissing is returned by changes after the file was removed or replaced.
var errFileMissing = errors.New("state: its file was removed or replaced while it was in use")

// inPlace reports whether the open file still has its name. If that cannot be checked it returns
// true.
func (s *Store) inPlace(st *state) bool {
	if s.opts.NoFollow && linked(filepath.Dir(s.file)) {
		return false
	}
	now, err := os.Lstat(s.file)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
	}
	return os.SameFile(st.opened, now)
}

// initialise creates the buckets and the header.
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

// bolt opens a file in s.dir with bbolt, and takes its lock: a shared one if it is only to be read.
func (s *Store) bolt(name string, flag int) (db *bbolt.DB, file *os.File, err error) {
	readOnly := flag == os.O_RDONLY
	o := &bbolt.Options{
		Timeout:  lockTimeout,
		ReadOnly: readOnly,
		PageSize: pageSize,
		// Each commit writes the list of free pages, which takes a page or more. Without it each
		// start, and each commit that fails, would read the whole file.
		NoFreelistSync:  false,
		PreLoadFreelist: true,                  // here, where a damaged one can be caught
		FreelistType:    bbolt.FreelistMapType, // does not get slower with the number of free pages
		OpenFile: func(name string, _ int, mode os.FileMode) (_ *os.File, err error) {
			file, err = s.openFile(name, flag, mode)
			return file, err
		},
	}
	if !readOnly && runtime.GOOS != "windows" { // there the file itself would become as large
		o.InitialMmapSize = 64 << 20 // address space alone: then readers and what lets the file grow seldom wait for each other
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
		return nil, nil, &InUseError{s.file}
	}
	if file != nil {
		file.Close() // bbolt did, unless it panicked
	}
	if system := (*fs.PathError)(nil); errors.Is(err, errReplaced) || errors.As(err, &system) || errors.As(err, new(syscall.Errno)) {
		return nil, nil, err
	}
	return nil, nil, wrong("%v", err)
}

// The names in s.dir: that of the file, and those of temp files that are about to get it.

func (s *Store) base() string       { return filepath.Base(s.file) }
func (s *Store) tempPrefix() string { return s.base() + ".new-" }
func (s *Store) tempName() string   { return s.tempPrefix() + rand.Text() }

// cleanTemp removes temp files of processes that were killed in create. Another process that is in
// create fails to link its own, and then finds the file.
func (s *Store) cleanTemp() {
	entries, _ := fs.ReadDir(s.dir.FS(), ".")
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), s.tempPrefix())
		if ok && len(rest) == len(rand.Text()) && e.Type().IsRegular() {
			s.dir.Remove(e.Name())
		}
	}
}

// create creates an empty state as a temp file and links it to its name, so that the file is
// complete whenever it exists. If another process has created it meanwhile, that one stays.
func (s *Store) create() error {
	temp := s.tempName()
	defer s.dir.Remove(temp)
	db, _, err := s.bolt(temp, createNew)
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
	if err := s.dir.Link(temp, s.base()); err != nil && !errors.Is(err, fs.ErrExist) {
		// No links here. A rename would take the place of a file that somebody else has made in
		// this moment.
		if _, err := s.dir.Lstat(s.base()); err == nil {
			return nil
		}
		if err := s.dir.Rename(temp, s.base()); err != nil {
			return err
		}
	}
	return syncDir(s.dir)
}

// syncDir makes what was created or renamed in a directory durable.
func syncDir(dir *os.Root) error {
	if runtime.GOOS == "windows" { // it has no such call
		return nil
	}
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
