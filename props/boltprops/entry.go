package boltprops

import (
	"encoding/xml"
	"fmt"
	"slices"
	"time"

	"dav207/props"
)

// The header holds the format of the file, and has no body.
var headerKey = []byte("header")

func encodeHeader() []byte { return seal(headerKey, newValue(0)) }

// decodeHeader returns the format of the file, which may be unknown.
func decodeHeader(value []byte) (version int, err error) {
	if !intact(headerKey, value) {
		return 0, fmt.Errorf("header: %w", errDamaged)
	}
	return int(value[4]), nil
}

// record is a value of propsBucket: a props.Entry without its path.
type record struct {
	properties []props.Property
	orphaned   time.Time
}

const orphaned = 1 // flag: Orphaned follows

// encode returns e as the value of k.
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

// decode decodes the value of k. InnerXML of the properties is a part of value. n may be nil. The
// properties are written over into, which may be nil.
func decode(k, value []byte, n *names, into []props.Property) (e record, err error) {
	body, err := unseal(k, value)
	if err != nil {
		return record{}, err
	}
	r := reader{b: body, names: n}
	switch r.byte() {
	case 0:
	case orphaned:
		e.orphaned = r.time()
	default:
		r.fail()
	}
	if value[4] == withIdentities {
		r.uint()
		for range r.count(1) {
			r.bytes()
		}
	}
	const least = 5 // bytes of an encoded property
	count := r.count(least)
	e.properties = slices.Grow(into[:0], count)[:count]
	for i := range e.properties {
		e.properties[i] = props.Property{
			XMLName:  xml.Name{Space: r.name(), Local: r.name()},
			Lang:     r.name(),
			Attr:     r.attr(),
			InnerXML: r.bytes(),
		}
	}
	if count == 0 { // an entry without properties is never written
		r.fail()
	}
	if err := r.end(k); err != nil {
		return record{}, err
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
