package memory

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

var _ afero.Fs = (*Fs)(nil)

func fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Name implements afero.Fs.
func (m *Fs) Name() string { return "memory" }

// Mkdir makes one directory.
func (m *Fs) Mkdir(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fail("mkdir", name, m.mkdir(clean(name), perm))
}

func (m *Fs) mkdir(name string, perm fs.FileMode) error {
	dir, segment, n, err := m.place(name)
	if name == "/" || err == nil && n != nil {
		return syscall.EEXIST
	}
	if err != nil {
		return err
	}
	m.link(dir, segment, m.newNode(fs.ModeDir|perm.Perm()))
	return nil
}

// MkdirAll makes the directories on the way to name, and name, where they are missing.
func (m *Fs) MkdirAll(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	whole := clean(name)
	for i := 1; i <= len(whole); i++ {
		if i < len(whole) && whole[i] != '/' || whole == "/" {
			continue
		}
		err := m.mkdir(whole[:i], perm)
		if errors.Is(err, fs.ErrExist) {
			if n, _ := m.find(whole[:i]); n.members != nil {
				err = nil
			} else {
				err = syscall.ENOTDIR
			}
		}
		if err != nil {
			return fail("mkdir", name, err)
		}
	}
	return nil
}

// Remove removes a file or an empty directory.
func (m *Fs) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, segment, n, err := m.place(clean(name))
	switch {
	case err != nil:
	case n == nil:
		err = syscall.ENOENT
	case len(n.members) > 0:
		err = syscall.ENOTEMPTY
	default:
		m.unlink(dir, segment)
	}
	return fail("remove", name, err)
}

// RemoveAll removes name and all below it; that it does not exist is no error.
func (m *Fs) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, segment, n, err := m.place(clean(name))
	if err == syscall.ENOENT || err == nil && n == nil {
		return nil
	}
	if err != nil {
		return fail("removeall", name, err)
	}
	m.unlink(dir, segment)
	return nil
}

// Rename moves a file or a directory as rename(2) does: a file replaces a file, a directory an
// empty directory, and all else is refused with what that says: EISDIR, ENOTDIR, ENOTEMPTY, EINVAL.
func (m *Fs) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.rename(clean(oldName), clean(newName)); err != nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	return nil
}

func (m *Fs) rename(from, to string) error {
	fromDir, fromSegment, n, err := m.place(from)
	if err != nil {
		return err
	}
	if n == nil {
		return syscall.ENOENT
	}
	if from == to {
		return nil
	}
	if strings.HasPrefix(to, from+"/") {
		if n.members == nil {
			return syscall.ENOTDIR
		}
		return syscall.EINVAL
	}
	toDir, toSegment, old, err := m.place(to)
	if err != nil {
		return err
	}
	if old != nil {
		switch {
		case n.members == nil && old.members != nil:
			return syscall.EISDIR
		case n.members != nil && old.members == nil:
			return syscall.ENOTDIR
		case len(old.members) > 0:
			return syscall.ENOTEMPTY
		}
		m.unlink(toDir, toSegment)
	}
	m.unname(fromDir, fromSegment)
	m.link(toDir, toSegment, n)
	return nil
}

// Stat describes a file or a directory as it is now; the info does not change later.
func (m *Fs) Stat(name string) (fs.FileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	whole := clean(name)
	n, err := m.find(whole)
	if err != nil {
		return nil, fail("stat", name, err)
	}
	return m.info(path.Base(whole), n), nil
}

// LstatIfPossible is Stat, since there are no links.
func (m *Fs) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	fi, err := m.Stat(name)
	return fi, true, err
}

// change applies f to what name leads to.
func (m *Fs) change(op, name string, f func(*node)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(clean(name))
	if err == nil {
		f(n)
		n.ctime = time.Now()
	}
	return fail(op, name, err)
}

// Chmod sets the permissions, the set-id bits and the sticky bit.
func (m *Fs) Chmod(name string, mode fs.FileMode) error {
	const settable = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	return m.change("chmod", name, func(n *node) { n.mode = n.mode&^settable | mode&settable })
}

// Chown sets the owner and the group; -1 leaves one as it is.
func (m *Fs) Chown(name string, uid, gid int) error {
	return m.change("chown", name, func(n *node) {
		if uid != -1 {
			n.uid = uid
		}
		if gid != -1 {
			n.gid = gid
		}
	})
}

// Chtimes sets the time of the last modification, unless mtime is zero. The time of the last access
// is not kept.
func (m *Fs) Chtimes(name string, _, mtime time.Time) error {
	return m.change("chtimes", name, func(n *node) {
		if !mtime.IsZero() {
			n.mtime = mtime
		}
	})
}
