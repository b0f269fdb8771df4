package boltprops

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"

	"go.etcd.io/bbolt"
)

// bbolt trusts the pages that it maps. A wrong number in a page makes it read beyond the file,
// which is a fault, or recurse for ever, and both can end the process. Its own Check does so too,
// and in a goroutine where nothing can be recovered. So check reads the whole file without bbolt.

// check returns the format of the file. It returns an error if the file is no state, is of a later
// version, or is damaged. It logs damaged entries.
func (s *Store) check(st *state) (version int, err error) {
	meta, intact := readMeta(st.file)
	if meta == nil {
		return 0, wrong("without its first pages")
	}
	if intact < 2 {
		s.log.Warn("one of the two first pages of the state is damaged: what was changed last may be missing", "file", s.file)
	}
	pages := order.Uint64(meta[40:])
	if size := st.opened.Size(); uint64(size)/pageSize < pages {
		return 0, wrong("cut short: %d bytes of %d pages", size, pages)
	}
	c := checker{file: st.file, seen: make([]bool, pages)}
	c.seen[0], c.seen[1] = true, true
	if err := c.tree(order.Uint64(meta[16:]), new([]byte)); err != nil {
		return 0, err
	}
	if err := c.freelist(order.Uint64(meta[32:])); err != nil {
		return 0, err
	}
	if id := slices.Index(c.seen, false); id >= 0 {
		return 0, wrong("page %d is neither used nor free", id)
	}
	s.size = c.size
	if c.damaged > 0 {
		s.log.Warn("entries of the state are damaged: what needs them fails", "file", s.file, "entries", c.damaged)
	}
	err = st.db.View(func(tx *bbolt.Tx) (err error) {
		version, err = s.formatOf(tx)
		return err
	})
	return version, err
}

// Check returns nil if the state works: it can be read, it is the file with its name, and the last
// write of locks succeeded. It changes nothing, and is cheap.
func (s *Store) Check(ctx context.Context) error {
	if err := s.locksFailed(); err != nil {
		return err
	}
	err := s.view(ctx, func(t *txn) error {
		if t.tx == nil {
			return nil // there is no file yet
		}
		if _, err := s.formatOf(t.tx); err != nil {
			return err
		}
		info, err := s.state.Load().file.Stat()
		if err == nil && info.Size() < t.tx.Size() {
			return wrong("it was cut short")
		}
		return err
	})
	st := s.state.Load()
	if err != nil || st == nil {
		return err
	}
	if _, err := os.Lstat(s.file); err != nil {
		return err
	}
	return s.checkInPlace(st)
}

// Size returns the size of the file in bytes, 0 as long as there is none. It does not wait for the
// disk.
func (s *Store) Size() int64 { return s.fileSize.Load() }

// measure is called after each change of the size.
func (s *Store) measure(st *state) {
	if info, err := st.file.Stat(); err == nil {
		s.fileSize.Store(info.Size())
	}
}

// formatOf returns the format in the header, and checks that all buckets exist.
func (s *Store) formatOf(tx *bbolt.Tx) (version int, err error) {
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return 0, wrong("without %s", name)
		}
	}
	version, err = decodeHeader(tx.Bucket(metaBucket).Get(headerKey))
	if err == nil && version > format {
		err = fmt.Errorf("state %s has format %d, and this version knows no later one than %d: use the version that wrote it, or another file", s.file, version, format)
	}
	return version, err
}

// wrong returns an error that wraps errDamaged.
func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errDamaged}, args...)...)
}

// A page begins with its number (8 bytes), type (2), number of elements (2), and the number of
// pages that it continues in (4). The elements of a tree have 16 bytes each.
const (
	header       = 16
	branchType   = 1
	leafType     = 2
	freelistType = 16
)

var order = binary.NativeEndian

// readMeta returns the content of the meta page that counts, nil if there is none, and how many of
// the two are intact. Commits write them in turn. Each ends with a checksum; if one is damaged
// bbolt silently uses the other, which may be older by one commit.
func readMeta(file io.ReaderAt) (meta []byte, intact int) {
	const txid, checked, size = 48, 56, 64
	for page := range int64(2) {
		b := make([]byte, size)
		if _, err := file.ReadAt(b, page*pageSize+header); err != nil {
			continue
		}
		sum := fnv.New64a()
		sum.Write(b[:checked])
		if order.Uint64(b[checked:]) != sum.Sum64() {
			continue
		}
		if intact++; meta == nil || order.Uint64(b[txid:]) > order.Uint64(meta[txid:]) {
			meta = b
		}
	}
	return meta, intact
}

