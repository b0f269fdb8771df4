package fsbackend

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// Mem is a tree in memory that behaves as a POSIX file system does, so that what works here works on a disk: a parent
// must exist, a file has no members, a rename is seen whole or not at all, an open file outlives its name, a FileInfo
// does not change. Modes and owners are kept and not enforced; there are no links.
//
// All methods may be called concurrently.
type Mem struct {
	mu       sync.RWMutex // over all that follows, the nodes included
	root     *node
	capacity uint64 // 0 is no limit
	used     uint64 // bytes of content, that of removed files still open included
	version  uint64 // of the content that changed last
	seed     uint64 // keeps the ETags of this tree from those of an earlier process
}

// node is a file or a directory. It is guarded by the lock of its tree.
type node struct {
	mode     fs.FileMode
	mtime    time.Time
	ctime    time.Time // when it last got a name, another content or other attributes
	birth    time.Time
	uid, gid int
	version  uint64
	data     []byte
	shared   bool             // data is that of another file, too: see own
	members  map[string]*node // nil for a file
	changes  uint64           // how often the names of the members changed
	listed   atomic.Pointer[names]
	names    int // 1 while it stands in the tree
	open     int // handles
}

// MemoryOptions are the options of NewMemory.
type MemoryOptions struct {
	// Capacity is how many bytes all files may hold together; a write beyond is syscall.ENOSPC. The default is no limit.
	Capacity uint64
}

// Memory returns an empty tree without a limit.
func Memory() *Mem { return NewMemory(nil) }

// NewMemory returns an empty tree. opts may be nil.
func NewMemory(opts *MemoryOptions) *Mem {
	now := time.Now()
	m := &Mem{seed: uint64(now.UnixNano())}
	if opts != nil {
		m.capacity = opts.Capacity
	}
	m.root = m.newNode(fs.ModeDir | 0o777)
	return m
}

var _ afero.Fs = (*Mem)(nil)

func (m *Mem) newNode(mode fs.FileMode) *node {
	now := time.Now()
	n := &node{mode: mode, mtime: now, ctime: now, birth: now, names: 1}
	if mode.IsDir() {
		n.members = make(map[string]*node)
	} else {
		m.changed(n)
	}
	return n
}

// changed notes that the content of n is a new one.
func (m *Mem) changed(n *node) {
	m.version++
	n.version = m.version
	n.modified()
}

// modified notes that the content of n, or what it has as members, is another one from now on.
func (n *node) modified() {
	n.mtime = time.Now()
	n.ctime = n.mtime
}

// memName makes the names that afero's users pass, with the separators of the host, canonical.
func memName(name string) string { return clean(filepath.ToSlash(name)) }

// find returns the node called name, which is canonical.
func (m *Mem) find(name string) (*node, error) {
	n := m.root
	for rest := name[1:]; rest != ""; {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		if n.members == nil {
			return nil, syscall.ENOTDIR
		}
		if n = n.members[segment]; n == nil {
			return nil, syscall.ENOENT
		}
	}
	return n, nil
}

// place returns the directory that name stands or would stand in, its segment, and what is there or nil.
func (m *Mem) place(name string) (dir *node, segment string, n *node, err error) {
	parent, segment := path.Split(name)
	if segment == "" { // the root stands nowhere
		return nil, "", nil, syscall.EBUSY
	}
	if strings.IndexByte(segment, 0) >= 0 {
		return nil, "", nil, syscall.EINVAL
	}
	dir, err = m.find(clean(parent))
	if err == nil && dir.members == nil {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, "", nil, err
	}
	return dir, segment, dir.members[segment], nil
}

func (m *Mem) link(dir *node, segment string, n *node) {
	dir.members[segment] = n
	dir.changes++
	n.names = 1
	dir.modified()
	n.ctime = dir.ctime
}

func (m *Mem) unlink(dir *node, segment string) {
	n := dir.members[segment]
	m.take(dir, segment)
	m.drop(n)
}

// take removes a name and leaves what it led to.
func (m *Mem) take(dir *node, segment string) {
	delete(dir.members, segment)
	dir.changes++
	dir.modified()
}

