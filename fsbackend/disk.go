package fsbackend

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Disk serves a directory of the host and nothing else: os.Root confines it, and on Linux the kernel where no link is on the
// way (openat2), so neither a link nor a race with somebody who swaps links and directories leads a read or a write outside.
//
// Symbolic links that stay inside are followed. A link that is broken or leads out, as every absolute one does, does not
// exist for Stat and OpenFile; creating something through it is fs.ErrPermission. So is one that leads to the server's own
// files (see davpath.Reserved), of which nothing can be reached but by their own names. Only regular files and directories
// are ever opened: a FIFO, a socket and a device are listed and described, and are fs.ErrPermission to OpenFile, which
// never waits for them. What os.Root does not see it does not stop: hard links and mount points.
//
// All methods may be called concurrently.
type Disk struct {
	// Sync makes whatever changes something return only after that was written to the disk: the content of a file before it
	// takes its place, then the directories in which something came or went; see Batch for many changes at once. An error of
	// this last step comes after the change is in place. Where the platform has no way to write a directory, as Windows,
	// that is left to the system. It is set before the first use; the default leaves all of it to the operating system.
	Sync bool

	root    *os.Root
	base    *os.File // the directory itself, for what os.Root has no method for
	walks   bool     // os.Root does everything, as it does where there is no direct way: for tests
	escapes error    // what os.Root says to names that lead out: it has no exported name
}

// Root opens the directory dir. It stays the same one when it is renamed.
func Root(dir string) (*Disk, error) {
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
	return &Disk{root: root, base: base, escapes: cause(escapes)}, nil
}

// Close releases the directory. Files that are open remain so; every other operation fails afterwards.
func (d *Disk) Close() error { return errors.Join(d.root.Close(), d.base.Close()) }

// maxLinks bounds a chain of links; os.Root gives up much earlier on those inside of a path.
const maxLinks = 40

// readlink returns what the link p leads to as a name relative to the root. It is not cleaned: only os.Root knows where
// ".." leads when there are links in front of it.
func (d *Disk) readlink(p string) (string, error) {
	target, err := d.root.Readlink(p)
	if err != nil {
		return "", err
	}
	if filepath.IsAbs(target) {
		return "", d.escapes
	}
	for len(target) > 1 && os.IsPathSeparator(target[len(target)-1]) {
		target = target[:len(target)-1]
	}
	return parent(p) + target, nil
}

// parent returns what stands before the last segment of p, with the separator.
func parent(p string) string {
	i := len(p)
	for i > 0 && !os.IsPathSeparator(p[i-1]) {
		i--
	}
	return p[:i]
}

// within returns the name of a member of the directory p.
func within(p, segment string) string {
	if p == "." {
		return segment
	}
	return p + string(filepath.Separator) + segment
}

// resolve follows the links that p itself is, and returns the name of what they lead to and its info; the info is nil
// if there is nothing. A link that leads nowhere is an error.
func (d *Disk) resolve(p string) (string, fs.FileInfo, error) {
	for n := range maxLinks {
		fi, err := d.root.Lstat(p)
		switch {
		case errors.Is(err, fs.ErrNotExist) && n == 0:
			return p, nil, nil
		case errors.Is(err, fs.ErrNotExist):
			return p, nil, fs.ErrPermission
		case err != nil:
			return p, nil, err
		case fi.Mode().Type() != fs.ModeSymlink:
			return p, fi, nil
		}
		if p, err = d.readlink(p); err != nil {
			return p, nil, err
		}
	}
	return p, nil, syscall.ELOOP
}

// reading and creating are the functions of that name, for errors of os.Root.
func (d *Disk) reading(op, name string, err error) error {
	if err = cause(err); err == d.escapes || err == errOwn {
		err = fs.ErrNotExist
	}
	return reading(op, name, err)
}

func (d *Disk) creating(op, name string, err error) error {
	if err = cause(err); err == d.escapes || err == errOwn {
		err = fs.ErrPermission
	}
	return creating(op, name, err)
}

// Stat describes what name leads to.
func (d *Disk) Stat(_ context.Context, name string) (fs.FileInfo, error) {
	return d.describe("stat", name, true)
}

