//go:build !linux

package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"dav207/fsbackend"
)

// dir is a directory that is held open. Its methods take the name of a member, which is a single
// segment. os.Root confines them to the directory.
type dir struct{ *os.Root }

// noLinks reports whether h is known to lead through no link.
func (b *backend) noLinks(string, bool) bool { return false }

// openDir opens the directory h.
func (b *backend) openDir(h string) (d dir, direct bool, err error) {
	if h, err = b.realName(h, true); err == nil {
		d.Root, err = b.root.OpenRoot(h)
	}
	return d, false, err
}

func (d dir) close() { d.Close() }

func (d dir) lstat(name string) (m member, err error) {
	fi, err := d.Lstat(name)
	if err != nil {
		return m, err
	}
	return member{fsbackend.InfoOf(name, fi), ownerOf(fi), kept(fi)}, nil
}

// open opens a file or directory. Opening anything else could wait for ever or do something to a
// device: the caller has looked, the system does not wait, and open looks again at what it got.
func (d dir) open(name, _ string, flag int) (*os.File, *fsbackend.Info, error) {
	f, err := d.OpenFile(name, flag|openFlags, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !servable(fi.Mode()) {
		err = fs.ErrPermission
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fsbackend.InfoOf(name, fi), nil
}

// create makes a file that was not there.
func (d dir) create(name, _ string, flag int, perm fs.FileMode) (*os.File, error) {
	return d.OpenFile(name, flag|os.O_CREATE|os.O_EXCL, perm)
}

// writable returns what opening a file for writing does, but that it is busy: a running program can
// be replaced, not written.
func (d dir) writable(name string, _ member) error {
	f, err := d.OpenFile(name, os.O_WRONLY|openFlags, 0)
	if err != nil {
		if errors.Is(err, syscall.ETXTBSY) {
			return nil
		}
		return err
	}
	return f.Close()
}

func (d dir) mkdir(name string) error { return d.Mkdir(name, 0o777) }

func (d dir) remove(name string) error { return d.Remove(name) }

func (d dir) rename(from, to string) error { return d.Rename(from, to) }

func (b *backend) rename(from, to place) error { return b.root.Rename(from.h, to.h) }

func (d dir) chtimes(name string, mtime time.Time) error {
	return d.Chtimes(name, time.Time{}, mtime)
}

// same reports whether both are the same directory.
func (d dir) same(other dir) (bool, error) {
	a, err := d.Stat(".")
	if err != nil {
		return false, err
	}
	b, err := other.Stat(".")
	return err == nil && os.SameFile(a, b), err
}

func (d dir) usage() (used, free uint64, err error) {
	f, err := d.Open(".")
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	return usage(f)
}

// Lstat implements fsbackend.Dir. It goes by name, which os.Root confines: opening the directory a
// second time to go by its handle could wait for a FIFO that stands there by now.
func (d *directory) Lstat(names []string, infos []fsbackend.Info, errs []error) {
	for i, name := range names {
		var fi fs.FileInfo
		err := fs.ErrNotExist
		if isSegment(name) {
			fi, err = d.b.root.Lstat(filepath.Join(hostOf(d.p), name))
		}
		if errs[i] = nil; err != nil {
			errs[i] = d.fail(name, err)
			continue
		}
		infos[i] = *fsbackend.InfoOf(name, fi)
	}
}
