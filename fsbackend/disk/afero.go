package disk

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

var (
	_ afero.Fs      = (*Fs)(nil)
	_ afero.Lstater = (*Fs)(nil)
)

// Name implements afero.Fs.
func (f *Fs) Name() string { return "disk" }

// do calls use with what name is called by the host, and gives an error the name that the caller
// used. It refuses links to the server's own files. Dot segments lead no higher than the root.
func (f *Fs) do(op, name string, follow bool, use func(h string) error) error {
	h, err := "", error(fs.ErrInvalid)
	if p, bad := davpath.Clean(path.Clean("/" + filepath.ToSlash(name))); bad == nil {
		if spelled, ok := host(p); ok {
			if h, err = f.b.realName(spelled, follow); err == nil {
				err = use(h)
			}
		}
	}
	if err == nil {
		return nil
	}
	if err = fsbackend.Cause(err); err == f.b.escapes || err == errBrokenLink {
		err = fs.ErrNotExist
		if op == "create" || op == "mkdir" || op == "rename" {
			err = fs.ErrPermission
		}
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Create implements afero.Fs.
func (f *Fs) Create(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open implements afero.Fs.
func (f *Fs) Open(name string) (afero.File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile implements afero.Fs. Only regular files and directories are opened. Nothing is created
// through a broken link: that is fs.ErrPermission.
func (f *Fs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	op := "open"
	if flag&os.O_CREATE != 0 {
		op = "create"
	}
	file := aferoFile{name: name}
	err := f.do(op, name, false, func(h string) (err error) {
		file.File, err = f.b.openOrCreate(h, name, flag, perm.Perm())
		return err
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

// openOrCreate creates only what was not there (O_EXCL), and opens what is there without
// creating: so that neither something special nor a link is opened that comes meanwhile.
func (b *backend) openOrCreate(h, as string, flag int, perm fs.FileMode) (*os.File, error) {
	const create = os.O_CREATE | os.O_EXCL
	if flag&os.O_CREATE != 0 {
		at, err := b.locate(h, true)
		if err != nil {
			return nil, err
		}
		defer at.dir.close()
		switch {
		case at.Info == nil:
			file, err := at.dir.create(filepath.Base(at.h), as, flag&^create, perm)
			if flag&os.O_EXCL != 0 || !errors.Is(err, fs.ErrExist) {
				return file, err
			}
		case flag&os.O_EXCL != 0:
			return nil, fs.ErrExist
		case at.IsDir():
			return nil, syscall.EISDIR
		}
	}
	file, _, err := b.open(h, as, flag&^create)
	return file, err
}

// Mkdir implements afero.Fs.
func (f *Fs) Mkdir(name string, perm fs.FileMode) error {
	return f.do("mkdir", name, false, func(h string) error { return f.b.root.Mkdir(h, perm.Perm()) })
}

// MkdirAll implements afero.Fs.
func (f *Fs) MkdirAll(name string, perm fs.FileMode) error {
	return f.do("mkdir", name, true, func(h string) error { return f.b.root.MkdirAll(h, perm.Perm()) })
}

// Remove implements afero.Fs.
func (f *Fs) Remove(name string) error { return f.do("remove", name, false, f.b.root.Remove) }

// RemoveAll implements afero.Fs. Links are removed and not followed.
func (f *Fs) RemoveAll(name string) error {
	return f.do("remove", name, false, func(h string) error {
		if h == "." {
			return fs.ErrPermission
		}
		return f.b.root.RemoveAll(h)
	})
}

// Rename implements afero.Fs.
func (f *Fs) Rename(oldname, newname string) error {
	err := f.do("rename", oldname, false, func(from string) error {
		return f.do("rename", newname, false, func(to string) error { return f.b.root.Rename(from, to) })
	})
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: fsbackend.Cause(err)}
	}
	return nil
}

// Stat implements afero.Fs.
func (f *Fs) Stat(name string) (fs.FileInfo, error) { return f.stat(name, true) }

// LstatIfPossible implements afero.Lstater. It is always possible.
func (f *Fs) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	fi, err := f.stat(name, false)
	return fi, true, err
}

func (f *Fs) stat(name string, follow bool) (fi fs.FileInfo, err error) {
	err = f.do("stat", name, false, func(h string) error {
		at, err := f.b.find(h, follow)
		if err != nil {
			return err
		}
		at.dir.close()
		at.Attr.Name = path.Base("/" + filepath.ToSlash(name))
		fi = at.Info
		return nil
	})
	return fi, err
}

// Chmod implements afero.Fs.
func (f *Fs) Chmod(name string, mode fs.FileMode) error {
	return f.do("chmod", name, true, func(h string) error { return f.b.root.Chmod(h, mode) })
}

// Chown implements afero.Fs.
func (f *Fs) Chown(name string, uid, gid int) error {
	return f.do("chown", name, true, func(h string) error { return f.b.root.Chown(h, uid, gid) })
}

// Chtimes implements afero.Fs. A zero time leaves what is there.
func (f *Fs) Chtimes(name string, atime, mtime time.Time) error {
	return f.do("chtimes", name, true, func(h string) error { return f.b.root.Chtimes(h, atime, mtime) })
}

// aferoFile is an open file of an Fs, with the name that the caller used. In its errors it has that
// on Linux, and elsewhere the one that the host has for it.
type aferoFile struct {
	*os.File
	name string
}

// Name implements afero.File.
func (f aferoFile) Name() string { return f.name }

// OSFile returns the file of the system, for package fsbackend to copy and send it.
func (f aferoFile) OSFile() *os.File { return f.File }
