// Package xmltest compares XML documents by meaning, for tests.
//
// Canonical returns the same text for documents that differ only in prefixes, indentation, the
// order of attributes, quotes, CDATA sections, comments and encoding. The text has one element a
// line, so that a difference is readable in a failure message. It is not Canonical XML of the W3C.
package xmltest

import (
	"bytes"
	"encoding/xml"
	"math"
	"slices"
	"strconv"
	"strings"

	"dav207/server/davxml"
)

// Canonical returns the canonical text of a document. Its errors are those of davxml.Parse.
//
// It drops white space in an element that has children and no other character data, and keeps all
// other white space.
func Canonical(body []byte) (string, error) { return canonical(body, false) }

// CanonicalMultistatus is Canonical for a DAV:multistatus, but ignores the order that RFC 4918
// leaves to the server: of the responses, of the propstats in a response (sorted by status) and of
// the properties in a propstat.
func CanonicalMultistatus(body []byte) (string, error) { return canonical(body, true) }

func canonical(body []byte, sorted bool) (string, error) {
	root, err := davxml.Parse(bytes.NewReader(body), &davxml.Limits{Elements: math.MaxInt})
	if err != nil {
		return "", err
	}
	var ignore unordered
	if sorted {
		multistatus, response, propstat := dav("multistatus"), dav("response"), dav("propstat")
		ignore = unordered{
			{multistatus, response},
			{multistatus, response, propstat},
			{multistatus, response, propstat, dav("prop"), xml.Name{}},
		}
	}
	return ignore.element(root, nil), nil
}

// unordered lists the paths from the root of elements whose order among their siblings is
// insignificant. A zero name matches any.
type unordered [][]xml.Name

// element returns the lines for e. path is that of its parent.
func (o unordered) element(e *davxml.Element, path []xml.Name) string {
	var b strings.Builder
	indent := strings.Repeat("  ", len(path))
	b.WriteString(indent + name(e.Name))
	attrs := slices.SortedFunc(slices.Values(e.Attr), func(a, b xml.Attr) int {
		return strings.Compare(name(a.Name), name(b.Name))
	})
	for _, a := range attrs {
		b.WriteString(" " + name(a.Name) + "=" + strconv.Quote(a.Value))
	}
	if len(e.Children) == 0 {
		if text := e.Text(); text != "" {
			b.WriteString(" " + strconv.Quote(text))
		}
		return b.String() + "\n"
	}
	b.WriteString("\n")
	path = append(path, e.Name)
	mixed := strings.Trim(e.Text(), " \t\r\n") != ""
	var lines []string
	for text, c := range e.Mixed() {
		if mixed && text != "" {
			lines = append(lines, indent+"  "+strconv.Quote(text)+"\n")
		}
		if c != nil {
			lines = append(lines, o.element(c, path))
		}
	}
	if !mixed {
		o.sort(lines, e.Children, path)
	}
	return b.String() + strings.Join(lines, "")
}

// sort sorts the lines of those children of the element at path whose order is insignificant. The
// others keep their positions.
func (o unordered) sort(lines []string, children []*davxml.Element, path []xml.Name) {
	type entry struct{ status, lines string }
	var positions []int
	var entries []entry
	for i, c := range children {
		if !o.matches(append(path, c.Name)) {
			continue
		}
		positions = append(positions, i)
		key := entry{lines: lines[i]}
		if status := c.Child(davxml.NamespaceDAV, "status"); status != nil && c.Name == dav("propstat") {
			key.status = status.Text()
		}
		entries = append(entries, key)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if c := strings.Compare(a.status, b.status); c != 0 {
			return c
		}
		return strings.Compare(a.lines, b.lines)
	})
	for i, position := range positions {
		lines[position] = entries[i].lines
	}
}

// matches reports whether o has the path.
func (o unordered) matches(path []xml.Name) bool {
	return slices.ContainsFunc(o, func(names []xml.Name) bool {
		return slices.EqualFunc(names, path, func(n, p xml.Name) bool { return n == p || n == xml.Name{} })
	})
}

func dav(local string) xml.Name { return xml.Name{Space: davxml.NamespaceDAV, Local: local} }

// name returns n as {namespace}local.
func name(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	quoted := strconv.Quote(n.Space)
	return "{" + quoted[1:len(quoted)-1] + "}" + n.Local
}
