package fsbackend

import (
	"cmp"
	"context"
	"io/fs"
	"math"
	"os"
	"path"
	"syscall"

	"golang.org/x/net/webdav"

	"dav207/server/davpath"
)

// Create implements Backend. The new file gets the mode of the one that it replaces, if the file
// system can set it. A link is replaced itself.
func (a *adapter) Create(ctx context.Context, p davpath.Path) (Upload, error) {
	u, err := a.begin(ctx, p, nil)
	if err != nil {
		return nil, err
	}
	return u, nil
}

// upload is a temp file beside the name that it is for.
type upload struct {
	a        *adapter
	ctx      context.Context // never done: the end of a request must not prevent the clean-up
	p        davpath.Path
	file     webdav.File
	temp     string
	replaces *Info
	done     bool
}

// begin begins a file with the mode of like or, if that is nil, of the file that it replaces.
func (a *adapter) begin(ctx context.Context, p davpath.Path, like *Info) (*upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer a.lock()()
	u := &upload{a: a, ctx: context.WithoutCancel(ctx), p: p}
	if err := u.create(like); err != nil {
		return nil, CreateError("create", p, err)
	}
	return u, nil
}

func (u *upload) create(like *Info) error {
	a, ctx, target := u.a, u.ctx, u.p.String()
	if u.p.IsRoot() {
		return syscall.EISDIR
	}
	if err := a.checkParent(ctx, target); err != nil {
		return err
	}
	if fi, err := a.lstat(ctx, target); err == nil {
		switch {
		case fi.IsDir():
			return syscall.EISDIR
		case fi.Special():
			return fs.ErrPermission
		case fi.IsLink():
			u.replaces, _ = a.stat(ctx, target)
		default:
			u.replaces = fi
			if like == nil {
				like = fi
			}
		}
	}
	perm := fs.FileMode(0o666)
	if like != nil {
		perm = like.Mode().Perm()
	}
	a.dirs.RLock()
	defer a.dirs.RUnlock()
	var err error
	u.temp = path.Join(path.Dir(target), davpath.TempName())
	// Without O_EXCL: the name cannot be guessed, and not every file system knows the flag.
	u.file, err = a.fs.OpenFile(ctx, u.temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil && a.afero != nil && a.checkParent(ctx, u.temp) == nil {
		u.file, err = createAnew(a.afero, u.temp, err)
	}
	if err != nil {
		return err
	}
	a.uploads.Store(u, nil)
	if like != nil && a.afero != nil {
		_ = a.afero.Chmod(u.temp, perm) // the umask applies to new files only
	}
	return nil
}

func (u *upload) Replaces() *Info { return u.replaces }

func (u *upload) Write(b []byte) (int, error) {
	if u.done {
		return 0, CreateError("write", u.p, fs.ErrClosed)
	}
	n, err := u.file.Write(b)
	return n, CreateError("write", u.p, err)
}

func (u *upload) Close() error {
	defer u.a.lock()()
	u.discard()
	return nil
}

// discard removes the temp file, unless the upload is done.
func (u *upload) discard() {
	if u.done {
		return
	}
	u.done = true
	u.file.Close()
	u.a.dirs.RLock()
	defer u.a.dirs.RUnlock()
	u.a.uploads.Delete(u)
	_ = u.a.removeOne(u.ctx, u.temp)
}

func (u *upload) Commit(ctx context.Context) (*Info, error) {
	defer u.a.lock()()
	if u.done {
		return nil, CreateError("commit", u.p, fs.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		u.discard()
		return nil, err
	}
	if err := u.commit(); err != nil {
		u.discard()
		return nil, CreateError("commit", u.p, err)
	}
	info, _ := u.a.stat(u.ctx, u.p.String())
	return info, nil
}

func (u *upload) commit() error {
	if err := u.file.Close(); err != nil {
		return err
	}
	u.a.dirs.RLock()
	defer u.a.dirs.RUnlock()
	_ = u.a.chtimes(u.temp, NewTime()) // not every file system can set times
	if err := u.a.rename(u.ctx, u.temp, u.p.String()); err != nil {
		return err
	}
	u.done = true
	u.a.uploads.Delete(u)
	return nil
}

// CopyFile implements Backend. The mode is copied, too.
func (a *adapter) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	from, err := a.Open(ctx, src)
	if err != nil {
		return err
	}
	defer from.Close()
	fi, err := from.Stat()
	if err != nil {
		return err
	}
	if old, err := a.Stat(ctx, dst); src == dst || err == nil && fi.SameFile(old) {
		return CreateError("copy", dst, fs.ErrInvalid)
	}
	to, err := a.begin(ctx, dst, fi)
	if err != nil {
		return err
	}
	defer to.Close()
	r, host := from.(*hostFile)
	if w, ok := osFile(to.file); ok && host {
		err = CreateError("copy", dst, CopyContent(ctx, w, r.host, fi))
	} else {
		err = copyInPieces(ctx, to, from, math.MaxInt64)
	}
	if err != nil {
		return cmp.Or(ctx.Err(), err)
	}
	_, err = to.Commit(ctx)
	return err
}
