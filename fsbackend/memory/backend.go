package memory

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Backend returns the tree as a back end of the server.
func (m *Fs) Backend() fsbackend.Backend { return &backend{m} }

// backend implements fsbackend.Backend for the tree.
type backend struct{ tree *Fs }

var _ fsbackend.Backend = (*backend)(nil)

func (b *backend) Stat(_ context.Context, p davpath.Path) (*fsbackend.Info, error) {
	b.tree.mu.RLock()
	defer b.tree.mu.RUnlock()
	n, err := b.tree.find(p.String())
	if err != nil {
		return nil, fsbackend.ReadError("stat", p, err)
	}
	return b.tree.info(path.Base(p.String()), n), nil
}

func (b *backend) Lstat(ctx context.Context, p davpath.Path) (*fsbackend.Info, error) {
	return b.Stat(ctx, p)
}

// open returns the open file or directory at p.
func (b *backend) open(p davpath.Path, dir bool) (*file, error) {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	n, err := b.tree.find(p.String())
	if err != nil {
		return nil, fsbackend.ReadError("open", p, err)
	}
	switch isDir := n.members != nil; {
	case isDir && !dir:
		return nil, fail("open", p.String(), syscall.EISDIR)
	case !isDir && dir:
		return nil, fail("open", p.String(), syscall.ENOTDIR)
	}
	return b.tree.handle(n, p.String(), os.O_RDONLY), nil
}

func (b *backend) Open(_ context.Context, p davpath.Path) (fsbackend.File, error) {
	f, err := b.open(p, false)
	if err != nil {
		return nil, err
	}
	return &openFile{f}, nil
}

// openFile implements fsbackend.File.
type openFile struct{ *file }

func (f *openFile) Stat() (*fsbackend.Info, error) { return f.info() }

func (b *backend) OpenDir(_ context.Context, p davpath.Path) (fsbackend.Dir, error) {
	f, err := b.open(p, true)
	if err != nil {
		return nil, err
	}
	return &dir{f}, nil
}

// dir is an open directory.
type dir struct{ *file }

func (d *dir) Names() (names []string, err error) {
	d.tree.mu.Lock()
	defer d.tree.mu.Unlock()
	return d.node.names(), nil
}

func (d *dir) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	d.tree.mu.RLock()
	defer d.tree.mu.RUnlock()
	for i, name := range names {
		member := d.node.members[name]
		if member == nil {
			errs[i] = fail("lstat", path.Join(d.name, name), fs.ErrNotExist)
			continue
		}
		infos[i], errs[i] = *d.tree.info(name, member), nil
	}
}

func (b *backend) Mkdir(_ context.Context, p davpath.Path) error {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	return fsbackend.CreateError("mkdir", p, b.tree.mkdir(p.String(), 0o777))
}

func (b *backend) Remove(_ context.Context, p davpath.Path) error {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	err := fs.ErrPermission
	if !p.IsRoot() {
		err = b.tree.remove(p.String(), func(name string) bool { return !davpath.IsTemp(name) })
	}
	return fsbackend.ReadError("remove", p, err)
}

// Rename implements fsbackend.Backend. A directory replaces an empty one.
func (b *backend) Rename(_ context.Context, from, to davpath.Path) error {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	err := fs.ErrPermission
	if !from.IsRoot() && !to.IsRoot() {
		err = b.tree.rename(from.String(), to.String())
	}
	if _, missing := b.tree.find(from.String()); err != nil && missing == syscall.ENOTDIR {
		err = fs.ErrNotExist
	}
	return fsbackend.RenameError(from, to, err)
}

// SetModTime implements fsbackend.Backend. Two contents may have the same time: entity tags are
// made of versions.
func (b *backend) SetModTime(_ context.Context, p davpath.Path, t time.Time) error {
	err := b.tree.change(p.String(), func(n *node) { n.mtime = t })
	return fsbackend.ReadError("chtimes", p, err)
}

// Usage implements fsbackend.Backend: bytes of content, and what is left of the capacity.
func (b *backend) Usage(_ context.Context, p davpath.Path) (used, free uint64, err error) {
	b.tree.mu.RLock()
	defer b.tree.mu.RUnlock()
	if b.tree.capacity == 0 {
		return 0, 0, errors.ErrUnsupported
	}
	return b.tree.used, b.tree.room(), nil
}

func (b *backend) RealPath(_ context.Context, p davpath.Path) (davpath.Path, error) { return p, nil }

func (b *backend) UnchangedSince(_ context.Context, p davpath.Path, since time.Time) bool {
	b.tree.mu.RLock()
	defer b.tree.mu.RUnlock()
	n := b.tree.root
	for segment := range p.Segments() {
		if !n.ctime.Before(since) {
			return false
		}
		if n = n.members[segment]; n == nil {
			return false
		}
	}
	return n.ctime.Before(since)
}

func (b *backend) Batch(ctx context.Context) (context.Context, func() error) { return ctx, nil }

func (b *backend) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	u, err := b.create(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := fsbackend.CheckRoom(ctx, b, p); err != nil {
		u.Close()
		return nil, err
	}
	return u, nil
}

func (b *backend) create(ctx context.Context, p davpath.Path) (*upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m := b.tree
	m.mu.Lock()
	defer m.mu.Unlock()
	_, segment, old, err := m.place(p.String())
	if p.IsRoot() || err == nil && old != nil && old.members != nil {
		err = syscall.EISDIR
	}
	if err != nil {
		return nil, fsbackend.CreateError("create", p, err)
	}
	u := &upload{file: m.handle(m.newNode(0o666), p.String(), os.O_WRONLY)}
	if old != nil {
		u.replaces = m.info(segment, old)
	}
	return u, nil
}

// upload is an open file that has no name yet.
type upload struct {
	*file
	replaces *fsbackend.Info
	copied   bool // with its mode
}

func (u *upload) Replaces() *fsbackend.Info { return u.replaces }

func (u *upload) Close() error {
	_ = u.file.Close() // the only error is that it was closed before
	return nil
}

// Commit implements fsbackend.Upload. The mode of a file that is replaced is kept.
func (u *upload) Commit(ctx context.Context) (*fsbackend.Info, error) {
	m := u.tree
	m.mu.Lock()
	defer m.mu.Unlock()
	if u.closed {
		return nil, fail("commit", u.name, fs.ErrClosed)
	}
	defer u.end()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, segment, old, err := m.place(u.name)
	if err == nil && old != nil && old.members != nil {
		err = syscall.EISDIR
	}
	if err != nil {
		return nil, fail("commit", u.name, err)
	}
	if old != nil {
		if !u.copied {
			u.node.mode = old.mode
		}
		m.unlink(dir, segment)
	}
	m.modified(u.node)
	m.link(dir, segment, u.node)
	return m.info(segment, u.node), nil
}

// CopyFile implements fsbackend.Backend. The mode is copied, too.
func (b *backend) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	from, err := b.open(src, false)
	if err != nil {
		return err
	}
	defer from.Close()
	if src == dst {
		return fsbackend.CreateError("copy", dst, fs.ErrInvalid)
	}
	to, err := b.create(ctx, dst)
	if err != nil {
		return err
	}
	defer to.Close()
	b.tree.mu.Lock()
	to.node.mode, to.copied = from.node.mode.Perm(), true
	_, err = b.tree.write(to.node, from.node.data, 0)
	b.tree.mu.Unlock()
	if err != nil {
		return fsbackend.CreateError("copy", dst, err)
	}
	_, err = to.Commit(ctx)
	return err
}