// checker checks the structure of a file.
type checker struct {
	file    io.ReaderAt
	seen    []bool // by number of the page: it is used or free
	size    int64  // of all entries
	damaged int    // entries with a wrong checksum: they fail only the calls that need them
}

// see marks a page as used or free, which it can be once.
func (c *checker) see(id uint64) error {
	if id >= uint64(len(c.seen)) || c.seen[id] {
		return wrong("page %d", id)
	}
	c.seen[id] = true
	return nil
}

// page reads the page id, and those that it continues in.
func (c *checker) page(id uint64) ([]byte, error) {
	b := make([]byte, header)
	if _, err := c.file.ReadAt(b, int64(id)*pageSize); err != nil || order.Uint64(b) != id {
		return nil, wrong("page %d (%v)", id, err)
	}
	end := id + uint64(order.Uint32(b[12:]))
	for i := id; i <= end; i++ {
		if err := c.see(i); err != nil {
			return nil, err
		}
	}
	b = make([]byte, (end-id+1)*pageSize)
	_, err := c.file.ReadAt(b, int64(id)*pageSize)
	return b, err
}

// tree checks the page id of a tree, and all pages below it. last is the key before it.
func (c *checker) tree(id uint64, last *[]byte) error {
	b, err := c.page(id)
	if err != nil {
		return err
	}
	return c.node(b, last)
}

// node checks the content of a page of a tree. An element of a branch page is the offset and the
// length of its key, and the number of the child page. One of a leaf page is its flags, the offset
// and the length of its key, and the length of the value, which follows the key.
func (c *checker) node(b []byte, last *[]byte) error {
	kind, count := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	if kind != leafType && (kind != branchType || count == 0) || header+16*count > len(b) {
		return wrong("a page of type %d with %d elements", kind, count)
	}
	for e := b[header:]; count > 0; e, count = e[16:], count-1 {
		sizes, size := e, uint64(0)
		if kind == leafType {
			sizes, size = e[4:], uint64(order.Uint32(e[12:]))
		}
		from := uint64(order.Uint32(sizes))
		to := from + uint64(order.Uint32(sizes[4:]))
		if to+size > uint64(len(e)) || bytes.Compare(e[from:to], *last) < 0 {
			return wrong("the key after %q", *last)
		}
		*last = e[from:to]
		var err error
		if kind == branchType {
			err = c.tree(order.Uint64(e[8:]), last)
		} else {
			err = c.value(order.Uint32(e), *last, e[to:to+size])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// value checks the value of k. That of a bucket is the number of its page and a sequence, both of 8
// bytes. If the number is zero the page itself follows.
func (c *checker) value(flags uint32, k, value []byte) error {
	const bucket, inline = 1, 16
	if flags == 0 {
		c.size += entrySize(k, value)
	}
	switch {
	case flags == 0 && !intact(k, value):
		c.damaged++
		return nil
	case flags == 0:
		return nil
	case flags != bucket || len(value) < inline:
		return wrong("key %q", k)
	}
	if root := order.Uint64(value); root != 0 || len(value) < inline+header {
		return c.tree(root, new([]byte))
	}
	return c.node(value[inline:], new([]byte))
}

// freelist checks the list of free pages: their numbers. If there are too many to be counted in two
// bytes, their number comes first.
func (c *checker) freelist(id uint64) error {
	b, err := c.page(id)
	if err != nil {
		return err
	}
	kind, count := order.Uint16(b[8:]), uint64(order.Uint16(b[10:]))
	if b = b[header:]; count == 0xffff {
		count, b = order.Uint64(b), b[8:]
	}
	if kind != freelistType || count > uint64(len(b)/8) {
		return wrong("the list of free pages")
	}
	for i := range count {
		if err := c.see(order.Uint64(b[8*i:])); err != nil {
			return err
		}
	}
	return nil
}
