package boltprops

import (
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"time"

	"dav207/props"
)

// header is what the file says of itself.
type header struct {
	// epoch counts the trees that the state has come through: see Options.Root. The identities of an entry count only if
	// they were written in the same epoch.
	epoch uint64
	root  string
	self  string // the identity of the file that this stands in; "" is not known
}

// now takes over what root and file are today, where that is known. It reports whether either is another one than before: then
// a new epoch has begun.
func (h *header) now(root, self string) (copied bool) {
	for _, id := range []struct {
		was *string
		is  string
	}{{&h.root, root}, {&h.self, self}} {
		if id.is != "" {
			copied = copied || *id.was != "" && *id.was != id.is
			*id.was = id.is
		}
	}
	if copied {
		h.epoch++
	}
	return copied
}

var headerKey = []byte("header")

func (h header) encode() []byte {
	b := binary.AppendUvarint(newValue(16+len(h.root)+len(h.self)), h.epoch)
	return seal(headerKey, appendString(appendString(b, h.root), h.self))
}

// decodeHeader returns the format instead, if it is a later one.
func decodeHeader(value []byte) (h header, newer int, err error) {
	if intact(headerKey, value) && value[4] > format {
		return h, int(value[4]), nil
	}
	body, err := unseal(headerKey, value)
	if err != nil {
		return h, 0, err
	}
	r := reader{b: body}
	h.epoch, h.root = r.uint(), r.string()
	if len(r.b) > 0 { // the first states did not know what file they were in
		h.self = r.string()
	}
	return h, 0, r.end(headerKey)
}

// stored is what a value of the bucket of properties says: a props.Entry but for its name.
type stored struct {
	identities []string
	properties []props.Property
	orphaned   time.Time
}

const orphaned = 1 // a flag: the time is there

// encode makes the value of k. Identities are of this epoch.
func (e *stored) encode(k []byte, epoch uint64) []byte {
	size := 32
	for _, id := range e.identities {
		size += 2 + len(id)
	}
	for i := range e.properties {
		size += 16 + e.properties[i].Size() + 8*len(e.properties[i].Attr)
	}
	b := newValue(size)
	if e.orphaned.IsZero() {
		b = append(b, 0)
	} else {
		b = appendTime(append(b, orphaned), e.orphaned)
	}
	b = binary.AppendUvarint(b, epoch)
	b = appendNumber(b, len(e.identities))
	for _, id := range e.identities {
		b = appendString(b, id)
	}
	b = appendNumber(b, len(e.properties))
	for i := range e.properties {
		p := &e.properties[i]
		b = appendString(b, p.XMLName.Space)
		b = appendString(b, p.XMLName.Local)
		b = appendString(b, p.Lang)
		b = appendAttr(b, p.Attr)
		b = appendString(b, p.InnerXML)
	}
	return seal(k, b)
}

// slabs is what the entries of one batch share: a few large allocations instead of many small ones. They stay as long as one
// of the entries does.
type slabs struct {
	text       string // all of the batch
	entries    int    // how many of them there are
	properties []props.Property
	identities []string
}

// cut returns n zero elements of a slab, which is made anew where it is used up.
func cut[T any](slab *[]T, n, entries int) []T {
	if len(*slab) < n {
		*slab = make([]T, max(n, entries))
	}
	out := (*slab)[:n:n]
	*slab = (*slab)[n:]
	return out
}

// decode reads the value of k. The contents of properties are part of value. shared may be nil; otherwise value reaches to the
// end of its batch in capacity.
func decode(k, value []byte, epoch uint64, shared *slabs) (e stored, err error) {
	alone := shared == nil
	if alone {
		shared = &slabs{entries: 1}
	}

	body, err := unseal(k, value)
	if err != nil {
		return e, err
	}
	r := reader{b: body}
	if !alone {
		r.text, r.left = shared.text, cap(body)-len(body)
	}
	switch r.byte() {
	case 0:
	case orphaned:
		e.orphaned = r.time()
	default:
		r.fail()
	}
	current := r.uint() == epoch
	if n := r.count(1); n > 0 {
		e.identities = cut(&shared.identities, n, shared.entries)
		for i := range e.identities {
			e.identities[i] = r.string()
		}
	}
	if !current && e.orphaned.IsZero() {
		e.identities = nil // but what was seen to belong to nothing before belongs to nothing now
	}
	if n := r.count(5); n > 0 {
		e.properties = cut(&shared.properties, n, shared.entries)
		for i := range e.properties {
			p := &e.properties[i]
			p.XMLName = xml.Name{Space: r.string(), Local: r.string()}
			p.Lang = r.string()
			p.Attr = r.attr()
			p.InnerXML = r.bytes()
		}
	}
	if err := r.end(k); err != nil {
		return stored{}, err
	}
	if len(e.properties) == 0 {
		return stored{}, fmt.Errorf("entry %q without properties: %w", k, errDamaged)
	}
	return e, nil
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

func (r *reader) attr() []xml.Attr {
	n := r.count(3)
	if n == 0 {
		return nil
	}
	attr := make([]xml.Attr, n)
	for i := range attr {
		attr[i] = xml.Attr{Name: xml.Name{Space: r.string(), Local: r.string()}, Value: r.string()}
	}
	return attr
}
