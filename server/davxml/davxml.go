// Package davxml parses the XML of WebDAV requests and responses: strictly, within limits, and so
// that property values can be returned as they were sent.
//
// A document that Parse accepts is well-formed (XML 1.0), conforms to Namespaces in XML 1.0 and has
// no document type declaration, so it refers to no external entity (RFC 4918 §8.2, §20.6).
// Element.Content returns the content of a property in a form that means the same in another
// document (§4.3). Time and memory are linear in the size of the body, and no function recurses
// over nested elements.
//
// The package does not know the meaning of the elements and does not limit the size of the body
// (see http.MaxBytesReader). It writes no documents: EscapeText and EscapeAttr are for packages
// that do.
package davxml

import (
	"encoding/xml"
	"errors"
	"iter"
	"strings"
)

// An error of Parse wraps one of these, or the error of the io.Reader, such as an
// *http.MaxBytesError.
var (
	// ErrEmpty reports a body that is empty or only white space. Some methods allow that (RFC 4918
	// §9.1, §9.10.2).
	ErrEmpty = errors.New("empty XML body")
	// ErrMalformed reports a body that is not well-formed, violates Namespaces in XML, has a
	// document type declaration, or exceeds a limit. The status is 400 (RFC 4918 §8.2).
	ErrMalformed = errors.New("malformed XML")
	// ErrCharset reports an encoding other than UTF-8, UTF-16 and US-ASCII. The status is 415.
	ErrCharset = errors.New("unsupported character encoding")
)

const (
	// NamespaceDAV is the namespace of the elements of RFC 4918.
	NamespaceDAV = "DAV:"
	// NamespaceXML is the namespace of xml:lang and xml:space. The prefix xml is always bound to
	// it.
	NamespaceXML = "http://www.w3.org/XML/1998/namespace"

	namespaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

// Limits bounds what Parse accepts. A field that is 0 or negative has its default.
type Limits struct {
	Depth    int // of nested elements, the root included; default 64
	Attrs    int // per element; also the namespace declarations in scope; default 256
	Elements int // in the document; default 50,000
	Name     int // bytes of a local name, of a prefix and of a namespace name; default 4096
}

// maxRedeclaredBytes bounds the bytes of default namespaces that Content may have to repeat for
// each element. It keeps the output small for a body of many short elements in one long namespace.
const maxRedeclaredBytes = 16 << 20

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

// Element is an element of a parsed document. It must not be modified; then it is safe for
// concurrent use.
type Element struct {
	Name     xml.Name   // Space is the namespace name, "" for none
	Lang     string     // the xml:lang in scope, which may be inherited (RFC 4918 §4.3); "" for none
	Children []*Element // in document order

	// Attr are the attributes in document order, without namespace declarations. Name.Space is the
	// namespace name.
	Attr []xml.Attr

	prefix       string   // as the client wrote it
	attrPrefix   []string // of Attr[i]
	scope        *scope   // the namespace declarations in scope
	bindsHere    bool     // scope.bindings are declared on this element
	needsDefault bool     // content uses a default namespace that an ancestor declares
	text         string   // character data before the first child
	tail         string   // character data after the element in its parent
}

// Text returns the character data of e without that of its children.
func (e *Element) Text() string {
	if len(e.Children) == 0 {
		return e.text
	}
	var b strings.Builder
	for text := range e.Mixed() {
		b.WriteString(text)
	}
	return b.String()
}

// Mixed yields the children of e in order, each with the character data before it. Last it yields
// the character data after them with a nil child.
func (e *Element) Mixed() iter.Seq2[string, *Element] {
	return func(yield func(string, *Element) bool) {
		text := e.text
		for _, c := range e.Children {
			if !yield(text, c) {
				return
			}
			text = c.tail
		}
		yield(text, nil)
	}
}

// Child returns the first child with this name, or nil.
func (e *Element) Child(space, local string) *Element {
	for _, c := range e.Children {
		if c.Name.Local == local && c.Name.Space == space {
			return c
		}
	}
	return nil
}
