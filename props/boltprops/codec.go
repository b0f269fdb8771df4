package boltprops

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// Each value in the file is a checksum of four bytes, the version of its format, and a body. The
// checksum covers the key, the version and the body: bbolt has checksums for its meta pages alone.

// format is the version of values that this program writes, and the latest that it reads. In
// version 1 entries and the header also held identities of files (inodes), which are ignored.
const (
	format         = 2
	withIdentities = 1
)

const sealed = 5 // bytes before the body

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newValue returns a value without a body, with room for one of n bytes. Callers append the body
// and call seal.
func newValue(n int) []byte { return append(make([]byte, 0, sealed+n), 0, 0, 0, 0, format) }

// seal sets the checksum of the value of k.
func seal(k, value []byte) []byte {
	binary.LittleEndian.PutUint32(value, checksum(k, value))
	return value
}

func checksum(k, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(k, castagnoli), castagnoli, value[4:])
}

func intact(k, value []byte) bool {
	return len(value) >= sealed && binary.LittleEndian.Uint32(value) == checksum(k, value)
}

// unseal checks the value of k and returns its body.
func unseal(k, value []byte) ([]byte, error) {
	if !intact(k, value) || value[4] < withIdentities || value[4] > format {
		return nil, fmt.Errorf("entry %q: %w", k, errDamaged)
	}
	return value[sealed:], nil
}

// A body is a sequence of varints and of strings, each preceded by its length.

func appendNumber(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendString[T string | []byte](b []byte, s T) []byte {
	return append(appendNumber(b, len(s)), s...)
}

func appendTime(b []byte, t time.Time) []byte {
	return appendNumber(binary.AppendVarint(b, t.Unix()), t.Nanosecond())
}

// reader decodes a body. After the first error bad is set, and all methods return zero values.
type reader struct {
	b     []byte
	bad   bool
	names *names // may be nil
}

func (r *reader) fail() {
	r.b, r.bad = nil, true
}

func (r *reader) uint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 { // nearly all: binary.Uvarint takes 2 % of a listing
		n := r.b[0]
		r.b = r.b[1:]
		return uint64(n)
	}
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

// count reads the number of items that follow, each of at least size bytes. It fails if the body is
// too short for them: so callers can allocate that many.
func (r *reader) count(size int) int {
	n := r.uint()
	if left := uint64(len(r.b)); n > left || n*uint64(size) > left {
		r.fail()
		return 0
	}
	return int(n)
}

// bytes reads a string and returns it as a part of the body; nil if it is empty.
func (r *reader) bytes() []byte {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) string() string { return string(r.bytes()) }

// name reads a string that is likely to be repeated, such as the name of a property.
func (r *reader) name() string { return r.names.of(r.bytes()) }

// names caches strings, so that the names of the properties of a listing are not allocated for each
// member: without it a listing with two dead properties on each file takes 15 % longer. The zero
// value is empty. A nil *names caches nothing.
type names struct {
	known []string
	at    int // index of the last hit: members have the same names in the same order
}

// The limits of names: the number of strings, and the length of each.
const (
	maxNames = 32
	maxName  = 256
)

// of returns name as a string.
func (n *names) of(name []byte) string {
	if n == nil || len(name) == 0 || len(name) > maxName {
		return string(name)
	}
	for range n.known {
		if n.at++; n.at >= len(n.known) {
			n.at = 0
		}
		if n.known[n.at] == string(name) {
			return n.known[n.at]
		}
	}
	if len(n.known) == maxNames {
		n.known = n.known[:0]
	}
	n.known, n.at = append(n.known, string(name)), len(n.known)
	return n.known[n.at]
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) time() time.Time {
	seconds, nanoseconds := r.int(), r.uint()
	if nanoseconds >= uint64(time.Second) || seconds > math.MaxInt64/2 || seconds < math.MinInt64/2 {
		r.fail() // out of the range of package time
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanoseconds))
}

// end returns an error unless the whole body was read without an error. k is its key.
func (r *reader) end(k []byte) error {
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("entry %q: %w", k, errDamaged)
	}
	return nil
}
