package mounts

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"

	"dav207/fsbackend"
	"dav207/server/access"
	"dav207/server/davpath"
)

// fail returns an error of the tree with the names that the caller knows.
func (m *mounted) fail(err error) error {
	if m.at.IsRoot() {
		return err
	}
	switch e := err.(type) {
	case *fs.PathError:
		return &fs.PathError{Op: e.Op, Path: path.Join(m.at.String(), e.Path), Err: e.Err}
	case *os.LinkError:
		return &os.LinkError{Op: e.Op, Old: path.Join(m.at.String(), e.Old), New: path.Join(m.at.String(), e.New), Err: e.Err}
	}
	return err
}

// absent reports whether err means that the back end has no such collection.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// Stat implements fsbackend.Backend.
func (t *Table) Stat(ctx context.Context, p davpath.Path) (*fsbackend.Info, error) {
	return t.stat(ctx, "stat", p, fsbackend.Backend.Stat)
}

// Lstat implements fsbackend.Backend.
func (t *Table) Lstat(ctx context.Context, p davpath.Path) (*fsbackend.Info, error) {
	return t.stat(ctx, "lstat", p, fsbackend.Backend.Lstat)
}

func (t *Table) stat(ctx context.Context, op string, p davpath.Path,
	of func(fsbackend.Backend, context.Context, davpath.Path) (*fsbackend.Info, error)) (*fsbackend.Info, error) {
	pl, err := t.find(ctx, op, p)
	if err != nil {
		return nil, err
	}
	if pl.node == nil && pl.mounted != nil {
		info, err := of(pl.files, ctx, pl.inner)
		return info, pl.fail(err)
	}
	if pl.node == nil {
		return nil, fsbackend.ReadError(op, p, fs.ErrNotExist)
	}
	name := "/"
	if !p.IsRoot() {
		name = p.Name()
	}
	if pl.mounted != nil {
		info, err := pl.files.Stat(ctx, pl.inner)
		switch {
		case err == nil && info.IsDir():
			named := *fsbackend.InfoOf(name, info)
			named.Fixed = pl.node.mount != nil
			return &named, nil
		case pl.node.mount != nil, err != nil && !absent(err):
			return nil, pl.fail(err)
		}
	}
	return &fsbackend.Info{Attr: fsbackend.Attr{Name: name, Mode: fs.ModeDir | 0o555, ModTime: t.began, Direct: true, Fixed: true,
		ID: fsbackend.ID{Device: t.dev, Inode: maphash.String(t.seed, p.String())}}}, nil
}

// OpenDir implements fsbackend.Backend.
func (t *Table) OpenDir(ctx context.Context, p davpath.Path) (fsbackend.Dir, error) {
	pl, err := t.find(ctx, "open", p)
	if err != nil {
		return nil, err
	}
	d := &dir{t: t, ctx: ctx, place: pl}
	if pl.mounted != nil {
		d.inner, err = pl.files.OpenDir(ctx, pl.inner)
		if err != nil && !(pl.above() && absent(err)) {
			return nil, pl.fail(err)
		}
	} else if pl.node == nil {
		return nil, fsbackend.ReadError("open", p, fs.ErrNotExist)
	}
	return d, nil
}

// dir is an open collection.
type dir struct {
	t     *Table
	ctx   context.Context
	inner fsbackend.Dir // nil: it is synthesized
	place
}

// Names implements fsbackend.Dir.
func (d *dir) Names() (names []string, err error) {
	if d.inner != nil {
		if names, err = d.inner.Names(); err != nil {
			return nil, d.fail(err)
		}
	}
	if d.node == nil {
		return names, nil
	}
	names = slices.DeleteFunc(names, func(name string) bool { return d.node.members[name] != nil })
	for name := range d.node.members {
		if name == userSegment { // the only one
			name = access.Principal(d.ctx)
			if !davpath.ValidSegment(name) {
				continue
			}
			if _, err := d.t.Lstat(d.ctx, d.p.Child(name)); err != nil {
				continue
			}
		}
		names = append(names, name)
	}
	return names, nil
}

// Lstat implements fsbackend.Dir.
func (d *dir) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	if d.inner != nil {
		d.inner.Lstat(names, infos, errs)
	}
	for i, name := range names {
		member := d.node != nil && (d.node.members[name] != nil || d.node.members[userSegment] != nil) && davpath.ValidSegment(name)
		switch {
		case member:
			var info *fsbackend.Info
			if info, errs[i] = d.t.Lstat(d.ctx, d.p.Child(name)); errs[i] == nil {
				infos[i] = *info
			}
		case d.inner == nil:
			errs[i] = &fs.PathError{Op: "lstat", Path: path.Join(d.p.String(), name), Err: fs.ErrNotExist}
		case errs[i] != nil:
			errs[i] = d.fail(errs[i])
		}
	}
}

