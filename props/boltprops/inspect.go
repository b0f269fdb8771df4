package boltprops

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"syscall"
)

// bbolt trusts the pages that it maps: a wrong number in one leads it round in circles or out of the file, which not every
// time is a panic that can be caught. So before it may map a file, its structure is read here, with no more trust than
// in any other input. What the entries say is not looked at: each has a checksum, and is judged when it is needed.

// layout is what a file is made of, in bytes.
type layout struct {
	used, free int64
	half       bool // one of the two meta pages is of no use
}

// checkedUnasked bounds how large a file may be to be checked at each start: some 10 ms. A larger one is checked after a
// process that did not end as it should.
const checkedUnasked = 16 << 20

// inspect checks the file before it is opened. clean says that the last process closed it.
func (s *Store) inspect(clean bool) (layout, error) {
	// A shared lock keeps writers out meanwhile; to take it, bbolt reads no more than the two pages with the metadata.
	db, file, err := s.bolt(s.file, true)
	var (
		held   *HeldError
		system *fs.PathError
		code   syscall.Errno
	)
	switch {
	case errors.As(err, &held) || errors.As(err, &system) || errors.As(err, &code):
		return layout{}, err
	case err != nil:
		return layout{}, wrong("%v", err)
	}
	defer db.Close()
	info, err := file.Stat()
	if err != nil {
		return layout{}, err
	}
	c := checker{file: file, size: info.Size()}
	if err := c.readMeta(); err != nil {
		return layout{}, err
	}
	if err := c.readFree(); err != nil {
		return layout{}, err
	}
	l := layout{used: int64(c.meta.pages) * c.meta.pageSize, free: int64(c.free) * c.meta.pageSize, half: c.metas < 2}
	if !clean || l.used-l.free <= checkedUnasked {
		err = c.bucket(c.meta.root, true)
	}
	return l, err
}

// The form of a file of bbolt, of which package internal/common there has the structs.
const (
	magic         = 0xED0CDAED
	metaVersion   = 2
	pageHeader    = 16 // id uint64, flags uint16, count uint16, overflow uint32
	metaSize      = 64
	element       = 16 // of a branch: pos, ksize uint32, page uint64; of a leaf: flags, pos, ksize, vsize uint32
	branchPage    = 1
	leafPage      = 2
	freelistPage  = 16
	bucketElement = 1 // a flag of leaf elements
	bucketSize    = 16
	noFreelist    = 1<<64 - 1
	maxDepth      = 64
)

var native = binary.NativeEndian

type checker struct {
	file    io.ReaderAt
	size    int64
	meta    meta
	metas   int    // how many of its pages are whole
	state   []byte // of each page: 0 not met yet, 1 free, 2 in use
	free    int
	buffers [][]byte // to use again
}

type meta struct {
	pageSize                    int64
	root, freelist, pages, txid uint64
}

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errDamaged}, args...)...)
}

// readMeta reads the later one of the two meta pages that is whole.
func (c *checker) readMeta() error {
	consider := func(at int64) (pageSize int64) {
		b := make([]byte, pageHeader+metaSize)
		if _, err := c.file.ReadAt(b, at); err != nil {
			return 0
		}
		b = b[pageHeader:]
		sum := fnv.New64a()
		sum.Write(b[:56])
		if native.Uint32(b) != magic || native.Uint32(b[4:]) != metaVersion || native.Uint64(b[56:]) != sum.Sum64() {
			return 0
		}
		m := meta{int64(native.Uint32(b[8:])), native.Uint64(b[16:]), native.Uint64(b[32:]), native.Uint64(b[40:]), native.Uint64(b[48:])}
		if c.metas == 0 || m.txid > c.meta.txid {
			c.meta = m
		}
		c.metas++
		return m.pageSize
	}
	if size := consider(0); size > 0 {
		consider(size)
	} else {
		for size := int64(1 << 10); size <= 1<<24 && consider(size) != size; size *= 2 {
		}
	}
	m := c.meta
	switch {
	case c.metas == 0:
		return wrong("not a state")
	case m.pageSize < 1<<10 || m.pageSize > 1<<24 || m.pageSize&(m.pageSize-1) != 0:
		return wrong("pages of %d bytes", m.pageSize)
	case m.pages < 4 || m.pages > 1<<40/uint64(m.pageSize):
		return wrong("%d pages", m.pages)
	case int64(m.pages)*m.pageSize > c.size:
		return wrong("cut short: %d of %d bytes", c.size, int64(m.pages)*m.pageSize)
	}
	c.state = make([]byte, m.pages)
	c.state[0], c.state[1] = 2, 2
	return nil
}

// readFree reads the list of free pages.
func (c *checker) readFree() error {
	if c.meta.freelist == noFreelist {
		return nil
	}
	p, err := c.page(c.meta.freelist)
	if err != nil {
		return err
	}
	defer c.release(p)
	count, ids := uint64(native.Uint16(p[10:])), p[pageHeader:]
	if count == 0xFFFF {
		count, ids = native.Uint64(ids), ids[8:]
	}
	if native.Uint16(p[8:]) != freelistPage || count > uint64(len(ids)/8) {
		return wrong("list of free pages in page %d", c.meta.freelist)
	}
	for i := range count {
		id := native.Uint64(ids[8*i:])
		if id >= c.meta.pages || c.state[id] != 0 {
			return wrong("free page %d", id)
		}
		c.state[id] = 1
	}
	c.free = int(count)
	return nil
}

