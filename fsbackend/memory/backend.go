package memory

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"slices"
	"syscall"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Backend returns the tree as a back end of the server. It implements fsbackend.Bulk.
func (m *Fs) Backend() fsbackend.Backend { return &backend{m} }

// backend implements fsbackend.Bulk for the tree.
type backend struct{ tree *Fs }

var _ fsbackend.Bulk = (*backend)(nil)

// Stat implements fsbackend.Backend.
func (b *backend) Stat(_ context.Context, p davpath.Path) (*fsbackend.Info, error) {
	b.tree.mu.RLock()
	defer b.tree.mu.RUnlock()
	n, err := b.tree.find(p.String())
	if err != nil {
		return nil, fsbackend.ReadError("stat", p, err)
	}
	return b.tree.info(path.Base(p.String()), n), nil
}

// Lstat implements fsbackend.Backend.
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
	if isDir := n.members != nil; isDir != dir {
		err = syscall.ENOTDIR
		if isDir {
			err = syscall.EISDIR
		}
		return nil, &fs.PathError{Op: "open", Path: p.String(), Err: err}
	}
	n.open++
	return &file{tree: b.tree, node: n, name: p.String()}, nil
}

// Open implements fsbackend.Backend.
func (b *backend) Open(_ context.Context, p davpath.Path) (fsbackend.File, error) {
	f, err := b.open(p, false)
	if err != nil {
		return nil, err
	}
	return &openFile{f}, nil
}

// openFile implements fsbackend.File.
type openFile struct{ *file }

// Stat implements fsbackend.File.
func (f *openFile) Stat() (*fsbackend.Info, error) { return f.info() }

// OpenDir implements fsbackend.Backend.
func (b *backend) OpenDir(_ context.Context, p davpath.Path) (fsbackend.Dir, error) {
	f, err := b.open(p, true)
	if err != nil {
		return nil, err
	}
	return &dir{f, p}, nil
}

// dir is an open directory.
type dir struct {
	*file
	p davpath.Path
}

// Names implements fsbackend.Dir.
func (d *dir) Names() ([]string, error) { return d.Readdirnames(-1) }

// Lstat implements fsbackend.Dir.
func (d *dir) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	d.tree.mu.RLock()
	defer d.tree.mu.RUnlock()
	for i, name := range names {
		member := d.node.members[name]
		if member == nil {
			errs[i] = &fs.PathError{Op: "lstat", Path: path.Join(d.p.String(), name), Err: fs.ErrNotExist}
			continue
		}
		infos[i].Attr, errs[i] = d.tree.attr(name, member), nil
	}
}

// Mkdir implements fsbackend.Backend.
func (b *backend) Mkdir(_ context.Context, p davpath.Path) error {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	if err := b.tree.mkdir(p.String(), 0o777); err != nil {
		return fsbackend.CreateError("mkdir", p, err)
	}
	return nil
}

// Remove implements fsbackend.Backend.
func (b *backend) Remove(_ context.Context, p davpath.Path) error {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	if err := b.tree.remove(p.String()); err != nil {
		return fsbackend.ReadError("remove", p, err)
	}
	return nil
}

func (m *Fs) remove(name string) error {
	if name == "/" {
		return fs.ErrPermission
	}
	dir, segment, n, err := m.place(name)
	if err != nil {
		return err
	}
	if n == nil {
		return syscall.ENOENT
	}
	for member := range n.members {
		if !davpath.IsTemp(member) {
			return syscall.ENOTEMPTY
		}
	}
	m.unlink(dir, segment)
	return nil
}

// Rename implements fsbackend.Backend. A directory replaces an empty one.
func (b *backend) Rename(_ context.Context, from, to davpath.Path) error {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	err := fs.ErrPermission
	if !from.IsRoot() && !to.IsRoot() {
		err = b.tree.rename(from.String(), to.String())
	}
	if err != nil {
		if _, missing := b.tree.find(from.String()); missing == syscall.ENOTDIR {
			err = fs.ErrNotExist
		}
		return fsbackend.RenameError(from, to, err)
	}
	return nil
}

// SetModTime implements fsbackend.Backend.
func (b *backend) SetModTime(_ context.Context, p davpath.Path, t time.Time) error {
	err := b.tree.change("chtimes", p.String(), func(n *node) { n.mtime = fsbackend.UniqueTime(t) })
	if err != nil {
		return fsbackend.ReadError("chtimes", p, err)
	}
	return nil
}

