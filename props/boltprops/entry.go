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

// opened is a value that was read as far as it says whose the properties are.
type opened struct {
	orphaned   time.Time
	identities int    // how many count
	ids        reader // where they stand
	rest       reader // the properties
}

func open(k, value []byte, epoch uint64, n *names) (o opened, err error) {
	body, err := unseal(k, value)
	if err != nil {
		return o, err
	}
	r := reader{b: body, names: n}
	switch r.byte() {
	case 0:
	case orphaned:
		o.orphaned = r.time()
	default:
		r.fail()
	}
	current := r.uint() == epoch
	identities := r.count(1)
	o.ids = r
	for range identities {
		r.bytes()
	}
	if current || !o.orphaned.IsZero() { // what was seen to belong to nothing before belongs to nothing now
		o.identities = identities
	}
	if r.bad {
		return o, r.end(k)
	}
	o.rest = r
	return o, nil
}

// property reads a property but for its content.
func (r *reader) property() props.Property {
	return props.Property{XMLName: xml.Name{Space: r.name(), Local: r.name()}, Lang: r.name(), Attr: r.attr()}
}

// leastProperty is how many bytes a property takes at least.
const leastProperty = 5

// properties reads the rest of the value of k. The contents of properties are part of the value.
func (o *opened) properties(k []byte) ([]props.Property, error) {
	r := &o.rest
	properties := make([]props.Property, r.count(leastProperty))
	for i := range properties {
		properties[i] = r.property()
		properties[i].InnerXML = r.bytes()
	}
	return properties, o.end(k, len(properties))
}

// end says whether all was read, and is what was written: an entry has properties.
func (o *opened) end(k []byte, properties int) error {
	if err := o.rest.end(k); err != nil {
		return err
	}
	if properties == 0 {
		return fmt.Errorf("entry %q without properties: %w", k, errDamaged)
	}
	return nil
}

// decode reads the value of k. The contents of properties are part of value. n may be nil.
func decode(k, value []byte, epoch uint64, n *names) (e stored, err error) {
	o, err := open(k, value, epoch, n)
	if err != nil {
		return stored{}, err
	}
	e.orphaned = o.orphaned
	for range o.identities {
		e.identities = append(e.identities, o.ids.string())
	}
	if e.properties, err = o.properties(k); err != nil {
		return stored{}, err
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
		attr[i] = xml.Attr{Name: xml.Name{Space: r.name(), Local: r.name()}, Value: r.name()}
	}
	return attr
}
