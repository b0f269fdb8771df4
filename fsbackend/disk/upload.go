package disk

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

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
	if err := fsbackend.CheckRoom(ctx, b, p); err != nil {
		u.Close()
		return nil, err
	}
	u.ctx = ctx
	return u, nil
}

// upload is a file that is written under the name of a temp file, which it gets with the first
// Write.
type upload struct {
	b    *backend
	p    davpath.Path
	to   place // whose info is that of what is replaced
	temp string
	like *fsbackend.Info // whose permissions it has, nil for those of what it replaces
	ctx  context.Context // of Create, nil for a copy
	file *os.File        // nil as long as nothing was written
	done bool
}

// create finds where a file that is to be put at p goes.
func (b *backend) create(p davpath.Path, like *fsbackend.Info) (*upload, error) {
	h, ok := host(p)
	if !ok {
		return nil, fs.ErrInvalid
	}
	if p.IsRoot() {
		return nil, syscall.EISDIR
	}
	to, err := b.locate(h, true)
	if err != nil {
		return nil, err
	}
	switch {
	case to.Info == nil:
	case to.IsDir():
		err = syscall.EISDIR
	case to.Special():
		err = fs.ErrPermission
	default:
		to.Attr.Name = nameOf(p)
		// A rename would replace it without asking.
		if err = to.dir.writable(filepath.Base(to.h), to.member); errors.Is(err, fs.ErrNotExist) {
			to.member, err = member{}, nil // it went meanwhile: there is nothing to replace
		}
	}
	if err != nil {
		to.dir.close()
		return nil, err
	}
	return &upload{b: b, p: p, to: to, temp: filepath.Join(filepath.Dir(to.h), davpath.TempName()), like: like}, nil
}

// Replaces implements fsbackend.Upload.
func (u *upload) Replaces() *fsbackend.Info { return u.to.Info }

// open makes the temp file.
func (u *upload) open() error {
	if u.file != nil || u.done {
		return nil
	}
	perm := fs.FileMode(0o666)
	switch {
	case u.like != nil:
		perm = u.like.Mode().Perm()
	case u.to.Info != nil:
		perm = u.to.Mode().Perm()
	}
	liveTemps.add(u.temp)
	file, err := u.to.dir.create(filepath.Base(u.temp), u.p.String(), os.O_RDWR, perm)
	if err != nil {
		liveTemps.remove(u.temp)
		return err
	}
	u.file = file
	liveTemps.upload(u.temp, file)
	if u.to.Info == nil && u.like == nil {
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
		_ = u.to.dir.remove(filepath.Base(u.temp))
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
	m, err := u.to.dir.lstat(filepath.Base(u.to.h))
	if err == nil {
		m.Attr.Name, m.Direct = nameOf(u.p), u.to.direct
	}
	u.to.dir.close()
	if err := u.b.changed(ctx, u.to.h); err != nil {
		return nil, u.b.createError("commit", u.p, err)
	}
	return m.Info, nil
}

// follow copies what was written into the directory where the file is to be put now, if that is not
// the one in which it was begun: a removed directory took the file with it, and a moved one has it
// under another name. Requests that would do that wait for a copy, which needs no such look.
func (u *upload) follow() error {
	if u.ctx == nil {
		return nil
	}
	now, _, err := u.b.openDir(filepath.Dir(u.to.h))
	if err == nil {
		there := false
		there, err = u.to.dir.same(now)
		now.close()
		if there {
			return nil
		}
	}
	if err != nil && !notThere(err) {
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
	stamp := func() error { return u.to.dir.chtimes(filepath.Base(u.temp), fsbackend.NewTime()) }
	// The entity tag is made of the time: it is on the disk with the content. And closing gives
	// up a lock: the file has to be young by then for CleanTemp of another process.
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
		err = u.to.dir.rename(filepath.Base(u.temp), filepath.Base(u.to.h))
	}
	if errors.Is(err, fs.ErrExist) {
		err = syscall.EISDIR
	}
	return err
}

// CopyFile implements fsbackend.Backend. It copies the permissions, too, and keeps the owner of a
// file that is replaced.
func (b *backend) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h, ok := host(src)
	if !ok {
		return fsbackend.ReadError("copy", src, fs.ErrNotExist)
	}
	from, fi, err := b.openFile(h)
	if err != nil {
		return b.readError("copy", src, err)
	}
	defer from.Close()
	if fi.IsDir() {
		return fsbackend.ReadError("copy", src, syscall.EISDIR)
	}
	if there, err := b.describe("copy", dst, true); err == nil && there.SameFile(fi) {
		return fsbackend.CreateError("copy", dst, fs.ErrInvalid)
	}
	to, err := b.create(dst, fi)
	if err != nil {
		return b.createError("copy", dst, err)
	}
	defer to.Close()
	if err = to.open(); err == nil {
		err = copyRest(ctx, to.file, from)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return b.createError("copy", dst, err)
	}
	_, err = to.Commit(ctx)
	return err
}