// Close implements fsbackend.Dir.
func (d *dir) Close() error {
	if d.inner == nil {
		return nil
	}
	return d.inner.Close()
}

// Open implements fsbackend.Backend.
func (t *Table) Open(ctx context.Context, p davpath.Path) (fsbackend.File, error) {
	pl, err := t.find(ctx, "open", p)
	switch {
	case err != nil:
		return nil, err
	case pl.node != nil:
		return nil, fsbackend.ReadError("open", p, syscall.EISDIR)
	case pl.mounted == nil:
		return nil, fsbackend.ReadError("open", p, fs.ErrNotExist)
	}
	f, err := pl.files.Open(ctx, pl.inner)
	return f, pl.fail(err)
}

// target is find for something to be created. taken is the error for a path that is above mounts,
// or that of one.
func (t *Table) target(ctx context.Context, op string, p davpath.Path, taken error) (place, error) {
	pl, err := t.find(ctx, op, p)
	switch {
	case err != nil:
	case pl.node != nil:
		err = taken
	case pl.mounted == nil:
		err = t.noParent(ctx, p, fs.ErrNotExist)
	case pl.readOnly:
		err = fs.ErrPermission
	}
	return pl, fsbackend.CreateError(op, p, err)
}

// noParent returns err, or fs.ErrPermission if err can mean that p has no parent, and that is
// synthesized.
func (t *Table) noParent(ctx context.Context, p davpath.Path, err error) error {
	if absent(err) && t.synthesized(ctx, p.Parent()) {
		return &fs.PathError{Op: "create", Path: p.String(), Err: fs.ErrPermission}
	}
	return err
}

// synthesized reports whether p is a collection that no back end has.
func (t *Table) synthesized(ctx context.Context, p davpath.Path) bool {
	pl, err := t.find(ctx, "stat", p)
	if err != nil || !pl.above() {
		return false
	}
	info, _ := t.Stat(ctx, p)
	return info != nil && info.Fixed
}

// created returns the error of an operation that should have created pl.
func (t *Table) created(ctx context.Context, pl place, err error) error {
	if err == nil {
		return nil
	}
	return t.noParent(ctx, pl.p, pl.fail(err))
}

// Create implements fsbackend.Backend.
func (t *Table) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	pl, err := t.target(ctx, "create", p, syscall.EISDIR)
	if err != nil {
		return nil, err
	}
	u, err := pl.files.Create(t.in(ctx, pl.mounted), pl.inner)
	if err != nil {
		return nil, t.created(ctx, pl, err)
	}
	return &upload{u, t, pl}, nil
}

type upload struct {
	fsbackend.Upload
	t *Table
	place
}

func (u *upload) Write(b []byte) (int, error) {
	n, err := u.Upload.Write(b)
	return n, u.fail(err)
}

func (u *upload) Commit(ctx context.Context) (*fsbackend.Info, error) {
	info, err := u.Upload.Commit(u.t.in(ctx, u.mounted))
	return info, u.fail(err)
}

// CopyFile implements fsbackend.Backend. The mode is not copied from one mount to another.
func (t *Table) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	from, err := t.find(ctx, "open", src)
	if err != nil {
		return err
	}
	to, err := t.target(ctx, "copy", dst, syscall.EISDIR)
	if err == nil && from.node == nil && from.mounted == to.mounted {
		return t.created(ctx, to, to.files.CopyFile(t.in(ctx, to.mounted), from.inner, to.inner))
	}
	r, failed := t.Open(ctx, src)
	if failed != nil {
		return failed
	}
	defer r.Close()
	info, failed := r.Stat()
	if err = cmp.Or(failed, err); err != nil {
		return err
	}
	if old, err := t.Stat(ctx, dst); err == nil && info.SameFile(old) {
		return fsbackend.CreateError("copy", dst, fs.ErrInvalid)
	}
	w, err := t.Create(fsbackend.WithLength(ctx, info.Size()), dst)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.Copy(w, &source{ctx, r, from}); err != nil {
		return err
	}
	_, err = w.Commit(ctx)
	return err
}

// source reads a file until ctx is done.
type source struct {
	ctx context.Context
	fsbackend.File
	place
}

func (s *source) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.File.Read(b)
	return n, s.fail(err)
}

// Mkdir implements fsbackend.Backend.
func (t *Table) Mkdir(ctx context.Context, p davpath.Path) error {
	pl, err := t.target(ctx, "mkdir", p, fs.ErrExist)
	if err != nil {
		return err
	}
	return t.created(ctx, pl, pl.files.Mkdir(t.in(ctx, pl.mounted), pl.inner))
}

