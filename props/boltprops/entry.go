package boltprops

import (
	"encoding/xml"
	"fmt"
	"slices"
	"time"

	"dav207/props"
)

// The header says no more than the format of the file.
var headerKey = []byte("header")

func encodeHeader() []byte { return seal(headerKey, newValue(0)) }

// decodeHeader returns the format of the file.
func decodeHeader(value []byte) (version int, err error) {
	if !intact(headerKey, value) {
		return 0, fmt.Errorf("header: %w", errDamaged)
	}
	return int(value[4]), nil
}

// record is what a value of the bucket of properties holds: a props.Entry but for its name.
type record struct {
	properties []props.Property
	orphaned   time.Time
}

const orphaned = 1 // a flag: the time is there

// encode makes the value of k.
func (e *record) encode(k []byte) []byte {
	size := 32
	for i := range e.properties {
		size += 16 + e.properties[i].Size() + 8*len(e.properties[i].Attr)
	}
	b := newValue(size)
	if e.orphaned.IsZero() {
		b = append(b, 0)
	} else {
		b = appendTime(append(b, orphaned), e.orphaned)
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

// open reads the value of k up to its properties.
func open(k, value []byte, n *names) (r reader, since time.Time, err error) {
	body, err := unseal(k, value)
	if err != nil {
		return r, since, err
	}
	r = reader{b: body, names: n}
	switch r.byte() {
	case 0:
	case orphaned:
		since = r.time()
	default:
		r.fail()
	}
	if value[4] == withIdentities {
		r.uint()
		for range r.count(1) {
			r.bytes()
		}
	}
	if r.bad {
		err = r.end(k)
	}
	return r, since, err
}

// property reads a property but for its content.
func (r *reader) property() props.Property {
	return props.Property{XMLName: xml.Name{Space: r.name(), Local: r.name()}, Lang: r.name(), Attr: r.attr()}
}

// leastProperty is how many bytes a property takes at least.
const leastProperty = 5

// endEntry checks that all was read, and is what was written: an entry has properties.
func (r *reader) endEntry(k []byte, properties int) error {
	if err := r.end(k); err != nil {
		return err
	}
	if properties == 0 {
		return fmt.Errorf("entry %q without properties: %w", k, errDamaged)
	}
	return nil
}

// decode reads the value of k. The contents of properties are part of value. n may be nil.
func decode(k, value []byte, n *names, into []props.Property) (e record, err error) {
	r, since, err := open(k, value, n)
	if err != nil {
		return record{}, err
	}
	count := r.count(leastProperty)
	properties := slices.Grow(into[:0], count)[:count]
	for i := range properties {
		properties[i] = r.property()
		properties[i].InnerXML = r.bytes()
	}
	if err := r.endEntry(k, len(properties)); err != nil {
		return record{}, err
	}
	return record{properties, since}, nil
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
