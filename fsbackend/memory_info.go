package fsbackend

import (
	"context"
	"io/fs"
	"time"
)

// memInfo describes a node at one moment.
type memInfo struct {
	name    string
	size    int64
	mode    fs.FileMode
	mtime   time.Time
	ctime   time.Time
	birth   time.Time
	seed    uint64
	version uint64
	node    *node // compared only
}

// info is called with the lock held.
func (m *Mem) info(name string, n *node) *memInfo {
	i := new(memInfo)
	m.describe(i, name, n)
	return i
}

// describe is called with the lock held.
func (m *Mem) describe(i *memInfo, name string, n *node) {
	*i = memInfo{name, int64(len(n.data)), n.mode, n.mtime, n.ctime, n.birth, m.seed, n.version, n}
}

func (i *memInfo) Name() string            { return i.name }
func (i *memInfo) Size() int64             { return i.size }
func (i *memInfo) Mode() fs.FileMode       { return i.mode }
func (i *memInfo) ModTime() time.Time      { return i.mtime }
func (i *memInfo) IsDir() bool             { return i.mode.IsDir() }
func (i *memInfo) Sys() any                { return nil }
func (i *memInfo) CreationTime() time.Time { return i.birth }
func (i *memInfo) ChangeTime() time.Time   { return i.ctime }

// ETag implements webdav.ETager: no two contents of a tree ever have the same one.
func (i *memInfo) ETag(context.Context) (string, error) { return etager(i) }

func (i *memInfo) appendTag(b []byte) ([]byte, bool) {
	if i.IsDir() {
		return b, false
	}
	return appendTag(b, i.seed, i.version), true
}

// SameFile reports whether other describes the same node.
func (i *memInfo) SameFile(other fs.FileInfo) bool {
	o, ok := other.(*memInfo)
	return ok && o.node == i.node
}
