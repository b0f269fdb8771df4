// Package memory is a tree of files in memory that behaves as a POSIX file system does: a parent
// must exist, a file has no members, a rename is atomic, an open file outlives its name, an info
// does not change. Modes and owners are kept and not enforced. There are no links.
package memory

import (
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"dav207/fsbackend"
)

// Fs is a tree in memory: an afero.Fs, and with Backend a back end of the server. All methods are
// safe for concurrent use.
type Fs struct {
	mu       sync.RWMutex // guards all fields and all nodes
	root     *node
	capacity uint64 // 0 is no limit
	used     uint64 // bytes of content, that of removed files still open included
	version  uint64 // of the content that changed last
	nodes    uint64 // how many were ever created
	seed     uint64 // makes entity tags differ from those of an earlier process
}

// node is a file or a directory. The lock of its tree guards it.
type node struct {
	mode     fs.FileMode
	mtime    time.Time
	ctime    time.Time // when it last got a name, another content or other attributes
	birth    time.Time
	uid, gid int
	id       uint64
	version  uint64
	data     []byte
	shared   bool             // data is that of another file, too: see unshare
	members  map[string]*node // nil for a file
	changes  uint64           // how often the names of the members changed
	sorted   atomic.Pointer[names]
	// names are the sorted names of the members of a node, valid while changes is that of the node.
	names int // 1 while it has a name
	open  int // handles
}

// Options are the options of New. The zero value and a nil pointer have all defaults.
type Options struct {
	// Capacity limits the bytes of all files together. A write beyond it is syscall.ENOSPC. Zero
	// means no limit.
	Capacity uint64
}

// New returns an empty tree. opts may be nil.
func New(opts *Options) *Fs {
	now := time.Now()
	m := &Fs{seed: uint64(now.UnixNano())}
	if opts != nil {
		m.capacity = opts.Capacity
	}
	m.root = m.newNode(fs.ModeDir | 0o777)
	return m
}

func (m *Fs) newNode(mode fs.FileMode) *node {
	now := time.Now()
	m.nodes++
	n := &node{id: m.nodes, mode: mode, mtime: now, ctime: now, birth: now, names: 1}
	if mode.IsDir() {
		n.members = make(map[string]*node)
	} else {
		m.contentChanged(n)
	}
	return n
}

// contentChanged gives n a new version and new times.
func (m *Fs) contentChanged(n *node) {
	m.version++
	n.version = m.version
	n.modified()
}

// modified sets the times of n after a change of its content or its members.
func (n *node) modified() {
	n.mtime = time.Now()
	n.ctime = n.mtime
}

// clean returns the canonical form of a name of afero, which has the separators of the host.
func clean(name string) string {
	if name = filepath.ToSlash(name); !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	return path.Clean(name)
}

// find returns the node at name, which is canonical.
func (m *Fs) find(name string) (*node, error) {
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

// place returns the parent directory of name, its last segment, and the node there or nil.
func (m *Fs) place(name string) (dir *node, segment string, n *node, err error) {
	slash := strings.LastIndexByte(name, '/')
	segment = name[slash+1:]
	if segment == "" { // the root has no parent
		return nil, "", nil, syscall.EBUSY
	}
	if strings.IndexByte(segment, 0) >= 0 {
		return nil, "", nil, syscall.EINVAL
	}
	dir, err = m.find(name[:max(slash, 1)])
	if err == nil && dir.members == nil {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, "", nil, err
	}
	return dir, segment, dir.members[segment], nil
}

func (m *Fs) link(dir *node, segment string, n *node) {
	dir.members[segment] = n
	dir.changes++
	n.names = 1
	dir.modified()
	n.ctime = dir.ctime
}

func (m *Fs) unlink(dir *node, segment string) {
	n := dir.members[segment]
	m.unname(dir, segment)
	m.dropNode(n)
}

// unname removes a name from its directory and keeps the node.
func (m *Fs) unname(dir *node, segment string) {
	delete(dir.members, segment)
	dir.changes++
	dir.modified()
}

// dropNode releases a node without a name, and all below it.
func (m *Fs) dropNode(n *node) {
	n.names = 0
	m.release(n)
	for _, member := range n.members {
		m.dropNode(member)
	}
	if n.members != nil {
		clear(n.members)
		n.changes++
	}
}

// release frees the content of a file without a name and an open handle.
func (m *Fs) release(n *node) {
	if n.names == 0 && n.open == 0 {
		m.used -= uint64(len(n.data))
		n.data = nil
	}
}

// share gives the empty file n the content of another. The caller has checked the capacity: shared
// content counts twice, since each change copies it (see unshare).
func (m *Fs) share(n, other *node) {
	other.data = slices.Clip(other.data)
	n.data = other.data
	n.shared, other.shared = true, true
	m.used += uint64(len(n.data))
	m.contentChanged(n)
}

// unshare copies shared content before a change.
func (n *node) unshare() {
	if n.shared {
		n.data, n.shared = slices.Clone(n.data), false
	}
}

// info returns the info of n, whose last segment is name. The caller holds the lock.
func (m *Fs) info(name string, n *node) *fsbackend.Info {
	return &fsbackend.Info{Attr: m.attr(name, n)}
}

func (m *Fs) attr(name string, n *node) fsbackend.Attr {
	return fsbackend.Attr{Name: name, Size: int64(len(n.data)), Mode: n.mode, ModTime: n.mtime, ChangeTime: n.ctime,
		Birth: n.birth, ID: fsbackend.ID{Device: m.seed, Inode: n.id}, Version: n.version, Direct: true}
}

// names are the sorted names of the members of a node after so many changes.
type names struct {
	sorted  []string
	changes uint64
}

// list returns the sorted names of the members of n. It keeps them until a change: to sort them
// took an eighth of the time of a listing of a thousand.
func (m *Fs) list(n *node) []string {
	m.mu.RLock()
	if known := n.sorted.Load(); known != nil && known.changes == n.changes {
		m.mu.RUnlock()
		return slices.Clone(known.sorted)
	}
	l := &names{slices.AppendSeq(make([]string, 0, len(n.members)), maps.Keys(n.members)), n.changes}
	m.mu.RUnlock()
	slices.Sort(l.sorted) // without the lock: it may take long
	n.sorted.Store(l)
	return slices.Clone(l.sorted)
}