// Usage implements fsbackend.Backend: bytes of content, and what is left of the capacity.
func (b *backend) Usage(_ context.Context, p davpath.Path) (used, free uint64, err error) {
	b.tree.mu.RLock()
	defer b.tree.mu.RUnlock()
	if b.tree.capacity == 0 {
		return 0, 0, errors.ErrUnsupported
	}
	return b.tree.used, b.tree.capacity - b.tree.used, nil
}

// RealPath implements fsbackend.Backend.
func (b *backend) RealPath(_ context.Context, p davpath.Path) (davpath.Path, error) { return p, nil }

// UnchangedSince implements fsbackend.Backend.
func (b *backend) UnchangedSince(_ context.Context, p davpath.Path, since time.Time) bool {
	b.tree.mu.RLock()
	defer b.tree.mu.RUnlock()
	n := b.tree.root
	if !n.ctime.Before(since) {
		return false
	}
	for segment := range p.Segments() {
		if n = n.members[segment]; n == nil || !n.ctime.Before(since) {
			return false
		}
	}
	return true
}

// Batch implements fsbackend.Backend.
func (b *backend) Batch(ctx context.Context) (context.Context, func() error) { return ctx, nil }

// Create implements fsbackend.Backend.
func (b *backend) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m := b.tree
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.IsRoot() {
		return nil, fsbackend.CreateError("create", p, syscall.EISDIR)
	}
	_, segment, old, err := m.place(p.String())
	if err == nil && old != nil && old.members != nil {
		err = syscall.EISDIR
	}
	if err != nil {
		return nil, fsbackend.CreateError("create", p, err)
	}
	u := &upload{tree: m, p: p, node: m.newNode(0o666)}
	u.node.names, u.node.open = 0, 1
	if old != nil {
		u.replaces = m.info(segment, old)
	}
	return u, nil
}

// upload is a file that has no name yet.
type upload struct {
	tree     *Fs
	p        davpath.Path
	node     *node // nil once it was committed or discarded
	replaces *fsbackend.Info
}

// Replaces implements fsbackend.Upload.
func (u *upload) Replaces() *fsbackend.Info { return u.replaces }

// Write implements fsbackend.Upload.
func (u *upload) Write(b []byte) (int, error) {
	u.tree.mu.Lock()
	defer u.tree.mu.Unlock()
	if u.node == nil {
		return 0, fsbackend.CreateError("write", u.p, fs.ErrClosed)
	}
	n, err := u.tree.write(u.node, b, int64(len(u.node.data)))
	if err != nil {
		err = fsbackend.CreateError("write", u.p, err)
	}
	return n, err
}

// Close implements fsbackend.Upload.
func (u *upload) Close() error {
	u.tree.mu.Lock()
	defer u.tree.mu.Unlock()
	u.end()
	return nil
}

// end releases the upload's handle.
func (u *upload) end() {
	if u.node != nil {
		u.node.open--
		u.tree.release(u.node)
		u.node = nil
	}
}

// Commit implements fsbackend.Upload. The mode and the owner of a file that is replaced are kept.
func (u *upload) Commit(ctx context.Context) (*fsbackend.Info, error) {
	m := u.tree
	m.mu.Lock()
	defer m.mu.Unlock()
	if u.node == nil {
		return nil, fsbackend.CreateError("commit", u.p, fs.ErrClosed)
	}
	defer u.end()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := m.linkFile(u.p, u.node, false); err != nil {
		return nil, fsbackend.CreateError("commit", u.p, err)
	}
	return m.info(u.p.Name(), u.node), nil
}

// linkFile gives the file n the name p. It keeps the mode of a file that it replaces, unless
// ownMode.
func (m *Fs) linkFile(p davpath.Path, n *node, ownMode bool) error {
	dir, segment, old, err := m.place(p.String())
	if err != nil {
		return err
	}
	if old != nil {
		if old.members != nil {
			return syscall.EISDIR
		}
		if !ownMode {
			n.mode = old.mode
		}
		n.uid, n.gid = old.uid, old.gid
		m.unlink(dir, segment)
	}
	m.contentChanged(n)
	m.link(dir, segment, n)
	return nil
}

