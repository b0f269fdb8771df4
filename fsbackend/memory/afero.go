package memory

import (
	"io/fs"
	"os"
	"path"
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

// Create opens name as os.Create does.
func (m *Fs) Create(name string) (afero.File, error) {
	return m.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open opens a file or a directory for reading.
func (m *Fs) Open(name string) (afero.File, error) { return m.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile opens as open(2) does.
func (m *Fs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.open(clean(name), flag, perm)
	if err != nil {
		return nil, fail("open", name, err)
	}
	return m.handle(n, name, flag), nil
}

func (m *Fs) open(name string, flag int, perm fs.FileMode) (*node, error) {
	n, err := m.find(name)
	switch {
	case err == syscall.ENOENT && flag&os.O_CREATE != 0:
		dir, segment, _, err := m.place(name)
		if err != nil {
			return nil, err
		}
		n = m.newNode(perm.Perm())
		m.link(dir, segment, n)
		return n, nil
	case err != nil:
		return nil, err
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, syscall.EEXIST
	case n.members != nil && flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC) != 0:
		return nil, syscall.EISDIR
	case flag&os.O_TRUNC != 0:
		return n, m.truncate(n, 0)
	}
	return n, nil
}

// Mkdir makes one directory.
func (m *Fs) Mkdir(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fail("mkdir", name, m.mkdir(clean(name), perm))
}

// MkdirAll makes the directories on the way to name, and name, where they are missing.
func (m *Fs) MkdirAll(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fail("mkdir", name, m.mkdirAll(clean(name), perm))
}

func (m *Fs) mkdirAll(name string, perm fs.FileMode) error {
	n, err := m.find(name)
	switch {
	case err == nil && n.members == nil:
		return syscall.ENOTDIR
	case err != syscall.ENOENT:
		return err
	}
	if err := m.mkdirAll(path.Dir(name), perm); err != nil {
		return err
	}
	return m.mkdir(name, perm)
}

// Remove removes a file or an empty directory.
func (m *Fs) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fail("remove", name, m.remove(clean(name), func(string) bool { return true }))
}

// RemoveAll removes name and all below it; that it does not exist is no error.
func (m *Fs) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.remove(clean(name), func(string) bool { return false })
	if err == syscall.ENOENT {
		err = nil
	}
	return fail("removeall", name, err)
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

// Chmod sets the permissions, the set-id bits and the sticky bit.
func (m *Fs) Chmod(name string, mode fs.FileMode) error {
	const settable = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	return fail("chmod", name, m.change(clean(name), func(n *node) { n.mode = n.mode&^settable | mode&settable }))
}

// Chown changes nothing: owners are not kept.
func (m *Fs) Chown(name string, _, _ int) error {
	_, err := m.Stat(name)
	return err
}

// Chtimes sets the time of the last modification, unless mtime is zero. The time of the last access
// is not kept.
func (m *Fs) Chtimes(name string, _, mtime time.Time) error {
	return fail("chtimes", name, m.change(clean(name), func(n *node) {
		if !mtime.IsZero() {
			n.mtime = mtime
		}
	}))
}