// change is find for something to be changed. fixed is the error for a path with mounts at or below
// it.
func (t *Table) change(ctx context.Context, op string, p davpath.Path, fixed error) (place, error) {
	pl, err := t.find(ctx, op, p)
	switch {
	case err != nil:
	case pl.node != nil && p.IsRoot() && fixed == syscall.EBUSY:
		err = fs.ErrPermission
	case pl.node != nil && fixed != nil:
		err = fixed
	case pl.mounted == nil:
		err = fs.ErrNotExist
	case pl.readOnly:
		err = fs.ErrPermission
	}
	return pl, fsbackend.ReadError(op, p, err)
}

// Remove implements fsbackend.Backend.
func (t *Table) Remove(ctx context.Context, p davpath.Path) error {
	pl, err := t.change(ctx, "remove", p, syscall.EBUSY)
	if err != nil {
		return err
	}
	return pl.fail(pl.files.Remove(t.in(ctx, pl.mounted), pl.inner))
}

// Rename implements fsbackend.Backend. From one mount to another it is syscall.EXDEV, as for a
// collection above mounts: then all but the mounts can be moved.
func (t *Table) Rename(ctx context.Context, from, to davpath.Path) error {
	info, err := t.Lstat(ctx, from)
	if err != nil {
		return fsbackend.RenameError(from, to, err)
	}
	src, err := t.change(ctx, "rename", from, syscall.EBUSY)
	if errors.Is(err, syscall.EBUSY) && !info.Fixed {
		err = syscall.EXDEV
	}
	dst, failed := t.target(ctx, "rename", to, syscall.EBUSY)
	switch {
	case err != nil:
		return fsbackend.RenameError(from, to, err)
	case to.IsRoot():
		return fsbackend.RenameError(from, to, fs.ErrPermission)
	case failed != nil:
		return failed
	case src.mounted != dst.mounted:
		return fsbackend.RenameError(from, to, syscall.EXDEV)
	}
	return t.created(ctx, dst, dst.files.Rename(t.in(ctx, dst.mounted), src.inner, dst.inner))
}

// SetModTime implements fsbackend.Backend.
func (t *Table) SetModTime(ctx context.Context, p davpath.Path, at time.Time) error {
	pl, err := t.change(ctx, "chtimes", p, nil)
	switch {
	case pl.above():
		return fsbackend.ReadError("chtimes", p, errors.ErrUnsupported)
	case err != nil:
		return err
	}
	return pl.fail(pl.files.SetModTime(t.in(ctx, pl.mounted), pl.inner, at))
}

// Usage implements fsbackend.Backend: that of the mount.
func (t *Table) Usage(ctx context.Context, p davpath.Path) (used, free uint64, err error) {
	pl, err := t.find(ctx, "usage", p)
	switch {
	case err != nil:
		return 0, 0, err
	case pl.mounted == nil:
		return 0, 0, errors.ErrUnsupported
	}
	used, free, err = pl.files.Usage(ctx, pl.inner)
	if pl.above() && absent(err) { // synthesized
		err = errors.ErrUnsupported
	}
	return used, free, pl.fail(err)
}

// RealPath implements fsbackend.Backend.
func (t *Table) RealPath(ctx context.Context, p davpath.Path) (davpath.Path, error) {
	pl, err := t.find(ctx, "realpath", p)
	if err != nil || pl.node != nil || pl.mounted == nil {
		return p, err
	}
	real, err := pl.files.RealPath(ctx, pl.inner)
	return pl.outer(real), pl.fail(err)
}

// UnchangedSince implements fsbackend.Backend.
func (t *Table) UnchangedSince(ctx context.Context, p davpath.Path, since time.Time) bool {
	pl, err := t.find(ctx, "stat", p)
	return err == nil && pl.mounted != nil && pl.files.UnchangedSince(ctx, pl.inner, since)
}

type batchKey struct{ t *Table }

// batch is the batches of the mounts, each of which begins with the first change there.
type batch struct {
	mu    sync.Mutex
	begun map[*mounted]context.Context
	syncs []func() error
}

// Batch implements fsbackend.Backend.
func (t *Table) Batch(ctx context.Context) (context.Context, func() error) {
	b := &batch{begun: map[*mounted]context.Context{}}
	return context.WithValue(ctx, batchKey{t}, b), func() (err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, sync := range b.syncs {
			err = errors.Join(err, sync())
		}
		return err
	}
}

// in returns the context for a change in m.
func (t *Table) in(ctx context.Context, m *mounted) context.Context {
	b, _ := ctx.Value(batchKey{t}).(*batch)
	if b == nil {
		return ctx
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.begun[m] == nil {
		of, sync := m.files.Batch(ctx)
		if b.begun[m] = of; sync != nil {
			b.syncs = append(b.syncs, sync)
		}
	}
	return &batchContext{ctx, b.begun[m]}
}

// batchContext is a context with the values of a batch.
type batchContext struct {
	context.Context
	batch context.Context
}

// Value implements context.Context. What belongs to one call, such as fsbackend.Length, comes
// first.
func (c *batchContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.batch.Value(key)
}
