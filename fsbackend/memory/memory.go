// Package memory is a tree of files in memory that behaves as a POSIX file system does: a parent
// must exist, a file has no members, a rename is atomic, an open file outlives its name, an info
// does not change. Modes are kept and not enforced, owners are not kept. There are no links.
package memory

import (
	"cmp"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"dav207/fsbackend"
)

// maxFile bounds one file, so that a write far behind its end does not take all memory.
const maxFile = 1 << 34

// Fs is a tree in memory: an afero.Fs, and with Backend a back end of the server. All methods are
// safe for concurrent use.
type Fs struct {
	mu       sync.RWMutex // guards all fields, all nodes and all handles
	root     *node
	capacity uint64 // 0 is no limit
	used     uint64 // bytes of content, that of removed files still open included
	version  uint64 // of the content that changed last
	nodes    uint64 // how many were ever created
	seed     uint64 // see Options.Seed
	now      func() time.Time
	ownClock bool           // now is not time.Now
	handles  map[string]int // how many are open, by name
}

// node is a file or a directory.
type node struct {
	mode    fs.FileMode
	mtime   time.Time
	ctime   time.Time // when it last got a name, another content or other attributes
	birth   time.Time
	id      uint64
	version uint64
	data    []byte
	members map[string]*node // nil for a file
	sorted  []string         // names of the members, or nil: see names
	named   bool
	open    int // handles
}

// Options are the options of New. The zero value and a nil pointer have all defaults.
type Options struct {
	// Capacity limits the bytes of all files together. A write beyond it is syscall.ENOSPC. Zero
	// means no limit.
	Capacity uint64
	// Now is the clock of all times, safe for concurrent use. Default: time.Now.
	Now func() time.Time
	// Seed is part of all entity tags. Trees with the same seed and clock that had the same
	// changes have the same tags. Default: random, so that tags and IDs differ from those of
	// other trees and processes.
	Seed uint64
}

// New returns an empty tree. opts may be nil.
func New(opts *Options) *Fs {
	o := cmp.Or(opts, &Options{})
	m := &Fs{capacity: o.Capacity, now: time.Now, seed: o.Seed, handles: make(map[string]int)}
	if m.ownClock = o.Now != nil; m.ownClock {
		m.now = o.Now
	}
	if m.seed == 0 {
		m.seed = rand.Uint64()
	}
	m.root = m.newNode(fs.ModeDir | 0o777)
	return m
}

// Reset makes the tree what New returned: it is empty, and its entity tags begin again. Open
// handles stay.
func (m *Fs) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(m.root)
	m.version, m.nodes = 0, 0
	m.root = m.newNode(fs.ModeDir | 0o777)
}

// OpenHandles returns the sorted names of all open files, directories and uploads, a name once for
// each handle.
func (m *Fs) OpenHandles() (names []string) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, name := range slices.Sorted(maps.Keys(m.handles)) {
		names = append(names, slices.Repeat([]string{name}, m.handles[name])...)
	}
	return names
}

func (m *Fs) newNode(mode fs.FileMode) *node {
	m.nodes++
	n := &node{id: m.nodes, mode: mode}
	if mode.IsDir() {
		n.members = make(map[string]*node)
	}
	m.modified(n)
	n.birth = n.mtime
	return n
}

// modified gives n new times and a new version after a change of its content or its members.
func (m *Fs) modified(n *node) {
	n.mtime = m.now()
	n.ctime, n.sorted = n.mtime, nil
	if n.members == nil {
		m.version++
		n.version = m.version
	}
}

// clean returns the canonical form of a name of afero, which has the separators of the host.
func clean(name string) string { return path.Clean("/" + filepath.ToSlash(name)) }

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
	m.modified(dir)
	n.named, n.ctime = true, dir.ctime
}

// unlink removes a name, and the node with all below it.
func (m *Fs) unlink(dir *node, segment string) {
	n := dir.members[segment]
	delete(dir.members, segment)
	m.modified(dir)
	m.drop(n)
}

