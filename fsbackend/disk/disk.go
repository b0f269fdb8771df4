// Package disk serves a directory of the host and nothing else.
//
// os.Root confines it, and on Linux the kernel where no link is on the way (openat2): neither a
// link nor a race with somebody who swaps links and directories leads a read or a write outside.
// What os.Root does not see it does not stop: hard links and mount points.
//
// Symbolic links that stay inside are followed. A link that is broken or leads out, as every
// absolute one does, does not exist when it is read; creating something through it is
// fs.ErrPermission. So is one that leads to the server's own files (see davpath.Reserved), which
// have no other name than their own. Only regular files and directories are ever opened: a FIFO,
// a socket and a device are listed and described, and never waited for.
package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Options are the choices of Open. The zero value, and a nil pointer, have all the defaults.
type Options struct {
	// Sync makes every change return only after it was written to the disk: the content of a file
	// before it takes its place, then the directories in which something came or went; see
	// fsbackend.Backend.Batch for many changes at once. An error of this last step comes after
	// the change is in place. Where the platform cannot write a directory, as Windows, that is
	// left to it. It is for Backend: with the methods of afero.Fs, and layers over them,
	// File.Sync does it.
	Sync bool
}

// Fs is a directory. It is an afero.Fs, and has a Backend for the server. All methods may be called
// concurrently.
type Fs struct{ b *backend }

// Open opens the directory dir. It stays the same one when it is renamed. o may be nil.
func Open(dir string, o *Options) (*Fs, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	base, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	_, escapes := root.Lstat("..")
	b := &backend{root: root, base: base, escapes: fsbackend.Cause(escapes)}
	if o != nil {
		b.sync = o.Sync
	}
	return &Fs{b}, nil
}

// Backend returns the directory as the server uses it. On Linux it does all of fsbackend.Bulk.
func (f *Fs) Backend() fsbackend.Backend { return f.b }

// Close releases the directory. Files that are open remain so; every other operation fails
// afterwards.
func (f *Fs) Close() error { return errors.Join(f.b.root.Close(), f.b.base.Close()) }

// backend is a directory with the methods of fsbackend.Backend.
type backend struct {
	sync     bool
	root     *os.Root
	base     *os.File // the directory itself, for what os.Root has no method for
	noKernel bool     // os.Root does everything, as where there is no openat2: for tests
	escapes  error    // what os.Root says to names that lead out: it has no exported name
}

var _ fsbackend.Bulk = (*backend)(nil)

// host returns p as the operating system spells it, relative to the root of the tree ("." is the
// root itself), and false where it cannot be spelled: a backslash or a device name on Windows. On
// systems whose names are bytes every byte stands for itself, so filepath.Localize, which wants
// UTF-8, is not asked there.
func host(p davpath.Path) (string, bool) {
	name := p.String()[1:]
	if name == "" {
		return ".", true
	}
	if filepath.Separator == '/' {
		return name, true
	}
	local, err := filepath.Localize(name)
	return local, err == nil && !slices.ContainsFunc(strings.Split(name, "/"), shortName)
}

// isSegment reports whether a name is one that a directory can list.
func isSegment(name string) bool {
	return davpath.ValidSegment(name) && (filepath.Separator == '/' || !strings.ContainsRune(name, filepath.Separator))
}

// nameOf returns the last segment of p as infos have it.
func nameOf(p davpath.Path) string {
	if p.IsRoot() {
		return "/"
	}
	return p.Name()
}

// readError and createError are the functions of package fsbackend, for errors of os.Root.
func (b *backend) readError(op string, p davpath.Path, err error) error {
	if err = fsbackend.Cause(err); err == b.escapes || err == errBrokenLink {
		err = fs.ErrNotExist
	}
	return fsbackend.ReadError(op, p, err)
}

func (b *backend) createError(op string, p davpath.Path, err error) error {
	if err = fsbackend.Cause(err); err == b.escapes || err == errBrokenLink {
		err = fs.ErrPermission
	}
	return fsbackend.CreateError(op, p, err)
}

// Stat implements fsbackend.Backend.
func (b *backend) Stat(_ context.Context, p davpath.Path) (*fsbackend.Info, error) {
	return b.describe("stat", p, true)
}

// Lstat implements fsbackend.Backend.
func (b *backend) Lstat(_ context.Context, p davpath.Path) (*fsbackend.Info, error) {
	return b.describe("lstat", p, false)
}

func (b *backend) describe(op string, p davpath.Path, follow bool) (*fsbackend.Info, error) {
	h, ok := host(p)
	if !ok {
		return nil, fsbackend.ReadError(op, p, fs.ErrNotExist)
	}
	at, err := b.find(h, follow)
	if err != nil {
		return nil, b.readError(op, p, err)
	}
	at.dir.close()
	at.Attr.Name = nameOf(p)
	return at.Info, nil
}

