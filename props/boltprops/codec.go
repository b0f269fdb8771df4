package boltprops

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/locks"
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

// newValue returns a value without a body. Callers append the body and call seal.
func newValue() []byte { return append(make([]byte, 0, 128), 0, 0, 0, 0, format) }

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

func appendAttr(b []byte, attr []xml.Attr) []byte {
	b = appendNumber(b, len(attr))
	for i := range attr {
		b = appendString(b, attr[i].Name.Space)
		b = appendString(b, attr[i].Name.Local)
		b = appendString(b, attr[i].Value)
	}
	return b
}

// reader decodes a body. After the first error bad is set, and all methods return zero values.
type reader struct {
	b   []byte
	bad bool
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

func (r *reader) int() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

// count reads the number of items that follow, each of at least one byte. It fails if the body is
// too short for them.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

// bytes reads a string and returns it as a part of the body; nil if it is empty.
func (r *reader) bytes() []byte {
	n := r.count()
	if n == 0 {
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) string() string { return string(r.bytes()) }

func (r *reader) time() time.Time {
	seconds, nanoseconds := r.int(), r.uint()
	if nanoseconds >= uint64(time.Second) || seconds > math.MaxInt64/2 || seconds < math.MinInt64/2 {
		r.fail() // out of the range of package time
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanoseconds))
}

func (r *reader) attr() []xml.Attr {
	var attr []xml.Attr
	for range r.count() {
		attr = append(attr, xml.Attr{Name: xml.Name{Space: r.string(), Local: r.string()}, Value: r.string()})
	}
	return attr
}

// path reads a path that was written with Path.String.
func (r *reader) path() davpath.Path {
	name := r.string()
	p, err := davpath.Clean(name)
	if err != nil || p.String() != name {
		r.fail()
	}
	return p
}

// end returns an error unless the whole body was read without an error. k is its key.
func (r *reader) end(k []byte) error {
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("entry %q: %w", k, errDamaged)
	}
	return nil
}

// The header holds the format of the file, and has no body.
var headerKey = []byte("header")

func encodeHeader() []byte { return seal(headerKey, newValue()) }

// decodeHeader returns the format of the file, which may be unknown.
func decodeHeader(value []byte) (version int, err error) {
	if !intact(headerKey, value) || value[4] < withIdentities {
		return 0, fmt.Errorf("header: %w", errDamaged)
	}
	return int(value[4]), nil
}

const orphaned = 1 // flag: Orphaned follows

// encode returns e as the value of k, without its path.
func encode(k []byte, e props.Entry) []byte {
	b := newValue()
	if e.Orphaned.IsZero() {
		b = append(b, 0)
	} else {
		b = appendTime(append(b, orphaned), e.Orphaned)
	}
	b = appendNumber(b, len(e.Properties))
	for i := range e.Properties {
		p := &e.Properties[i]
		b = appendString(b, p.XMLName.Space)
		b = appendString(b, p.XMLName.Local)
		b = appendString(b, p.Lang)
		b = appendAttr(b, p.Attr)
		b = appendString(b, p.InnerXML)
	}
	return seal(k, b)
}

// lastEntry holds the properties that decode returned last, to be written over, and how each was
// encoded up to its content. Most members of a collection have the same properties: a listing with
// two on each file takes 4 % longer without it.
type lastEntry struct {
	properties []props.Property
	heads      [][]byte
}

// decode decodes the value of k. InnerXML of the properties is a part of value. last may be empty.
// Its properties are written over.
func decode(k, value []byte, last *lastEntry) (e props.Entry, err error) {
	body, err := unseal(k, value)
	if err != nil {
		return props.Entry{}, err
	}
	r := reader{b: body}
	switch r.uint() {
	case 0:
	case orphaned:
		e.Orphaned = r.time()
	default:
		r.fail()
	}
	if value[4] == withIdentities {
		r.uint()
		for range r.count() {
			r.bytes()
		}
	}
	count := r.count()
	if count == 0 { // an entry without properties is never written
		r.fail()
	}
	if more := count - len(last.properties); more > 0 {
		last.properties = append(last.properties, make([]props.Property, more)...)
		last.heads = append(last.heads, make([][]byte, more)...)
	}
	e.Properties = last.properties[:count]
	for i := range e.Properties {
		p, head, from := &e.Properties[i], last.heads[i], r.b
		if len(head) > 0 && bytes.HasPrefix(from, head) {
			r.b = from[len(head):]
		} else {
			p.XMLName.Space, p.XMLName.Local, p.Lang, p.Attr = r.string(), r.string(), r.string(), r.attr()
			last.heads[i] = append(head[:0], from[:len(from)-len(r.b)]...)
		}
		p.InnerXML = r.bytes()
	}
	if err := r.end(k); err != nil {
		*last = lastEntry{} // it may have parts of a damaged entry
		return props.Entry{}, err
	}
	return e, nil
}

const (
	lockInfinite = 1 << iota
	lockShared
	lockOwner // Owner is not nil, but may be empty
	lockFlags = 1<<iota - 1
)

// encodeLock returns l as the value of its token.
func encodeLock(l *locks.Lock) []byte {
	flags := byte(0)
	if l.Infinite {
		flags |= lockInfinite
	}
	if l.Shared {
		flags |= lockShared
	}
	if l.Owner != nil {
		flags |= lockOwner
	}
	b := append(newValue(), flags)
	b = appendString(b, l.Root.String())
	b = appendString(b, l.Principal)
	b = binary.AppendVarint(b, int64(l.Timeout))
	b = appendTime(b, l.Expires)
	b = appendString(b, l.Owner)
	b = appendAttr(b, l.OwnerAttr)
	b = appendString(b, l.OwnerLang)
	return seal([]byte(l.Token), b)
}

// decodeLock decodes the value of the token k. The lock shares no memory with value.
func decodeLock(k, value []byte) (locks.Lock, error) {
	body, err := unseal(k, value)
	if err != nil {
		return locks.Lock{}, err
	}
	r := reader{b: body}
	flags := r.uint()
	l := locks.Lock{
		Token:     string(k),
		Root:      r.path(),
		Infinite:  flags&lockInfinite != 0,
		Shared:    flags&lockShared != 0,
		Principal: r.string(),
		Timeout:   time.Duration(r.int()),
		Expires:   r.time(),
	}
	if owner := r.bytes(); flags&lockOwner != 0 {
		l.Owner = append([]byte{}, owner...)
	}
	l.OwnerAttr, l.OwnerLang = r.attr(), r.string()
	if flags&^lockFlags != 0 {
		r.fail()
	}
	if err := r.end(k); err != nil {
		return locks.Lock{}, err
	}
	return l, nil
}
