package fsbackend

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"

	"dav207/server/davpath"
)

// Create implements Backend. The new file gets the mode of the one that it replaces, if the file
// system can set it. A link is replaced itself.
func (a *adapter) Create(ctx context.Context, p davpath.Path) (Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	u, err := a.create(ctx, p, nil)
	if err != nil {
		return nil, CreateError("create", p, err)
	}
	return u, nil
}

// upload is a temp file beside the name that it is for.
type upload struct {
	a        *adapter
	ctx      context.Context // never done: the end of a request must not prevent the clean-up
	p        davpath.Path
	file     plainFile
	temp     string
	replaces *Info
	done     bool
}

// create begins a file with the mode of like or, if that is nil, of the file that it replaces.
func (a *adapter) create(ctx context.Context, p davpath.Path, like *Info) (*upload, error) {
	target := p.String()
	if p.IsRoot() {
		return nil, syscall.EISDIR
	}
	if err := a.checkParent(ctx, target); err != nil {
		return nil, err
	}
	u := &upload{a: a, ctx: context.WithoutCancel(ctx), p: p, temp: path.Join(path.Dir(target), davpath.TempName())}
	if fi, err := a.lstat(ctx, target); err == nil {
		switch {
		case fi.IsDir():
			return nil, syscall.EISDIR
		case fi.Special():
			return nil, fs.ErrPermission
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
	if err := a.uploads.begin(u, func() (err error) {
		// Without O_EXCL: the name cannot be guessed, and not every file system knows the flag.
		u.file, err = a.fs.open(ctx, u.temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
		if err != nil && a.checkParent(ctx, u.temp) == nil {
			u.file, err = a.fs.create(ctx, u.temp, err)
		}
		return err
	}); err != nil {
		return nil, err
	}
	if like != nil {
		_ = a.fs.chmod(ctx, u.temp, perm) // the umask applies to new files only
	}
	return u, nil
}

// Replaces implements Upload.
func (u *upload) Replaces() *Info { return u.replaces }

// Write implements Upload.
func (u *upload) Write(b []byte) (int, error) {
	if u.done {
		return 0, CreateError("write", u.p, fs.ErrClosed)
	}
	n, err := u.file.Write(b)
	if err != nil {
		err = CreateError("write", u.p, err)
	}
	return n, err
}

// Close implements Upload.
func (u *upload) Close() error {
	u.a.mu.Lock()
	defer u.a.mu.Unlock()
	u.discard()
	return nil
}

func (u *upload) discard() {
	if u.done {
		return
	}
	u.done = true
	u.file.Close()
	_ = u.a.uploads.end(u, func(temp string) error { return u.a.fs.remove(u.ctx, temp) })
}

// Commit implements Upload.
func (u *upload) Commit(ctx context.Context) (*Info, error) {
	u.a.mu.Lock()
	defer u.a.mu.Unlock()
	if u.done {
		return nil, CreateError("commit", u.p, fs.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		u.discard()
		return nil, err
	}
	u.done = true
	err := u.file.Close()
	err = u.a.uploads.end(u, func(temp string) error {
		if err == nil {
			now := NewTime()
			// Not every file system can set times.
			_ = u.a.fs.chtimes(u.ctx, temp, now)
			err = u.a.rename(u.ctx, temp, u.p.String())
		}
		if err != nil {
			_ = u.a.fs.remove(u.ctx, temp)
		}
		return err
	})
	if err != nil {
		return nil, CreateError("commit", u.p, err)
	}
	info, _ := u.a.stat(u.ctx, u.p.String())
	return info, nil
}

// CopyFile implements Backend. The mode is copied, too.
func (a *adapter) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	from, to, fi, err := a.beginCopy(ctx, src, dst)
	if err != nil {
		return err
	}
	defer from.Close()
	defer to.Close()
	r, host := osFile(from)
	w, ok := osFile(to.file)
	if host && ok {
		err = CopyContent(ctx, w, r, fi)
	} else {
		err = copyInPieces(ctx, to.file, sourceReader{from}, math.MaxInt64)
	}
	var failed readError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &failed):
		return ReadError("copy", src, failed.error)
	case err != nil:
		return CreateError("copy", dst, err)
	}
	_, err = to.Commit(ctx)
	return err
}

func (a *adapter) beginCopy(ctx context.Context, src, dst davpath.Path) (from plainFile, to *upload, fi *Info, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	from, fi, err = a.open(ctx, src.String(), false)
	if err != nil {
		return nil, nil, nil, ReadError("copy", src, err)
	}
	if old, err := a.stat(ctx, dst.String()); src == dst || err == nil && fi.SameFile(old) {
		from.Close()
		return nil, nil, nil, CreateError("copy", dst, fs.ErrInvalid)
	}
	if to, err = a.create(ctx, dst, fi); err != nil {
		from.Close()
		return nil, nil, nil, CreateError("copy", dst, err)
	}
	return from, to, fi, nil
}

// sourceReader wraps errors of reading in a readError.
type sourceReader struct{ r io.Reader }

type readError struct{ error }

func (s sourceReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF {
		err = readError{err}
	}
	return n, err
}

// uploads holds the temp files that are being written, so that they get new names when a directory
// above them is renamed or removed. The zero value is ready for use.
type uploads struct {
	dirs sync.RWMutex // held for writing while a directory is renamed
	mu   sync.Mutex
	live map[*upload]struct{}
}

// begin calls create, which creates the temp file of u. No directory is renamed meanwhile.
func (l *uploads) begin(u *upload, create func() error) error {
	l.dirs.RLock()
	defer l.dirs.RUnlock()
	if err := create(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live == nil {
		l.live = make(map[*upload]struct{})
	}
	l.live[u] = struct{}{}
	return nil
}

// end calls finish, which renames or removes the temp file of u under its current name. No
// directory is renamed meanwhile.
func (l *uploads) end(u *upload, finish func(temp string) error) error {
	l.dirs.RLock()
	defer l.dirs.RUnlock()
	l.mu.Lock()
	delete(l.live, u)
	l.mu.Unlock()
	return finish(u.temp)
}

// renameDir calls rename, which renames a directory, and updates the names of the temp files below
// it.
func (l *uploads) renameDir(from, to string, rename func() error) error {
	l.dirs.Lock()
	defer l.dirs.Unlock()
	if err := rename(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for u := range l.live {
		if rest, below := strings.CutPrefix(u.temp, from+"/"); below {
			u.temp = strings.TrimSuffix(to, "/") + "/" + rest
		}
	}
	return nil
}

// moveOut moves the temp files below a directory that is about to be removed into its parent. A
// file that cannot be moved is removed with the directory.
func (l *uploads) moveOut(dir string, move func(from, to string) error) {
	l.dirs.Lock()
	defer l.dirs.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for u := range l.live {
		if to := path.Join(path.Dir(dir), path.Base(u.temp)); strings.HasPrefix(u.temp, dir+"/") && move(u.temp, to) == nil {
			u.temp = to
		}
	}
}