// Lstat describes name itself where it is a link.
func (d *Disk) Lstat(_ context.Context, name string) (fs.FileInfo, error) {
	return d.describe("lstat", name, false)
}

func (d *Disk) describe(op, name string, follow bool) (fs.FileInfo, error) {
	p, ok := host(name)
	if !ok {
		return nil, reading(op, name, fs.ErrNotExist)
	}
	base := path.Base(clean(name))
	fi, err := d.lookDirect(p, base, follow)
	if err == errUnsure {
		if err = d.admit(p, follow); err == nil {
			fi, err = d.look(p, base, follow)
		}
	}
	if err != nil {
		return nil, d.reading(op, name, err)
	}
	return fi, nil
}

// Mkdir makes one directory; its parent must exist.
func (d *Disk) Mkdir(ctx context.Context, name string, perm fs.FileMode) error {
	p, ok := host(name)
	if !ok {
		return creating("mkdir", name, fs.ErrInvalid)
	}
	if p == "." {
		return creating("mkdir", name, fs.ErrExist)
	}
	asides.made(p)
	err := d.mkdirDirect(p, perm.Perm())
	if err == errUnsure {
		if err = d.admit(p, false); err == nil {
			err = d.root.Mkdir(p, perm.Perm())
		}
	}
	if err != nil {
		asides.gone(p)
		return d.creating("mkdir", name, err)
	}
	if isAside(baseOf(p)) {
		if dir, _, err := d.openFile(p); err == nil {
			asides.hold(p, dir)
		}
	}
	if err := d.changed(ctx, p); err != nil {
		return d.creating("mkdir", name, err)
	}
	return nil
}

// Rename moves a file, a link or a directory with all its members. A file replaces a file in one step; a directory
// replaces nothing: that is fs.ErrExist.
func (d *Disk) Rename(ctx context.Context, oldName, newName string) error {
	from, ok := host(oldName)
	if !ok {
		return renaming(oldName, newName, fs.ErrNotExist)
	}
	to, ok := host(newName)
	if !ok {
		return renaming(oldName, newName, fs.ErrInvalid)
	}
	if from == "." || to == "." {
		return renaming(oldName, newName, fs.ErrPermission)
	}
	asides.made(to)
	err := d.renameDirect(from, to)
	if err == errUnsure {
		if err := d.admit(from, false); err != nil {
			asides.gone(to)
			return renaming(oldName, newName, cause(d.reading("rename", oldName, err)))
		}
		if err := d.admit(to, false); err != nil {
			asides.gone(to)
			return renaming(oldName, newName, cause(d.creating("rename", newName, err)))
		}
		err = d.root.Rename(from, to)
	}
	if err == nil {
		asides.gone(from)
		if u := d.unsettled(ctx); u != nil {
			u.renamed(from, to)
		}
		if err := d.changed(ctx, from, to); err != nil {
			return renaming(oldName, newName, err)
		}
		return nil
	}
	if _, lost := d.root.Lstat(from); lost != nil {
		return renaming(oldName, newName, cause(d.reading("rename", oldName, lost)))
	}
	return renaming(oldName, newName, cause(d.creating("rename", newName, err)))
}

// Chtimes sets the time of the last modification. A time of whole seconds gets a fraction that no other one has, so
// that the ETags of two contents said to be of the same second differ.
func (d *Disk) Chtimes(_ context.Context, name string, mtime time.Time) error {
	p, ok := host(name)
	if !ok {
		return reading("chtimes", name, fs.ErrNotExist)
	}
	mtime = times.exact(mtime)
	err := d.chtimesDirect(p, mtime)
	if err == errUnsure {
		if err = d.admit(p, true); err == nil {
			err = d.root.Chtimes(p, time.Time{}, mtime)
		}
	}
	if err != nil {
		return d.reading("chtimes", name, err)
	}
	if d.Sync {
		if err := d.syncFile(p); err != nil {
			return d.reading("chtimes", name, err)
		}
	}
	return nil
}

// baseOf returns the last segment of a host name.
func baseOf(p string) string { return strings.TrimPrefix(p, parent(p)) }
