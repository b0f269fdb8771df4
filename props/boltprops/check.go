package boltprops

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"go.etcd.io/bbolt"
)

// bbolt trusts the pages that it maps. A wrong number in a page makes it read beyond the file,
// which is a panic or a fault that guarded can recover in its own goroutine, or recurse for ever,
// which ends the process. bbolt's Check finds all damage, but in a goroutine of its own, where
// faults cannot be recovered. So checkPages and checkKeys first find the damage that Check would
// not survive.

// inspect returns the format of the file. It returns an error if the file is no state, is of a
// later version, or is damaged. It does not change the file.
func (s *Store) inspect() (version int, err error) {
	db, file, err := s.bolt(s.base(), os.O_RDONLY) // a shared lock keeps writers out
	if err != nil {
		return 0, err
	}
	began := false
	_, err = s.attempt(func() error {
		return db.View(func(tx *bbolt.Tx) (err error) {
			began = true
			if version, err = s.formatOf(tx); err != nil {
				return err
			}
			return s.check(tx, file)
		})
	})
	if err == nil && damagedMeta(file) {
		s.log.Warn("one of the two first pages of the state is damaged: what was changed last may be missing", "file", s.file)
	}
	if began {
		s.guarded(db.Close)
	} else {
		file.Close() // bbolt's Close may block
	}
	return version, err
}

// formatOf returns the format in the header, and checks that all buckets exist.
func (s *Store) formatOf(tx *bbolt.Tx) (version int, err error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return 0, wrong("not a state")
	}
	version, err = decodeHeader(meta.Get(headerKey))
	if err == nil && version > format {
		return 0, &NewerError{s.file, version, format}
	}
	for _, name := range buckets {
		if err == nil && tx.Bucket(name) == nil {
			err = wrong("without %s", name)
		}
	}
	return version, err
}

// wrong returns an error that wraps errDamaged.
func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errDamaged}, args...)...)
}

// damagedMeta reports whether one of the two meta pages is damaged, which commits write in turn.
// bbolt silently uses the other one, which may be older by one commit. Each ends with a checksum.
func damagedMeta(file *os.File) bool {
	const header, checked, size = 16, 56, 64
	for page := range int64(2) {
		var b [header + size]byte
		if _, err := file.ReadAt(b[:], page*pageSize); err != nil {
			return true
		}
		sum := fnv.New64a()
		sum.Write(b[header : header+checked])
		if binary.NativeEndian.Uint64(b[header+checked:]) != sum.Sum64() {
			return true
		}
	}
	return false
}

// check returns an error if the structure of the file is damaged. It logs damaged entries.
func (s *Store) check(tx *bbolt.Tx, file *os.File) error {
	if info, err := file.Stat(); err != nil {
		return err
	} else if info.Size() < tx.Size() {
		return wrong("cut short: %d of %d bytes", info.Size(), tx.Size())
	}
	if err := checkPages(tx, file); err != nil {
		return err
	}
	damaged, err := checkKeys(tx)
	if err != nil {
		return err
	}
	if damaged > 0 {
		s.log.Warn("entries of the state are damaged: what needs them fails", "file", s.file, "entries", damaged)
	}
	var first error
	for err := range tx.Check() { // to the end: its goroutine must end before the file is unmapped
		if first == nil {
			first = wrong("%v", err)
		}
	}
	return first
}

// checkPages checks the headers of all pages, in the order of the file, and that no branch page is
// its own ancestor. Overflow pages have no header, so the order cannot be another.
func checkPages(tx *bbolt.Tx, file io.ReaderAt) error {
	pages := int(tx.Size() / pageSize)
	parents := make([]int, pages)
	var branches []int
	for id := 2; id < pages; {
		p, err := tx.Page(id)
		switch {
		case err != nil:
			return err
		case p.Type == "free":
			id++
			continue
		case p.Type != "branch" && p.Type != "leaf" && p.Type != "freelist", p.OverflowCount >= pages-id:
			return wrong("page %d", id)
		case p.Type == "branch":
			branches = append(branches, id)
			if err := checkBranch(file, id, (p.OverflowCount+1)*pageSize, p.Count, parents); err != nil {
				return err
			}
		}
		id += 1 + p.OverflowCount
	}
	for _, id := range branches {
		for depth := 0; id != 0; id = parents[id] {
			if depth++; depth > 64 {
				return wrong("page %d leads to itself", id)
			}
		}
	}
	return nil
}

// checkBranch checks the elements of the branch page id, which is size bytes long, and sets the
// parents of its child pages.
func checkBranch(file io.ReaderAt, id, size, count int, parents []int) error {
	b := make([]byte, size)
	if _, err := file.ReadAt(b, int64(id)*pageSize); err != nil {
		return err
	}
	// A header of 16 bytes, and for each element 16 bytes: offset and length of its key, and the
	// number of the child page.
	for at := 16; at < 16+16*count; at += 16 {
		if at+16 > len(b) {
			return wrong("page %d", id)
		}
		key, length := int(binary.NativeEndian.Uint32(b[at:])), int(binary.NativeEndian.Uint32(b[at+4:]))
		child := binary.NativeEndian.Uint64(b[at+8:])
		if at+key+length > len(b) || child < 2 || child >= uint64(len(parents)) || parents[child] != 0 {
			return wrong("page %d leads to page %d", id, child)
		}
		parents[child] = id
	}
	return nil
}

// checkKeys reads all keys and values, so that one beyond the file is a fault in this goroutine. It
// returns the number of entries with a wrong checksum: these fail only the calls that need them.
func checkKeys(tx *bbolt.Tx) (damaged int, err error) {
	err = tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		var last []byte
		return b.ForEach(func(k, value []byte) error {
			switch {
			case last != nil && bytes.Compare(last, k) >= 0:
				return wrong("order of keys in %s", name)
			case value == nil || len(k) > bbolt.MaxKeySize:
				return wrong("key in %s", name)
			case !intact(k, value):
				damaged++
			}
			last = k
			return nil
		})
	})
	return damaged, err
}
