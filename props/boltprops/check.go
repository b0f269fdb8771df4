package boltprops

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
)

// bbolt trusts the pages that it maps: a wrong number in one leads it out of the file, which is a panic or a fault that this
// package can catch in its own goroutine, or round in circles, which ends the process. bbolt's Check finds all of that, but
// in a goroutine of its own, where no fault can be caught: so what it could stumble over is looked for before.

// checkedAlways bounds how large a file may be to be checked at each start: some 10 ms. A larger one is checked only where the
// last process did not close it.
const checkedAlways = 16 << 20

// inspect returns the format of the file, and refuses one that is no state, is of a later version or is damaged. It does not
// change the file.
func (s *Store) inspect(info fs.FileInfo) (version int, err error) {
	_, err = s.dir.Lstat(s.ownerFile())
	closed := errors.Is(err, fs.ErrNotExist)
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
			if closed && version == format && info.Size() > checkedAlways {
				return nil
			}
			return s.check(tx, file)
		})
	})
	if err == nil && oneMeta(file) {
		s.log.Warn("one of the two first pages of the state is damaged: what was changed last may be missing", "file", s.file)
	}
	if began {
		s.guarded(db.Close)
	} else {
		file.Close() // bbolt may have kept locks that its Close would wait for
	}
	return version, err
}

// formatOf reads the header.
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

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errDamaged}, args...)...)
}

// oneMeta reports whether one of the two first pages of the file, which each commit writes in turn, is of no use. bbolt then
// takes the other one without a word. Each ends with a checksum.
func oneMeta(file *os.File) bool {
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

// check returns what is wrong with the structure of the file.
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
	for err := range tx.Check() { // all of them: its goroutine must have ended before the file is unmapped
		if first == nil {
			first = wrong("%v", err)
		}
	}
	return first
}

// checkPages looks at all pages in their order in the file, and makes sure that the branches among them make no circle.
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
			// After the header of 16 bytes each element has 16: where its key is and how long, and the number of a page.
			b := make([]byte, (p.OverflowCount+1)*pageSize)
			if _, err := file.ReadAt(b, int64(id)*pageSize); err != nil {
				return err
			}
			for at := 16; at < 16+16*p.Count; at += 16 {
				if at+16 > len(b) {
					return wrong("page %d", id)
				}
				key, size := int(binary.NativeEndian.Uint32(b[at:])), int(binary.NativeEndian.Uint32(b[at+4:]))
				child := binary.NativeEndian.Uint64(b[at+8:])
				if at+key+size > len(b) || child < 2 || child >= uint64(pages) || parents[child] != 0 {
					return wrong("page %d leads to page %d", id, child)
				}
				parents[child] = id
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

// checkKeys reads all keys and values: what lies outside of the file is a fault here, and not in the goroutine of Check. It
// returns how many entries do not have their checksum, which is the trouble of those requests that need them.
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