// CopyFile implements fsbackend.Backend. The content is shared until one of the two changes.
func (b *backend) CopyFile(ctx context.Context, src, dst davpath.Path) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := b.tree
	m.mu.Lock()
	defer m.mu.Unlock()
	from, err := m.find(src.String())
	if err == nil && from.members != nil {
		err = syscall.EISDIR
	}
	if err != nil {
		return fsbackend.ReadError("copy", src, err)
	}
	if src == dst {
		return fsbackend.CreateError("copy", dst, fs.ErrInvalid)
	}
	if _, _, old, err := m.place(dst.String()); err != nil || old != nil && old.members != nil {
		if err == nil || dst.IsRoot() {
			err = syscall.EISDIR
		}
		return fsbackend.CreateError("copy", dst, err)
	}
	n := m.copyOf(from)
	if n == nil {
		return fsbackend.CreateError("copy", dst, syscall.ENOSPC)
	}
	if err := m.linkFile(dst, n, true); err != nil {
		return fsbackend.CreateError("copy", dst, err)
	}
	return nil
}

// copyOf returns a new file with the content and the mode of another, or nil if the capacity does
// not suffice.
func (m *Fs) copyOf(other *node) *node {
	if m.room() < uint64(len(other.data)) {
		return nil
	}
	n := m.newNode(other.mode.Perm())
	m.share(n, other)
	return n
}

// CopyTree implements fsbackend.Bulk. It is atomic for readers.
func (b *backend) CopyTree(ctx context.Context, src, dst davpath.Path, left func(davpath.Path)) (begun bool) {
	missed, begun := b.copyTree(ctx, src, dst)
	slices.SortFunc(missed, davpath.Path.Compare)
	for _, p := range missed {
		left(p)
	}
	return begun
}

func (b *backend) copyTree(ctx context.Context, src, dst davpath.Path) (left []davpath.Path, begun bool) {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	from, err := b.tree.find(src.String())
	if err != nil || from.members == nil || ctx.Err() != nil {
		return nil, false
	}
	into, err := b.tree.find(dst.String())
	if err != nil || into.members == nil {
		return nil, false
	}
	return b.tree.copyMembers(from, into, src, dst, nil), true
}

// copyMembers copies the members of the node from, which is at src, to the node into, which is at
// dst. It appends to left the members that exceed the capacity and those whose copy would have too
// long a path.
func (m *Fs) copyMembers(from, into *node, src, dst davpath.Path, left []davpath.Path) []davpath.Path {
	for name, member := range from.members {
		if davpath.Reserved(name) {
			continue
		}
		to := dst.Child(name)
		var n *node
		switch {
		case to.TooLong():
		case member.members != nil:
			n = m.newNode(fs.ModeDir | 0o777)
			left = m.copyMembers(member, n, src.Child(name), to, left)
		default:
			n = m.copyOf(member)
		}
		if n == nil {
			left = append(left, src.Child(name))
			continue
		}
		m.link(into, name, n)
	}
	return left
}

// RemoveTree implements fsbackend.Bulk.
func (b *backend) RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) (gone bool) {
	b.tree.mu.Lock()
	defer b.tree.mu.Unlock()
	dir, segment, n, err := b.tree.place(p.String())
	if ctx.Err() != nil || err != nil || n == nil || n.members == nil || n.reserved() {
		return false
	}
	b.tree.unlink(dir, segment)
	return true
}

// reserved reports whether something below n has a reserved name.
func (n *node) reserved() bool {
	for segment, member := range n.members {
		if davpath.Reserved(segment) || member.reserved() {
			return true
		}
	}
	return false
}

// Undeletable implements fsbackend.Bulk.
func (b *backend) Undeletable(context.Context, davpath.Path) iter.Seq2[string, error] {
	return func(func(string, error) bool) {}
}

// Exceeding implements fsbackend.Bulk.
func (b *backend) Exceeding(_ context.Context, p davpath.Path, bytes, segments int) (found davpath.Path, ok bool, err error) {
	b.tree.mu.RLock()
	defer b.tree.mu.RUnlock()
	n, err := b.tree.find(p.String())
	if err != nil {
		return p, false, nil
	}
	found, ok = n.exceeding(p, bytes, segments)
	return found, ok, nil
}

func (n *node) exceeding(p davpath.Path, bytes, segments int) (davpath.Path, bool) {
	for segment, member := range n.members {
		if davpath.Reserved(segment) {
			continue
		}
		longer := len(segment) + 1
		if longer > bytes || segments < 1 {
			return p.Child(segment), true
		}
		if len(member.members) > 0 {
			if found, ok := member.exceeding(p.Child(segment), bytes-longer, segments-1); ok {
				return found, true
			}
		}
	}
	return p, false
}
