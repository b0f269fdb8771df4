package fsbackend

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
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
// commit fails without a trace when ctx is done, or when name has become a directory. Where another directory has come to the
// place of name's parent, the file goes there.
func (d *Disk) Stage(ctx context.Context, name string) (io.WriteCloser, func() error, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s, err := d.stage(name, nil)
	if err != nil {
		return nil, nil, d.creating("stage", name, err)
	}
	s.ctx = ctx
	return s, func() error { return s.commit(ctx) }, nil
}

// staged is a file written aside.
type staged struct {
	disk         *Disk
	name         string
	file         *os.File
	dir          folder // that of temp, whatever it is called by now
	temp, target string
	like         fs.FileInfo     // whose permissions it has, nil for those of what it replaces
	ctx          context.Context // of Stage, nil for a copy
	done         bool
}

// folder is a directory that is held open.
type folder interface {
	// create makes a file that was not there, for writing, and for reading what was written.
	create(name string, perm fs.FileMode) (*os.File, error)
	// chtimes sets the time of the last modification of a file.
	chtimes(name string, mtime time.Time) error
	remove(name string) error
	close()
}

// rootFolder is a folder as os.Root keeps it.
type rootFolder struct{ *os.Root }

func (r rootFolder) create(name string, perm fs.FileMode) (*os.File, error) {
	return r.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
}

func (r rootFolder) chtimes(name string, mtime time.Time) error {
	return r.Chtimes(name, time.Time{}, mtime)
}

func (r rootFolder) remove(name string) error { return r.Remove(name) }

func (r rootFolder) close() { r.Close() }

// former is what a file that replaces another keeps of it.
type former struct {
	perm     fs.FileMode
	uid, gid int
	owned    bool // whether uid and gid mean anything
}

// destination is where a file is to be put.
type destination struct {
	dir    folder
	target string  // the name there, of what is itself no link
	old    *former // nil where nothing is replaced
}

// stage begins a file with the permissions of like, or if that is nil with those of what it replaces, or new ones.
func (d *Disk) stage(name string, like fs.FileInfo) (*staged, error) {
	p, ok := host(name)
	if !ok {
		return nil, fs.ErrInvalid
	}
	to, err := d.destination(p)
	if err != nil {
		return nil, err
	}
	perm := fs.FileMode(0o666)
	switch {
	case like != nil:
		perm = like.Mode().Perm()
	case to.old != nil:
		perm = to.old.perm
	}
	s := &staged{disk: d, name: name, dir: to.dir, temp: parent(to.target) + asideName(), target: to.target, like: like}
	asides.made(s.temp)
	s.file, err = s.dir.create(baseOf(s.temp), perm)
	if err != nil {
		asides.gone(s.temp)
		s.dir.close()
		return nil, err
	}
	flock(s.file) // so that no other process sweeps it away
	if to.old != nil || like != nil {
		if err := resemble(s.file, to.old, perm); err != nil {
			s.discard()
			return nil, err
		}
	}
	return s, nil
}

// resemble gives a new file the owner of what it replaces, if that is not nil, and a mode.
func resemble(f *os.File, old *former, perm fs.FileMode) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if old != nil && old.owned {
		chown(f, fi, old)
	}
	if fi.Mode().Perm() == perm {
		return nil
	}
	// The umask is for new files; this one was given its mode before. Where modes mean nothing it fails.
	if err := f.Chmod(perm); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// destination finds where a file that is to be put at p goes. Its folder must be closed.
func (d *Disk) destination(p string) (to destination, err error) {
	if to, err = d.destinationDirect(p); err != errUnsure {
		return to, err
	}
	if err := d.admit(p, true); err != nil {
		return to, err
	}
	target, fi, err := d.resolve(p)
	if err != nil {
		return to, err
	}
	to = destination{target: target}
	if fi != nil {
		switch err := d.writable(target, fi); {
		case errors.Is(err, fs.ErrNotExist): // it went meanwhile: there is nothing to replace
		case err != nil:
			return to, err
		default:
			to.old = formerOf(fi)
		}
	}
	dir, err := d.root.OpenRoot(cmp.Or(parent(target), "."))
	to.dir = rootFolder{dir}
	return to, err
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

// follow copies the file into the directory where it is to be put now, if that is not the one in which
// it was begun: a removed directory took the file with it, and a moved one has it under another name.
// Requests that would do that wait for a copy, which needs no such look.
func (s *staged) follow() error {
	if s.ctx == nil {
		return nil
	}
	_, err := s.disk.lookDirect(s.temp, s.name, false)
	if err == errUnsure {
		_, err = s.disk.look(s.temp, s.name, false)
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return err
	}
	next, err := s.disk.stage(s.name, s.like)
	if err != nil {
		return err
	}
	if _, err = s.file.Seek(0, io.SeekStart); err == nil {
		err = copyPieces(s.ctx, next.file, s.file, math.MaxInt64)
	}
	if err != nil {
		next.discard()
		return err
	}
	s.file.Close()
	s.remove()
	next.ctx = s.ctx
	*s = *next
	return nil
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
	_ = s.dir.remove(baseOf(s.temp))
	s.dir.close()
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
	if err := s.follow(); err != nil {
		s.discard()
		return s.disk.creating("commit", s.name, err)
	}
	s.done = true
	if err := s.place(); err != nil {
		s.remove()
		return s.disk.creating("commit", s.name, err)
	}
	asides.gone(s.temp)
	s.dir.close()
	if err := s.disk.changed(ctx, s.target); err != nil {
		return s.disk.creating("commit", s.name, err)
	}
	return nil
}

func (s *staged) place() error {
	stamp := func() error { return s.dir.chtimes(baseOf(s.temp), times.now()) }
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
	// By its whole name: if another process moves the directory now, the file must not go with it.
	if err = s.disk.replaceDirect(s.temp, s.target); err == errUnsure {
		err = s.disk.root.Rename(s.temp, s.target)
	}
	if errors.Is(err, fs.ErrExist) {
		err = syscall.EISDIR
	}
	return err
}
