// Package davxml reads the XML of WebDAV requests and answers: strictly, within limits, and so that property values can
// be given back as they were sent.
//
// What Parse accepts is well-formed (XML 1.0), uses namespaces correctly (Namespaces in XML 1.0) and has no document
// type declaration, so nothing in it refers to anything outside of it (RFC 4918 §8.2, §20.6). Element.Content returns
// what a property holds in a form that means the same inside of another document (§4.3). Time is linear in the size of
// the body, memory is a multiple of it, and nothing recurses on what a client nested.
//
// It does not know what the elements mean, does not bound the body (see http.MaxBytesReader), and writes no documents:
// EscapeText and EscapeAttr are for those who do.
package davxml

import (
	"encoding/xml"
	"errors"
	"iter"
	"strings"
)

// What the errors of Parse wrap. An error that wraps none of them is that of the io.Reader: errors.As finds an
// *http.MaxBytesError in it.
var (
	// ErrEmpty: there is no body, or only white space. Some methods give this a meaning (RFC 4918 §9.1, §9.10.2).
	ErrEmpty = errors.New("empty XML body")
	// ErrMalformed: the body is not well-formed, misuses namespaces, has a document type declaration, or is over a
	// limit: 400 (RFC 4918 §8.2).
	ErrMalformed = errors.New("malformed XML")
	// ErrCharset: the body says that it is written in an encoding other than UTF-8, UTF-16 and US-ASCII: 415.
	ErrCharset = errors.New("unsupported character encoding")
)

const (
	// NamespaceDAV is the namespace of the elements of RFC 4918.
	NamespaceDAV = "DAV:"
	// NamespaceXML is that of xml:lang and xml:space; the prefix xml is bound to it everywhere.
	NamespaceXML = "http://www.w3.org/XML/1998/namespace"

	namespaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

// Limits bounds what Parse accepts. A field that is not positive means its default.
type Limits struct {
	Depth    int // levels of elements, the root included; default 64
	Attrs    int // attributes of one element, and namespace declarations in scope at one place; default 256
	Elements int // elements in all; default 50,000
	Name     int // bytes of a local name, of a prefix and of a namespace name; default 4096
}

// maxRedeclared bounds the bytes of default namespaces that Content may have to write once more for each element, so that
// a body of many short elements under one long namespace name cannot grow without measure.
const maxRedeclared = 16 << 20

func (l *Limits) orDefaults() Limits {
	var r Limits
	if l != nil {
		r = *l
	}
	for _, f := range []struct {
		value    *int
		standard int
	}{{&r.Depth, 64}, {&r.Attrs, 256}, {&r.Elements, 50_000}, {&r.Name, 4096}} {
		if *f.value <= 0 {
			*f.value = f.standard
		}
	}
	return r
}

// Element is an element of a parsed document. It is read-only and then safe for concurrent use.
type Element struct {
	Name     xml.Name   // Space is the namespace name, "" for none
	Lang     string     // the xml:lang in scope here, inherited ones included (RFC 4918 §4.3); "" for none
	Attr     []xml.Attr // attributes in document order, without namespace declarations; Name.Space is the namespace name
	Children []*Element // child elements in document order

	prefix     string   // as the client wrote it
	attrPrefix []string // of Attr[i]
	scope      *scope   // the namespace declarations in force here
	declares   bool     // the innermost part of scope stands on this element
	inherits   bool     // the element or something in it depends on a default namespace declared outside of it
	head       string   // character data before the first child
	tail       string   // character data that follows the element in its parent
}

// Text returns the character data directly inside e, without that of its children.
func (e *Element) Text() string {
	if len(e.Children) == 0 {
		return e.head
	}
	var b strings.Builder
	for text := range e.Mixed() {
		b.WriteString(text)
	}
	return b.String()
}

// Mixed yields the children of e in order, each with the character data that stands before it, and at last the
// character data after them with a nil child.
func (e *Element) Mixed() iter.Seq2[string, *Element] {
	return func(yield func(string, *Element) bool) {
		text := e.head
		for _, c := range e.Children {
			if !yield(text, c) {
				return
			}
			text = c.tail
		}
		yield(text, nil)
	}
}

// Child returns the first child of that name, or nil.
func (e *Element) Child(space, local string) *Element {
	for _, c := range e.Children {
		if c.Name.Local == local && c.Name.Space == space {
			return c
		}
	}
	return nil
}
