package boltprops

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// Every value in the file is a checksum of four bytes, the version of its form, and its body. The checksum is over the
// key and all that follows: bbolt has none but for its meta pages.

// format is the version of the form of values that this program writes, and the latest that it reads. In the first one,
// entries also held identities of the files that they belonged to, and the header what they were compared with.
const (
	format         = 2
	withIdentities = 1
)

const sealed = 5 // the bytes before a body

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newValue begins a value of about n bytes, whose body is to be appended.
func newValue(n int) []byte { return append(make([]byte, 0, sealed+n), 0, 0, 0, 0, format) }

// seal puts the checksum into a value for k.
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

// unseal returns the body of the value of k.
func unseal(k, value []byte) ([]byte, error) {
	if !intact(k, value) || value[4] < withIdentities || value[4] > format {
		return nil, fmt.Errorf("entry %q: %w", k, errDamaged)
	}
	return value[sealed:], nil
}

// A body is a row of numbers (varint) and of strings, each after its length.

func appendNumber(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendString[T string | []byte](b []byte, s T) []byte {
	return append(appendNumber(b, len(s)), s...)
}

func appendTime(b []byte, t time.Time) []byte {
	return appendNumber(binary.AppendVarint(b, t.Unix()), t.Nanosecond())
}

// reader reads a body. After a mistake all that it returns is empty, and bad is set.
type reader struct {
	b     []byte
	bad   bool
	names *names // nil where nothing is read that is likely to come again
}

func (r *reader) fail() {
	r.b, r.bad = nil, true
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

// count reads how many things follow, each of which takes at least size bytes: what is made for them is no larger than
// what was read.
func (r *reader) count(size int) int {
	n := r.uint()
	if left := uint64(len(r.b)); n > left || n*uint64(size) > left {
		r.fail()
		return 0
	}
	return int(n)
}

// bytes returns the next string as it stands in the body; nil if it is empty.
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

// name is string for what comes again and again.
func (r *reader) name() string { return r.names.of(r.bytes()) }

// names gives one string for all that are equal, as far as it remembers: many resources have properties of a few names. The
// zero value is empty, nil remembers nothing.
type names struct {
	known []string
	at    int // the one that was found last: names come in the same order each time
}

// What names remembers at most: how many are looked through for each name, and how long they are.
const (
	maxNames = 32
	maxName  = 256
)

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
		r.fail() // package time does not bear what is beyond
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanoseconds))
}

// end says whether all was read, and nothing was missing.
func (r *reader) end(k []byte) error {
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("entry %q: %w", k, errDamaged)
	}
	return nil
}
