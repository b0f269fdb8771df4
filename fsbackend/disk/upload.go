package disk

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

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Create implements fsbackend.Backend. Where p is a link that stays inside, what it leads to is
// replaced. The mode of the replaced file is kept, and its owner where the system allows that;
// hard links to it keep the old content. A file that may not be written is fs.ErrPermission,
// although its directory may be; so is a link that is broken or leads out.
func (b *backend) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u, err := b.create(p, nil)
	if err != nil {
		return nil, b.createError("create", p, err)
	}
	u.ctx = ctx
	return u, nil
}

// upload is a file that is written under the name of a temp file, which it gets with the first
// Write.
type upload struct {
	b    *backend
	p    davpath.Path
	to   destination
	temp string
	like *fsbackend.Info // whose permissions it has, nil for those of what it replaces
	ctx  context.Context // of Create, nil for a copy
	file *os.File        // nil as long as nothing was written
	done bool
}

// dir is a directory that is held open.
type dir interface {
	// create makes a file that was not there, for writing, and for reading what was written.
	create(name string, perm fs.FileMode) (*os.File, error)
	chtimes(name string, mtime time.Time) error
	rename(from, to string) error
	remove(name string) error
	stat(name string) (*fsbackend.Info, error)
	// at reports whether the name h leads to this directory.
	at(b *backend, h string) (bool, error)
	close()
}

// rootDir is a dir as os.Root keeps it.
type rootDir struct{ *os.Root }

func (r rootDir) create(name string, perm fs.FileMode) (*os.File, error) {
	return r.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
}

func (r rootDir) chtimes(name string, mtime time.Time) error {
	return r.Chtimes(name, time.Time{}, mtime)
}

func (r rootDir) rename(from, to string) error { return r.Rename(from, to) }

func (r rootDir) remove(name string) error { return r.Remove(name) }

func (r rootDir) stat(name string) (*fsbackend.Info, error) {
	fi, err := r.Lstat(name)
	if err != nil {
		return nil, err
	}
	return fsbackend.InfoOf(name, fi), nil
}

func (r rootDir) at(b *backend, h string) (bool, error) {
	there, err := b.root.Stat(h)
	if err != nil {
		return false, err
	}
	here, err := r.Stat(".")
	return err == nil && os.SameFile(here, there), err
}

func (r rootDir) close() { r.Close() }

// destination is where a file is to be put.
type destination struct {
	dir      dir
	target   string          // the name there, of what is itself no link
	replaces *fsbackend.Info // nil for nothing
	owner    owner           // of what is replaced
}

// destination finds where a file that is to be put at h goes. Its dir must be closed.
func (b *backend) destination(h string) (to destination, err error) {
	if to, err = b.destinationDirect(h); err != errFallback {
		return to, err
	}
	if err := b.checkNoReservedLink(h, true); err != nil {
		return to, err
	}
	target, fi, err := b.resolve(h)
	if err != nil {
		return to, err
	}
	to = destination{target: target}
	if fi != nil {
		switch err := b.checkWritable(target, fi); {
		case errors.Is(err, fs.ErrNotExist): // it went meanwhile: there is nothing to replace
		case err != nil:
			return to, err
		default:
			to.replaces, to.owner = fsbackend.InfoOf(baseOf(h), fi), ownerOf(fi)
		}
	}
	root, err := b.root.OpenRoot(cmp.Or(parent(target), "."))
	to.dir = rootDir{root}
	return to, err
}