// drop releases a node without a name, and all below it.
func (m *Fs) drop(n *node) {
	n.named = false
	m.release(n)
	for _, member := range n.members {
		m.drop(member)
	}
	clear(n.members)
	n.sorted = nil
}

// names returns the sorted names of the members of n. It keeps them until a change: to sort them
// took a quarter of the time of a listing of a thousand.
func (n *node) names() []string {
	if n.sorted == nil {
		n.sorted = slices.Sorted(maps.Keys(n.members))
	}
	return slices.Clone(n.sorted)
}

// release frees the content of a file without a name and an open handle.
func (m *Fs) release(n *node) {
	if !n.named && n.open == 0 {
		m.used -= uint64(len(n.data))
		n.data = nil
	}
}

// truncate cuts or extends the content of n, as far as the capacity allows.
func (m *Fs) truncate(n *node, size int64) error {
	have := int64(len(n.data))
	switch {
	case size > maxFile:
		return syscall.EFBIG
	case size > have && m.room() < uint64(size-have):
		return syscall.ENOSPC
	case size > have:
		n.data = append(n.data, make([]byte, size-have)...)
	case size == 0:
		n.data = nil
	default:
		clear(n.data[size:]) // a later extension finds zeros
		n.data = n.data[:size]
	}
	m.used += uint64(size) - uint64(have)
	m.modified(n)
	return nil
}

func (m *Fs) room() uint64 {
	if m.capacity == 0 {
		return maxFile
	}
	return m.capacity - m.used
}

// write writes p at off, as much of it as the capacity allows.
func (m *Fs) write(n *node, p []byte, off int64) (int, error) {
	if off > maxFile-int64(len(p)) {
		return 0, syscall.EFBIG
	}
	var short error
	if free := m.room() + uint64(len(n.data)); free < uint64(off)+uint64(len(p)) {
		short = syscall.ENOSPC
		p = p[:max(0, int64(free)-off)]
	}
	if len(p) == 0 {
		return 0, short
	}
	if end := off + int64(len(p)); end > int64(len(n.data)) {
		if err := m.truncate(n, end); err != nil {
			return 0, err
		}
	}
	copy(n.data[off:], p)
	m.modified(n)
	return len(p), short
}

// remove removes a file, or a directory without members.
func (m *Fs) remove(name string, isMember func(name string) bool) error {
	dir, segment, n, err := m.place(name)
	if err != nil {
		return err
	}
	if n == nil {
		return syscall.ENOENT
	}
	for member := range n.members {
		if isMember(member) {
			return syscall.ENOTEMPTY
		}
	}
	m.unlink(dir, segment)
	return nil
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
	if n.members != nil && strings.HasPrefix(to, from+"/") {
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
	delete(fromDir.members, fromSegment)
	m.modified(fromDir)
	m.link(toDir, toSegment, n)
	return nil
}

// change applies f to what name leads to.
func (m *Fs) change(name string, f func(*node)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(name)
	if err != nil {
		return err
	}
	f(n)
	n.ctime = m.now()
	return nil
}

// info returns the info of n, whose last segment is name.
func (m *Fs) info(name string, n *node) *fsbackend.Info {
	changed := n.ctime
	if m.ownClock && changed.Unix() >= m.now().Unix() {
		// A date is a strong validator only after its second (RFC 9110 §8.8.2.2). The server, which
		// has the clock of the machine, cannot know that this second of the tree's clock lasts.
		changed = time.Time{}
	}
	return &fsbackend.Info{Attr: fsbackend.Attr{Name: name, Size: int64(len(n.data)), Mode: n.mode, ModTime: n.mtime,
		ChangeTime: changed, Birth: n.birth, ID: fsbackend.ID{Device: m.seed, Inode: n.id}, Version: n.version, Direct: true}}
}
