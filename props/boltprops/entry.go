package boltprops

import (
	"bytes"
	"encoding/xml"
	"fmt"
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

// lastEntry holds the properties that decode returned last, to be written over, and how each was
// encoded up to its content. Most members of a collection have the same properties: a listing with
// two on each file takes 5 % longer without it.
type lastEntry struct {
	properties []props.Property
	heads      [][]byte
}

// maxHead bounds the length of each of lastEntry.heads.
const maxHead = 1 << 10

// decode decodes the value of k. InnerXML of the properties is a part of value. n and last may be
// nil. With last, the properties are valid until the next call with it.
func decode(k, value []byte, n *names, last *lastEntry) (e record, err error) {
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
	if last != nil {
		e.properties = last.read(&r, count)
	} else {
		e.properties = make([]props.Property, count)
		for i := range e.properties {
			r.property(&e.properties[i])
			e.properties[i].InnerXML = r.bytes()
		}
	}
	if count == 0 { // an entry without properties is never written
		r.fail()
	}
	if err := r.end(k); err != nil {
		if last != nil {
			*last = lastEntry{} // it may have parts of a damaged entry
		}
		return record{}, err
	}
	return e, nil
}

// read reads count properties into l.properties.
func (l *lastEntry) read(r *reader, count int) []props.Property {
	if known := len(l.properties); count > known {
		l.properties = append(l.properties, make([]props.Property, count-known)...)
		l.heads = append(l.heads, make([][]byte, count-known)...)
	}
	for i := range count {
		p, from := &l.properties[i], r.b
		if head := l.heads[i]; len(head) > 0 && bytes.HasPrefix(from, head) {
			r.b = from[len(head):]
		} else {
			r.property(p)
			l.heads[i] = l.heads[i][:0]
			if head := from[:len(from)-len(r.b)]; len(head) <= maxHead {
				l.heads[i] = append(l.heads[i], head...)
			}
		}
		p.InnerXML = r.bytes()
	}
	return l.properties[:count:count]
}

// property reads a property up to its content.
func (r *reader) property(p *props.Property) {
	p.XMLName.Space = r.name()
	p.XMLName.Local = r.name()
	p.Lang = r.name()
	p.Attr = r.attr()
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