// page reads a page with those that belong to it, and notes that they are in use.
func (c *checker) page(id uint64) ([]byte, error) {
	size := c.meta.pageSize
	if id >= c.meta.pages {
		return nil, wrong("page %d of %d", id, c.meta.pages)
	}
	var b []byte
	if n := len(c.buffers); n > 0 {
		b, c.buffers = c.buffers[n-1][:size], c.buffers[:n-1]
	} else {
		b = make([]byte, size)
	}
	if _, err := c.file.ReadAt(b, int64(id)*size); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	more := uint64(native.Uint32(b[12:]))
	if native.Uint64(b) != id || more >= c.meta.pages-id {
		return nil, wrong("page %d", id)
	}
	for i := id; i <= id+more; i++ {
		if c.state[i] != 0 {
			return nil, wrong("page %d has two uses", i)
		}
		c.state[i] = 2
	}
	if more > 0 {
		whole := make([]byte, int64(more+1)*size)
		if _, err := c.file.ReadAt(whole, int64(id)*size); err != nil {
			return nil, fmt.Errorf("page %d: %w", id, err)
		}
		c.release(b)
		b = whole
	}
	return b, nil
}

func (c *checker) release(b []byte) { c.buffers = append(c.buffers, b) }

// bucket checks the bucket with this root page; only one that holds others may have some in it.
func (c *checker) bucket(root uint64, others bool) error {
	return c.subtree(root, others, nil, nil, 0)
}

// subtree checks a page and those below it, whose keys are not less than from and less than to; nil is no bound.
func (c *checker) subtree(id uint64, others bool, from, to []byte, depth int) error {
	if depth > maxDepth {
		return wrong("page %d lies too deep", id)
	}
	p, err := c.page(id)
	if err != nil {
		return err
	}
	defer c.release(p)
	branch := native.Uint16(p[8:]) == branchPage
	if !branch {
		return c.leaf(p, id, others, from, to)
	}
	n := int(native.Uint16(p[10:]))
	if n == 0 || pageHeader+n*element > len(p) {
		return wrong("page %d", id)
	}
	k, err := branchKey(p, 0)
	for i := 0; i < n && err == nil; i++ {
		next := to
		if i+1 < n {
			if next, err = branchKey(p, i+1); err != nil {
				break
			}
		}
		if from != nil && bytes.Compare(k, from) < 0 || next != nil && bytes.Compare(k, next) >= 0 {
			return wrong("order of keys in page %d", id)
		}
		if err := c.subtree(native.Uint64(p[pageHeader+i*element+8:]), others, k, next, depth+1); err != nil {
			return err
		}
		k = next
	}
	return err
}

func branchKey(p []byte, i int) ([]byte, error) {
	e := pageHeader + i*element
	return part(p, e, native.Uint32(p[e:]), 0, native.Uint32(p[e+4:]))
}

// part returns size bytes of a page, pos+skip after the element at e.
func part(p []byte, e int, pos, skip, size uint32) ([]byte, error) {
	begin := uint64(e) + uint64(pos) + uint64(skip)
	if begin+uint64(size) > uint64(len(p)) {
		return nil, wrong("element beyond page %d", native.Uint64(p))
	}
	return p[begin : begin+uint64(size)], nil
}

// leaf checks a page of entries, or the part of one that a small bucket is.
func (c *checker) leaf(p []byte, id uint64, others bool, from, to []byte) error {
	n := int(native.Uint16(p[10:]))
	if native.Uint16(p[8:]) != leafPage || pageHeader+n*element > len(p) {
		return wrong("page %d", id)
	}
	last, first := from, true
	for e := pageHeader; e < pageHeader+n*element; e += element {
		flags, pos, ksize, vsize := native.Uint32(p[e:]), native.Uint32(p[e+4:]), native.Uint32(p[e+8:]), native.Uint32(p[e+12:])
		k, err := part(p, e, pos, 0, ksize)
		if err != nil {
			return err
		}
		value, err := part(p, e, pos, ksize, vsize)
		if err != nil {
			return err
		}
		order := 1
		if last != nil {
			order = bytes.Compare(k, last)
		}
		if order < 0 || order == 0 && !first || to != nil && bytes.Compare(k, to) >= 0 || flags&^bucketElement != 0 {
			return wrong("order of keys in page %d", id)
		}
		last, first = k, false
		switch {
		case flags == 0 && !others:
		case flags == 0 || !others || len(value) < bucketSize:
			return wrong("bucket %q in page %d", k, id)
		default:
			if err := c.nested(value, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// nested checks a bucket whose value is this. A small one is a page within its value.
func (c *checker) nested(value []byte, id uint64) error {
	if root := native.Uint64(value); root != 0 {
		return c.bucket(root, false)
	}
	if value = value[bucketSize:]; len(value) < pageHeader {
		return wrong("bucket in page %d", id)
	}
	return c.leaf(value, id, false, nil, nil)
}
