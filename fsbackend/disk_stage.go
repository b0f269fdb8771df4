package fsbackend

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"time"
)

// Stage opens a file beside name that commit puts in its place. Where name is a link that stays inside, what it leads to
// is replaced. The mode of the replaced file is kept, and its owner where the system allows; hard links to it keep the
// old content. A file that may not be written is fs.ErrPermission, although its directory may be; so is a link that is
// broken or leads out.
//
// commit fails without a trace when ctx is done, or when name has become a directory.
func (d *Disk) Stage(ctx context.Context, name string) (io.WriteCloser, func() error, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s, err := d.stage(name, nil)
	if err != nil {
		return nil, nil, d.creating("stage", name, err)
	}
	return s, func() error { return s.commit(ctx) }, nil
}

// staged is a file written aside.
type staged struct {
	disk         *Disk
	name         string
	file         *os.File
	dir          *os.Root // the directory of temp, whatever it is called by now
	temp, target string
	done         bool
}

// stage begins a file with the permissions of like, or if that is nil with those of what it replaces, or new ones.
func (d *Disk) stage(name string, like fs.FileInfo) (*staged, error) {
	p, ok := host(name)
	if !ok {
		return nil, fs.ErrInvalid
	}
	if err := d.admit(p, true); err != nil {
		return nil, err
	}
	target, old, err := d.resolve(p)
	if err != nil {
		return nil, err
	}
	perm := fs.FileMode(0o666)
	if old != nil {
		switch err := d.writable(target, old); {
		case errors.Is(err, fs.ErrNotExist):
			old = nil // it went meanwhile: there is nothing to replace
		case err != nil:
			return nil, err
		default:
			perm = old.Mode().Perm()
		}
	}
	if like != nil {
		perm = like.Mode().Perm()
	}
	s := &staged{disk: d, name: name, temp: parent(target) + asideName(), target: target}
	if s.dir, err = d.root.OpenRoot(cmp.Or(parent(target), ".")); err != nil {
		return nil, err
	}
	asides.made(s.temp)
	s.file, err = s.dir.OpenFile(baseOf(s.temp), os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		asides.gone(s.temp)
		s.dir.Close()
		return nil, err
	}
	flock(s.file) // so that no other process sweeps it away
	if old != nil {
		chown(s.file, old)
	}
	if old != nil || like != nil {
		// The umask is for new files; this one was given its mode before. Where modes mean nothing it fails.
		if err := s.file.Chmod(perm); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) {
			s.discard()
			return nil, err
		}
	}
	return s, nil
}

// writable refuses what a rename would replace without asking.
func (d *Disk) writable(p string, fi fs.FileInfo) error {
	switch {
	case fi.IsDir():
		return syscall.EISDIR
	case !fi.Mode().IsRegular():
		return fs.ErrPermission
	}
	f, err := d.root.OpenFile(p, os.O_WRONLY|openFlags, 0)
	if errors.Is(err, syscall.ETXTBSY) { // a running program can be replaced, not written
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func (s *staged) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	if err != nil {
		err = creating("write", s.name, err)
	}
	return n, err
}

// Stat describes the file that commit puts in place, as far as it is written by now. Once it was committed or discarded the
// error is fs.ErrClosed.
func (s *staged) Stat() (fs.FileInfo, error) {
	if s.done {
		return nil, reading("stat", s.name, fs.ErrClosed)
	}
	return statOpen(s.file, clean(s.name))
}

// Close discards what was written, unless it was committed.
func (s *staged) Close() error {
	s.discard()
	return nil
}

func (s *staged) discard() {
	if s.done {
		return
	}
	s.done = true
	s.file.Close()
	s.remove()
}

func (s *staged) remove() {
	// Where it cannot be removed any more Sweep will find it.
	_ = s.dir.Remove(baseOf(s.temp))
	s.dir.Close()
	asides.gone(s.temp)
}

func (s *staged) commit(ctx context.Context) error {
	if s.done {
		return creating("commit", s.name, fs.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		s.discard()
		return err
	}
	s.done = true
	if err := s.place(); err != nil {
		s.remove()
		return s.disk.creating("commit", s.name, err)
	}
	asides.gone(s.temp)
	s.dir.Close()
	if err := s.disk.changed(ctx, s.target); err != nil {
		return s.disk.creating("commit", s.name, err)
	}
	return nil
}

func (s *staged) place() error {
	stamp := func() error { return s.dir.Chtimes(baseOf(s.temp), time.Time{}, times.now()) }
	var err error
	if s.disk.Sync {
		// With its time, of which the entity tag is made.
		if err = stamp(); err == nil {
			err = s.file.Sync()
		}
	}
	if e := s.file.Close(); err == nil { // the error of a delayed write may only come now
		err = e
	}
	// After the last write and by name: Windows sets the time of a written file when it is closed.
	if err == nil && (!s.disk.Sync || runtime.GOOS == "windows") {
		err = stamp()
	}
	if err != nil {
		return err
	}
	// By its whole name: where the directory has been moved meanwhile, the file must not follow it.
	err = s.disk.root.Rename(s.temp, s.target)
	if errors.Is(err, fs.ErrExist) {
		err = syscall.EISDIR
	}
	return err
}