// checkWritable refuses what a rename would replace without asking.
func (b *backend) checkWritable(h string, fi fs.FileInfo) error {
	switch {
	case fi.IsDir():
		return syscall.EISDIR
	case !fi.Mode().IsRegular():
		return fs.ErrPermission
	}
	f, err := b.root.OpenFile(h, os.O_WRONLY|openFlags, 0)
	if errors.Is(err, syscall.ETXTBSY) { // a running program can be replaced, not written
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func (b *backend) create(p davpath.Path, like *fsbackend.Info) (*upload, error) {
	h, ok := host(p)
	if !ok {
		return nil, fs.ErrInvalid
	}
	if p.IsRoot() {
		return nil, syscall.EISDIR
	}
	to, err := b.destination(h)
	if err != nil {
		return nil, err
	}
	return &upload{b: b, p: p, to: to, temp: parent(to.target) + davpath.TempName(), like: like}, nil
}

// Replaces implements fsbackend.Upload.
func (u *upload) Replaces() *fsbackend.Info { return u.to.replaces }

// open makes the temp file.
func (u *upload) open() error {
	if u.file != nil || u.done {
		return nil
	}
	perm := fs.FileMode(0o666)
	switch {
	case u.like != nil:
		perm = u.like.Mode().Perm()
	case u.to.replaces != nil:
		perm = u.to.replaces.Mode().Perm()
	}
	liveTemps.add(u.temp)
	file, err := u.to.dir.create(baseOf(u.temp), perm)
	if err != nil {
		liveTemps.remove(u.temp)
		return err
	}
	u.file = file
	flock(file) // for CleanTemp of another process: the client may pause for long after any piece
	if u.to.replaces == nil && u.like == nil {
		return nil
	}
	return setOwnerAndMode(file, u.to.owner, perm)
}

// Write implements fsbackend.Upload.
func (u *upload) Write(b []byte) (int, error) {
	if u.done {
		return 0, fsbackend.CreateError("write", u.p, fs.ErrClosed)
	}
	err := u.open()
	if errors.Is(err, fs.ErrNotExist) { // its directory was removed meanwhile
		if err = u.follow(); err == nil {
			err = u.open()
		}
	}
	if err != nil {
		return 0, u.b.createError("write", u.p, err)
	}
	n, err := u.file.Write(b)
	if err != nil {
		err = fsbackend.CreateError("write", u.p, err)
	}
	return n, err
}

// setOwnerAndMode gives a new file the owner of what it replaces, if that is known, and a mode.
func setOwnerAndMode(f *os.File, o owner, perm fs.FileMode) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	chown(f, fi, o)
	if fi.Mode().Perm() == perm {
		return nil
	}
	// The umask is for new files; this one was given its mode before. Where modes mean nothing it
	// fails.
	if err := f.Chmod(perm); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// Close implements fsbackend.Upload.
func (u *upload) Close() error {
	u.discard()
	return nil
}

func (u *upload) discard() {
	if u.done {
		return
	}
	u.done = true
	if u.file != nil {
		u.file.Close()
		// Where it cannot be removed any more CleanTemp will find it.
		_ = u.to.dir.remove(baseOf(u.temp))
		liveTemps.remove(u.temp)
	}
	u.to.dir.close()
}

// Commit implements fsbackend.Upload.
func (u *upload) Commit(ctx context.Context) (*fsbackend.Info, error) {
	if u.done {
		return nil, fsbackend.CreateError("commit", u.p, fs.ErrClosed)
	}
	err := ctx.Err()
	if err == nil {
		if err = u.follow(); err == nil {
			err = u.open()
		}
		if err == nil {
			err = u.place()
		}
		if err != nil {
			err = u.b.createError("commit", u.p, err)
		}
	}
	if err != nil {
		u.discard()
		return nil, err
	}
	u.done = true
	liveTemps.remove(u.temp)
	fi, _ := u.to.dir.stat(baseOf(u.to.target))
	if fi != nil {
		fi.Attr.Name = nameOf(u.p)
	}
	u.to.dir.close()
	if err := u.b.changed(ctx, u.to.target); err != nil {
		return nil, u.b.createError("commit", u.p, err)
	}
	return fi, nil
}

// follow copies what was written into the directory where the file is to be put now, if that is not
// the one in which it was begun: a removed directory took the file with it, and a moved one has it
// under another name. Requests that would do that wait for a copy, which needs no such look.
func (u *upload) follow() error {
	if u.ctx == nil {
		return nil
	}
	there, err := u.to.dir.at(u.b, dirOf(u.to.target))
	if there || err != nil && err != errFallback && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return err
	}
	next, err := u.b.create(u.p, u.like)
	if err != nil {
		return err
	}
	next.ctx = u.ctx
	if u.file != nil {
		if err = next.open(); err == nil {
			if _, err = u.file.Seek(0, io.SeekStart); err == nil {
				err = copyRest(u.ctx, next.file, u.file)
			}
		}
		if err != nil {
			next.discard()
			return err
		}
	}
	u.discard()
	*u = *next
	return nil
}

// copyRest copies what is left to be read of a file.
func copyRest(ctx context.Context, to, from *os.File) error {
	fi, err := from.Stat()
	if err != nil {
		return err
	}
	return fsbackend.CopyContent(ctx, to, from, fsbackend.InfoOf("", fi))
}

// place ends the file and gives it its name.
func (u *upload) place() error {
	stamp := func() error { return u.to.dir.chtimes(baseOf(u.temp), fsbackend.NewTime()) }
	// The entity tag is made of the time: it is on the disk with the content. And closing gives
	// up the lock: the file has to be young by then for CleanTemp of another process.
	err := stamp()
	if err == nil && u.b.sync {
		err = u.file.Sync()
	}
	if e := u.file.Close(); err == nil { // the error of a delayed write may only come now
		err = e
	}
	if err == nil && runtime.GOOS == "windows" { // it sets the time of a written file when it is closed
		err = stamp()
	}
	if err == nil {
		err = u.to.dir.rename(baseOf(u.temp), baseOf(u.to.target))
	}
	if errors.Is(err, fs.ErrExist) {
		err = syscall.EISDIR
	}
	return err
}