// Mkdir implements fsbackend.Backend.
func (b *backend) Mkdir(ctx context.Context, p davpath.Path) error {
	h, ok := host(p)
	if !ok {
		return fsbackend.CreateError("mkdir", p, fs.ErrInvalid)
	}
	if p.IsRoot() {
		return fsbackend.CreateError("mkdir", p, fs.ErrExist)
	}
	liveTemps.add(h)
	d, _, err := b.openDir(filepath.Dir(h))
	if err == nil {
		err = d.mkdir(filepath.Base(h))
		d.close()
	}
	if err != nil {
		liveTemps.remove(h)
		return b.createError("mkdir", p, err)
	}
	if davpath.IsTemp(filepath.Base(h)) {
		if dir, _, err := b.openFile(h); err == nil {
			flock(dir)
			liveTemps.live.Store(filepath.Base(h), lockedDir{dir})
		}
	}
	if err := b.changed(ctx, h); err != nil {
		return b.createError("mkdir", p, err)
	}
	return nil
}

// Rename implements fsbackend.Backend. A directory replaces nothing: that is fs.ErrExist.
func (b *backend) Rename(ctx context.Context, from, to davpath.Path) error {
	old, ok := host(from)
	if !ok {
		return fsbackend.RenameError(from, to, fs.ErrNotExist)
	}
	name, ok := host(to)
	if !ok {
		return fsbackend.RenameError(from, to, fs.ErrInvalid)
	}
	if from.IsRoot() || to.IsRoot() {
		return fsbackend.RenameError(from, to, fs.ErrPermission)
	}
	src, err := b.find(old, false)
	if err != nil {
		return fsbackend.RenameError(from, to, b.readError("rename", from, err))
	}
	defer src.dir.close()
	liveTemps.add(name)
	if err := b.renameTo(src, name); err != nil {
		liveTemps.remove(name)
		if _, gone := src.dir.lstat(filepath.Base(old)); gone != nil {
			return fsbackend.RenameError(from, to, b.readError("rename", from, gone))
		}
		return fsbackend.RenameError(from, to, b.createError("rename", to, err))
	}
	liveTemps.remove(old)
	if batch := b.batchOf(ctx); batch != nil {
		batch.renamed(old, name)
	}
	if err := b.changed(ctx, old, name); err != nil {
		return fsbackend.RenameError(from, to, err)
	}
	return nil
}

func (b *backend) renameTo(src place, h string) error {
	dst, err := b.locate(h, false)
	if err != nil {
		return err
	}
	defer dst.dir.close()
	if dst.Info != nil && dst.IsDir() && !dst.SameFile(src.Info) {
		return fs.ErrExist
	}
	return b.rename(src, dst)
}

// SetModTime implements fsbackend.Backend.
func (b *backend) SetModTime(_ context.Context, p davpath.Path, t time.Time) error {
	h, ok := host(p)
	if !ok {
		return fsbackend.ReadError("chtimes", p, fs.ErrNotExist)
	}
	t = fsbackend.UniqueTime(t)
	at, err := b.find(h, true)
	if err == nil {
		err = at.dir.chtimes(filepath.Base(at.h), t)
		at.dir.close()
	}
	if err == nil && b.sync {
		err = b.syncFile(h)
	}
	if err != nil {
		return b.readError("chtimes", p, err)
	}
	return nil
}

// coarse is how far the time of a change may lie before the change: systems stamp files with the
// time of their last tick, which is 10 ms long at most.
const coarse = 20 * time.Millisecond

// UnchangedSince implements fsbackend.Backend. The file's own time of change is not enough: a
// collection that was renamed over another one brings members that have not changed for long. So
// the collections on the way count, too, and neither a link nor another volume, which somebody may
// have mounted just now, may be on it.
func (b *backend) UnchangedSince(ctx context.Context, p davpath.Path, since time.Time) bool {
	root, err := b.Stat(ctx, davpath.Root)
	if err != nil {
		return false
	}
	for ; ; p = p.Parent() {
		i, err := b.Lstat(ctx, p)
		if err != nil || i.Special() || i.IsLink() || i.ID.Device != root.ID.Device || i.ChangeTime.IsZero() ||
			!i.ChangeTime.Before(since.Add(-coarse)) {
			return false
		}
		if p.IsRoot() {
			return true
		}
	}
}

// Usage implements fsbackend.Backend as df does it: what an ordinary user can still write is free.
// A file lies on the volume of its directory, as good as always.
func (b *backend) Usage(_ context.Context, p davpath.Path) (used, free uint64, err error) {
	h, ok := host(p)
	if !ok {
		return 0, 0, fsbackend.ReadError("usage", p, fs.ErrNotExist)
	}
	at, err := b.find(h, true)
	if err != nil {
		return 0, 0, b.readError("usage", p, err)
	}
	defer at.dir.close()
	d := at.dir
	if at.IsDir() {
		if d, _, err = b.openDir(at.h); err != nil {
			return 0, 0, b.readError("usage", p, err)
		}
		defer d.close()
	}
	used, free, err = d.usage()
	if err != nil {
		return 0, 0, b.readError("usage", p, err)
	}
	return used, free, nil
}

// hostOf is host for a path that was spelled before.
func hostOf(p davpath.Path) string {
	h, _ := host(p)
	return h
}