// drop forgets a node that has lost its name, and all below it.
func (m *Mem) drop(n *node) {
	n.names = 0
	m.release(n)
	for _, member := range n.members {
		m.drop(member)
	}
	if n.members != nil {
		clear(n.members)
		n.changes++
	}
}

// release gives back the bytes of a file that neither a name nor a handle leads to.
func (m *Mem) release(n *node) {
	if n.names == 0 && n.open == 0 {
		m.used -= uint64(len(n.data))
		n.data = nil
	}
}

func memError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Name returns "Mem".
func (m *Mem) Name() string { return "Mem" }

// Mkdir makes one directory.
func (m *Mem) Mkdir(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return memError("mkdir", name, m.mkdir(memName(name), perm))
}

func (m *Mem) mkdir(name string, perm fs.FileMode) error {
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
func (m *Mem) MkdirAll(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	whole := memName(name)
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
			return memError("mkdir", name, err)
		}
	}
	return nil
}

// Remove removes a file or an empty directory.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, segment, n, err := m.place(memName(name))
	switch {
	case err != nil:
	case n == nil:
		err = syscall.ENOENT
	case len(n.members) > 0:
		err = syscall.ENOTEMPTY
	default:
		m.unlink(dir, segment)
	}
	return memError("remove", name, err)
}

// RemoveAll removes name and all below it; that it does not exist is no error.
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, segment, n, err := m.place(memName(name))
	if err == syscall.ENOENT || err == nil && n == nil {
		return nil
	}
	if err != nil {
		return memError("removeall", name, err)
	}
	m.unlink(dir, segment)
	return nil
}

// Rename moves a file or a directory as rename(2) does: a file replaces a file, a directory an empty directory, and all
// else is refused with what that says: EISDIR, ENOTDIR, ENOTEMPTY, EINVAL.
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.rename(memName(oldName), memName(newName)); err != nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	return nil
}

func (m *Mem) rename(from, to string) error {
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
	toDir, toSegment, there, err := m.place(to)
	if err != nil {
		return err
	}
	if there != nil {
		switch {
		case n.members == nil && there.members != nil:
			return syscall.EISDIR
		case n.members != nil && there.members == nil:
			return syscall.ENOTDIR
		case len(there.members) > 0:
			return syscall.ENOTEMPTY
		}
		m.unlink(toDir, toSegment)
	}
	m.take(fromDir, fromSegment)
	m.link(toDir, toSegment, n)
	return nil
}

// Stat describes a file or a directory as it is now; the info does not change later.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	whole := memName(name)
	n, err := m.find(whole)
	if err != nil {
		return nil, memError("stat", name, err)
	}
	return m.info(path.Base(whole), n), nil
}

// LstatIfPossible is Stat, since there are no links.
func (m *Mem) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	fi, err := m.Stat(name)
	return fi, true, err
}

// change applies f to what name leads to.
func (m *Mem) change(op, name string, f func(*node)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(memName(name))
	if err == nil {
		f(n)
		n.ctime = time.Now()
	}
	return memError(op, name, err)
}

// Chmod sets the permissions, the set-id bits and the sticky bit.
func (m *Mem) Chmod(name string, mode fs.FileMode) error {
	const settable = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	return m.change("chmod", name, func(n *node) { n.mode = n.mode&^settable | mode&settable })
}

// Chown sets the owner and the group; -1 leaves one as it is.
func (m *Mem) Chown(name string, uid, gid int) error {
	return m.change("chown", name, func(n *node) {
		if uid != -1 {
			n.uid = uid
		}
		if gid != -1 {
			n.gid = gid
		}
	})
}

// Chtimes sets the time of the last modification, unless mtime is zero. The time of the last access is not kept.
func (m *Mem) Chtimes(name string, _, mtime time.Time) error {
	return m.change("chtimes", name, func(n *node) {
		if !mtime.IsZero() {
			n.mtime = mtime
		}
	})
}

// Space tells the bytes of content and what is left of the capacity; without one it is errors.ErrUnsupported.
func (m *Mem) Space(string) (used, available uint64, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.capacity == 0 {
		return 0, 0, errors.ErrUnsupported
	}
	return m.used, m.capacity - m.used, nil
}
