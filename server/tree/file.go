package tree

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/net/webdav"

	"dav207/props"
	"dav207/server/davpath"
)

// Stage opens a file to be written aside and put at p in one step: see Stager. Where the file system does not offer that,
// a hidden sibling is written and renamed.
func (t *Tree) Stage(ctx context.Context, p davpath.Path) (w io.WriteCloser, commit func() error, err error) {
	if s, ok := t.FS.(Stager); ok {
		if w, commit, err = s.Stage(ctx, p.String()); !errors.Is(err, errors.ErrUnsupported) {
			return w, commit, err
		}
	}
	s := &staged{t: t, ctx: context.WithoutCancel(ctx), aside: t.aside(p), to: p}
	err = t.Uploads.begin(s, func() error {
		s.file, err = t.FS.OpenFile(ctx, s.aside.String(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return s, s.commit, nil
}

// Put puts a small content at p in one step, if the file system can do that in one go: see Putter. admit is asked about what is
// there, without an Info where nothing is, before anything is changed, and its error returned. The properties of a file that
// is replaced stay. The result has no Info where the file could not be looked at any more.
func (t *Tree) Put(ctx context.Context, p davpath.Path, content []byte, admit func(old props.Resource) error) (props.Resource, error) {
	put := props.Resource{Path: p}
	s, ok := t.FS.(Putter)
	if !ok {
		return put, errors.ErrUnsupported
	}
	old := put
	asked := func(fi fs.FileInfo) error {
		old.Info = fi
		return admit(old)
	}
	var err error
	put.Info, err = s.Put(ctx, p.String(), content, asked)
	return put, err
}

// staged is a file written aside on a file system that knows nothing of it.
type staged struct {
	file      webdav.File
	t         *Tree
	ctx       context.Context // the request's, but an end of the request must not keep us from cleaning up
	aside, to davpath.Path
	closed    bool
}

func (s *staged) Write(b []byte) (int, error) { return s.file.Write(b) }

func (s *staged) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(s.file.Close(), s.t.Uploads.end(s, func(aside davpath.Path) error {
		return s.t.FS.RemoveAll(s.ctx, aside.String())
	}))
}

func (s *staged) commit() error {
	if s.closed {
		return fs.ErrClosed
	}
	s.closed = true
	err := s.file.Close()
	return s.t.Uploads.end(s, func(aside davpath.Path) error {
		if err == nil && aside.Parent() != s.to.Parent() { // another collection may have come to its place
			err = s.t.Parent(s.ctx, s.to)
		}
		if err == nil {
			err = s.t.replace(s.ctx, aside, s.to)
		}
		if err != nil {
			if left := s.t.FS.RemoveAll(s.ctx, aside.String()); left != nil {
				s.t.warn("a file written aside is left over", aside, left)
			}
		}
		return err
	})
}

// aside returns a hidden name beside p.
func (t *Tree) aside(p davpath.Path) davpath.Path {
	return p.Parent().Child(davpath.TempName())
}

// replace renames the file from over the file to, also on file systems whose Rename refuses what is in the way.
func (t *Tree) replace(ctx context.Context, from, to davpath.Path) error {
	err := t.rename(ctx, from, to, false)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return t.makeWay(ctx, from, to)
}

// makeWay renames the file from over the file to on a file system whose Rename refuses what is in the way.
func (t *Tree) makeWay(ctx context.Context, from, to davpath.Path) error {
	if info, err := t.lstat(ctx, to); err == nil && info.IsDir() {
		return &fs.PathError{Op: "rename", Path: to.String(), Err: syscall.EISDIR} // a collection is never taken for a file
	}
	return t.swap(ctx, to, func() error { return t.rename(ctx, from, to, false) })
}

// rename renames a resource to a name that is free, or a file over a file.
func (t *Tree) rename(ctx context.Context, from, to davpath.Path, collection bool) error {
	rename := func() error { return t.FS.Rename(ctx, from.String(), to.String()) }
	if !collection {
		return rename()
	}
	return t.Uploads.follow(from, to, rename)
}

// setAside moves what is at p into a hidden collection beside it, under its own name: if the process is killed before
// something else has come to p, whoever cleans up can tell what it was.
func (t *Tree) setAside(ctx context.Context, p davpath.Path, collection bool) (holder davpath.Path, err error) {
	holder = t.aside(p)
	if err := t.FS.Mkdir(ctx, holder.String(), 0o777); err != nil {
		return holder, err
	}
	if err := t.rename(ctx, p, holder.Child(p.Name()), collection); err != nil {
		t.discard(ctx, holder)
		return holder, err
	}
	return holder, nil
}

// putBack undoes setAside after cause, which it returns: as a changedError where it does not succeed.
func (t *Tree) putBack(ctx context.Context, holder, p davpath.Path, collection bool, cause error) error {
	ctx = context.WithoutCancel(ctx)
	if err := t.rename(ctx, holder.Child(p.Name()), p, collection); err != nil {
		t.leave(ctx, "what was to be replaced could not be put back", holder, err)
		return &changedError{cause}
	}
	t.discard(ctx, holder)
	return cause
}

// changedError is a failure after something has changed: it is reported, and not returned as if nothing had happened.
type changedError struct{ error }

func (e *changedError) Unwrap() error { return e.error }

// discard removes what was set aside.
func (t *Tree) discard(ctx context.Context, holder davpath.Path) {
	var err error = syscall.ENOTEMPTY
	for tries := 0; tries < 10 && errors.Is(err, syscall.ENOTEMPTY); tries++ {
		t.rescue(context.WithoutCancel(ctx), holder)
		// Not empty where an upload that began before the rename has only now made its file.
		err = t.FS.RemoveAll(context.WithoutCancel(ctx), holder.String())
	}
	if err != nil {
		t.leave(ctx, "what was replaced is left over", holder, err)
	}
}

// rescue keeps the uploads in a collection that is about to be removed.
func (t *Tree) rescue(ctx context.Context, p davpath.Path) {
	t.Uploads.rescue(p, func(from, to davpath.Path) error { return t.rename(ctx, from, to, false) })
}

// leave gives up what was set aside: whoever cleans up next time deals with it.
func (t *Tree) leave(ctx context.Context, msg string, holder davpath.Path, err error) {
	t.warn(msg, holder, err)
	if a, ok := t.FS.(Abandoner); ok {
		a.Abandon(context.WithoutCancel(ctx), holder.String())
	}
}

// swap puts the file or link at p aside while put puts something else there, and then removes it. Where put fails it is put
// back.
func (t *Tree) swap(ctx context.Context, p davpath.Path, put func() error) error {
	swapped := t.Swaps.begin(ctx, p)
	defer swapped()
	holder, err := t.setAside(ctx, p, false)
	if err != nil {
		return err
	}
	if err := put(); err != nil {
		return t.putBack(ctx, holder, p, false, err)
	}
	if err := settle(ctx); err != nil { // what is aside goes only when its successor is sure to stay
		t.leave(ctx, "what was replaced is left over", holder, err)
		return &changedError{err}
	}
	swapped()
	t.discard(ctx, holder)
	return nil
}

// sideError marks a failure of the source of a copy, whose URL then stands in the report; others are the destination's.
type sideError struct{ error }

func (e sideError) Unwrap() error { return e.error }

// copyFile copies the content of src to dst, replacing a file there in one step. The failure of the source is a
// sideError.
func (t *Tree) copyFile(ctx context.Context, src, dst davpath.Path) error {
	if c, ok := t.FS.(FileCopier); ok {
		err := c.CopyFile(ctx, src.String(), dst.String())
		if err == nil {
			return nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path == src.String() {
				err = sideError{err}
			}
			return err
		}
	}
	r, err := t.FS.OpenFile(ctx, src.String(), os.O_RDONLY, 0)
	if err != nil {
		return sideError{err}
	}
	defer r.Close()
	w, commit, err := t.Stage(ctx, dst)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.Copy(w, sourceReader{ctx, r}); err != nil {
		return err
	}
	return commit()
}

// sourceReader marks the errors of a copy's source, and ends with the request.
type sourceReader struct {
	ctx context.Context
	r   io.Reader
}

func (s sourceReader) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF {
		err = sideError{err}
	}
	return n, err
}
