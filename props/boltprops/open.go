package boltprops

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
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

// open opens the file, or creates it if create is set. If there is none it returns fs.ErrNotExist.
func (s *Store) open(create bool) error {
	err := s.openDir(create)
	if err != nil {
		return err
	}
	st, err := s.openIn(create)
	if err != nil {
		s.dir.Close()
		return s.translate(err)
	}
	s.measure(st)
	s.state.Store(st)
	return nil
}

// openDir opens the directory of the file. What is done after that is done through this handle:
// it does not matter what the name of the directory leads to by then.
func (s *Store) openDir(create bool) error {
	name := filepath.Dir(s.file)
	dir, err := os.OpenRoot(name)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err = makeDir(name); err == nil || errors.Is(err, fs.ErrExist) {
			dir, err = os.OpenRoot(name)
		}
	}
	var opened fs.FileInfo
	if err == nil {
		opened, err = dir.Stat(".")
	}
	if s.opts.NoFollow {
		if now, e := os.Lstat(name); e == nil && isLink(now) {
			err = errLink(name)
		} else if err == nil && !os.SameFile(opened, now) {
			err = errReplaced
		}
	}
	if err != nil && dir != nil {
		dir.Close()
	}
	s.dir = dir
	return err
}

// makeDir makes a directory durably.
func makeDir(name string) error {
	if err := os.Mkdir(name, 0o700); err != nil {
		return err
	}
	parent, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	return syncDir(parent)
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

// errReplaced says that what was opened has no longer the name that it was opened by.
var errReplaced = errors.New("state: its file or directory was replaced while it was opened")

// openIn opens or creates the file in s.dir.
func (s *Store) openIn(create bool) (*state, error) {
	info, err := s.dir.Lstat(s.base())
	if create && errors.Is(err, fs.ErrNotExist) {
		if err := s.create(); err != nil {
			return nil, fmt.Errorf("state: %w", err)
		}
		info, err = s.dir.Lstat(s.base())
	}
	switch {
	case err != nil:
		return nil, err
	case isLink(info):
		return nil, errLink(s.file)
	case !info.Mode().IsRegular(): // opening it might wait for ever
		return nil, fmt.Errorf("state %s is not a file", s.file)
	case info.Size() == 0: // no creation of ours leaves that: see create
		return nil, wrong("it is empty")
	}
	// First read-only, even to write: bbolt then reads no page, and does not change the file.
	st, err := s.bolt(s.base(), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	version, err := s.check(st)
	if err == nil && s.opts.ReadOnly {
		return st, nil
	}
	st.db.Close()
	if err != nil {
		return nil, err
	}
	if st, err = s.bolt(s.base(), os.O_RDWR); err != nil {
		return nil, err
	}
	if version < format {
		// Earlier versions of the program must refuse the file from now on. Entries are read in
		// their format, and written in the new one when they change.
		if err := st.db.Update(putHeader); err != nil {
			st.db.Close()
			return nil, err
		}
	}
	return st, nil
}

func putHeader(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(headerKey, encodeHeader()) }

// errFileMissing is returned by changes after the file was removed or replaced.
var errFileMissing = errors.New("state: its file was removed or replaced while it was in use: " +
	"no change is kept until it is back, or the server is started again")

// checkInPlace returns an error if the file was removed or replaced: nothing written to it could be
// found again.
func (s *Store) checkInPlace(st *state) error {
	now, err := os.Lstat(s.file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) ||
		err == nil && !os.SameFile(st.opened, now) || s.opts.NoFollow && linked(filepath.Dir(s.file)) {
		return errFileMissing
	}
	return nil
}

// bolt opens a file in s.dir with bbolt, and takes its lock: a shared one if it is only to be read.
// It fails where a link has led to the file.
func (s *Store) bolt(name string, flag int) (*state, error) {
	st := new(state)
	o := &bbolt.Options{
		Timeout:  lockTimeout,
		ReadOnly: flag == os.O_RDONLY,
		PageSize: pageSize,
		// Each commit writes the list of free pages, which takes a page or more. Without it each
		// start, and each commit that fails, would read the whole file.
		NoFreelistSync: false,
		FreelistType:   bbolt.FreelistMapType, // does not get slower with the number of free pages
		OpenFile: func(name string, _ int, mode os.FileMode) (_ *os.File, err error) {
			if st.file, err = s.dir.OpenFile(name, flag, mode); err != nil {
				return nil, err
			}
			st.opened, err = st.file.Stat()
			if now, e := s.dir.Lstat(name); err == nil && (e != nil || !os.SameFile(st.opened, now)) {
				err = errReplaced
			}
			return st.file, err // bbolt closes it if there is an error
		},
	}
	var err error
	switch st.db, err = bbolt.Open(name, 0o600, o); {
	case err == nil:
		st.db.AllocSize = 1 << 20 // the steps in which the file grows; 16 MiB are much for a few properties
		return st, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, &InUseError{s.file}
	case errors.Is(err, errReplaced), errors.As(err, new(*fs.PathError)), errors.As(err, new(syscall.Errno)):
		return nil, err
	}
	return nil, wrong("%v", err)
}

// base returns the name of the file in s.dir.
func (s *Store) base() string { return filepath.Base(s.file) }

// create creates an empty state as a temp file and links it to its name, so that the file is
// complete whenever it exists. If another process has created it meanwhile, that one stays.
func (s *Store) create() error {
	temp := s.base() + ".new-" + rand.Text()
	defer s.dir.Remove(temp)
	st, err := s.bolt(temp, createNew)
	if err != nil {
		return s.translate(err)
	}
	err = st.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return putHeader(tx)
	})
	if err = cmp.Or(err, st.db.Close()); err != nil {
		return s.translate(err)
	}
	if err := s.dir.Link(temp, s.base()); err != nil {
		// It exists, or there are no links here. A rename would take the place of a file that
		// somebody else has made in this moment.
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
