package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/spf13/afero"
	"path"
	"path/filepath"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

var (
	_ afero.Fs      = (*Fs)(nil)
	_ afero.Lstater = (*Fs)(nil)
)

// Name implements afero.Fs.
func (f *Fs) Name() string { return "disk" }

// at returns what name is called by the host. It refuses links to the server's own files. Dot
// segments lead no higher than the root.
func (f *Fs) at(op, name string, follow bool) (string, error) {
	p, err := davpath.Clean(path.Clean("/" + filepath.ToSlash(name)))
	if err != nil {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	h, ok := host(p)
	if !ok {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return h, f.result(op, name, f.b.checkNoReservedLink(h, follow))
}

// result gives an error the name that the caller used.
func (f *Fs) result(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if err = fsbackend.Cause(err); err == f.b.escapes || err == errReservedLink {
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
	h, err := f.at(op, name, true)
	if err != nil {
		return nil, err
	}
	file, err := f.b.openOrCreate(h, flag, perm.Perm())
	if err != nil {
		return nil, f.result(op, name, err)
	}
	return &aferoFile{file, name}, nil
}

// openOrCreate creates only what was not there (O_EXCL), and opens what is there without
// creating: so that neither something special nor a link is opened that comes meanwhile.
func (b *backend) openOrCreate(h string, flag int, perm fs.FileMode) (*os.File, error) {
	if flag&os.O_CREATE != 0 {
		_, there, err := b.resolve(h)
		switch {
		case err != nil:
			return nil, err
		case there == nil:
			file, err := b.root.OpenFile(h, flag|os.O_EXCL|openFlags, perm)
			if flag&os.O_EXCL != 0 || !errors.Is(err, fs.ErrExist) {
				return file, err
			}
		case flag&os.O_EXCL != 0:
			return nil, fs.ErrExist
		case there.IsDir():
			return nil, syscall.EISDIR
		}
	}
	file, _, err := b.open(h, flag&^(os.O_CREATE|os.O_EXCL))
	return file, err
}

// Mkdir implements afero.Fs.
func (f *Fs) Mkdir(name string, perm fs.FileMode) error {
	h, err := f.at("mkdir", name, false)
	if err == nil {
		err = f.result("mkdir", name, f.b.root.Mkdir(h, perm.Perm()))
	}
	return err
}

// MkdirAll implements afero.Fs.
func (f *Fs) MkdirAll(name string, perm fs.FileMode) error {
	h, err := f.at("mkdir", name, true)
	if err == nil {
		err = f.result("mkdir", name, f.b.root.MkdirAll(h, perm.Perm()))
	}
	return err
}

// Remove implements afero.Fs.
func (f *Fs) Remove(name string) error {
	h, err := f.at("remove", name, false)
	if err == nil {
		err = f.result("remove", name, f.b.root.Remove(h))
	}
	return err
}

// RemoveAll implements afero.Fs. Links are removed and not followed.
func (f *Fs) RemoveAll(name string) error {
	h, err := f.at("remove", name, false)
	if err == nil && h == "." {
		err = &fs.PathError{Op: "remove", Path: name, Err: fs.ErrPermission}
	}
	if err == nil {
		err = f.result("remove", name, f.b.root.RemoveAll(h))
	}
	return err
}

// Rename implements afero.Fs.
func (f *Fs) Rename(oldname, newname string) error {
	from, err := f.at("rename", oldname, false)
	if err != nil {
		return err
	}
	to, err := f.at("rename", newname, false)
	if err != nil {
		return err
	}
	if err := f.b.root.Rename(from, to); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: fsbackend.Cause(f.result("rename", newname, err))}
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

func (f *Fs) stat(name string, follow bool) (fs.FileInfo, error) {
	h, err := f.at("stat", name, follow)
	if err != nil {
		return nil, err
	}
	fi, err := f.b.stat(h, path.Base("/"+filepath.ToSlash(name)), follow)
	if err != nil {
		return nil, f.result("stat", name, err)
	}
	return fi, nil
}

// Chmod implements afero.Fs.
func (f *Fs) Chmod(name string, mode fs.FileMode) error {
	h, err := f.at("chmod", name, true)
	if err == nil {
		err = f.result("chmod", name, f.b.root.Chmod(h, mode))
	}
	return err
}

// Chown implements afero.Fs.
func (f *Fs) Chown(name string, uid, gid int) error {
	h, err := f.at("chown", name, true)
	if err == nil {
		err = f.result("chown", name, f.b.root.Chown(h, uid, gid))
	}
	return err
}

// Chtimes implements afero.Fs. A zero time leaves what is there.
func (f *Fs) Chtimes(name string, atime, mtime time.Time) error {
	h, err := f.at("chtimes", name, true)
	if err == nil {
		err = f.result("chtimes", name, f.b.root.Chtimes(h, atime, mtime))
	}
	return err
}

// aferoFile is an open file of an Fs. An *os.File has the name that the host has for it, in its
// errors, too.
type aferoFile struct {
	host *os.File
	name string
}

// fileError returns an error of an *os.File with the name that the caller knows.
func fileError(op, name string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: op, Path: name, Err: fsbackend.Cause(err)}
}

// OSFile returns the file of the system, for package fsbackend to copy and send it.
func (f *aferoFile) OSFile() *os.File { return f.host }

// Name implements afero.File.
func (f *aferoFile) Name() string { return f.name }

// Close implements afero.File.
func (f *aferoFile) Close() error { return fileError("close", f.name, f.host.Close()) }

// Read implements afero.File.
func (f *aferoFile) Read(b []byte) (int, error) {
	n, err := f.host.Read(b)
	return n, fileError("read", f.name, err)
}

// ReadAt implements afero.File.
func (f *aferoFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.host.ReadAt(b, at)
	return n, fileError("read", f.name, err)
}

// Seek implements afero.File.
func (f *aferoFile) Seek(offset int64, whence int) (int64, error) {
	at, err := f.host.Seek(offset, whence)
	return at, fileError("seek", f.name, err)
}

// Write implements afero.File.
func (f *aferoFile) Write(b []byte) (int, error) {
	n, err := f.host.Write(b)
	return n, fileError("write", f.name, err)
}

// WriteAt implements afero.File.
func (f *aferoFile) WriteAt(b []byte, at int64) (int, error) {
	n, err := f.host.WriteAt(b, at)
	return n, fileError("write", f.name, err)
}

// WriteString implements afero.File.
func (f *aferoFile) WriteString(s string) (int, error) {
	n, err := f.host.WriteString(s)
	return n, fileError("write", f.name, err)
}

// Readdir implements afero.File.
func (f *aferoFile) Readdir(n int) ([]fs.FileInfo, error) {
	infos, err := f.host.Readdir(n)
	return infos, fileError("readdir", f.name, err)
}

// Readdirnames implements afero.File.
func (f *aferoFile) Readdirnames(n int) ([]string, error) {
	names, err := f.host.Readdirnames(n)
	return names, fileError("readdir", f.name, err)
}

// Stat implements afero.File.
func (f *aferoFile) Stat() (fs.FileInfo, error) {
	fi, err := f.host.Stat()
	return fi, fileError("stat", f.name, err)
}

// Sync implements afero.File.
func (f *aferoFile) Sync() error { return fileError("sync", f.name, f.host.Sync()) }

// Truncate implements afero.File.
func (f *aferoFile) Truncate(size int64) error {
	return fileError("truncate", f.name, f.host.Truncate(size))
}
