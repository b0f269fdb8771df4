// Package xmltest compares XML documents by what they mean, for tests.
//
// Canonical gives the same text for documents that differ only in prefixes, indentation, the order of attributes, quotes,
// CDATA sections, comments and encoding. The text is made to be read, one element a line, so that a difference of
// two makes a useful failure message. It is not the Canonical XML of the W3C.
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

// Canonical returns the canonical text of a document. The errors are those of davxml.Parse.
//
// White space in an element that has children and no other character data is indentation, and is dropped; all other
// white space is kept.
func Canonical(body []byte) (string, error) { return canonical(body, false) }

// CanonicalMultistatus is Canonical, and where the root is DAV:multistatus it also makes documents equal that differ
// only in what RFC 4918 leaves to the server: the order of the responses, of the propstats in a response (they are
// sorted by status) and of the properties in the prop of a propstat.
func CanonicalMultistatus(body []byte) (string, error) { return canonical(body, true) }

func canonical(body []byte, sorted bool) (string, error) {
	root, err := davxml.Parse(bytes.NewReader(body), &davxml.Limits{Elements: math.MaxInt})
	if err != nil {
		return "", err
	}
	var free orders
	if sorted {
		multistatus, response, propstat := dav("multistatus"), dav("response"), dav("propstat")
		free = orders{
			{multistatus, response},
			{multistatus, response, propstat},
			{multistatus, response, propstat, dav("prop"), xml.Name{}},
		}
	}
	return free.element(root, nil), nil
}

// orders lists the paths, from the root, of the elements whose order among their siblings is free. A zero name stands for
// any.
type orders [][]xml.Name

// element returns the lines of e, which stands below the elements of path.
func (o orders) element(e *davxml.Element, path []xml.Name) string {
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

// sort puts the lines of those children of the element at path in order whose order is free. All others stay where
// they are.
func (o orders) sort(lines []string, children []*davxml.Element, path []xml.Name) {
	type entry struct{ status, lines string }
	var places []int
	var entries []entry
	for i, c := range children {
		if !o.free(append(path, c.Name)) {
			continue
		}
		places = append(places, i)
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
	for i, place := range places {
		lines[place] = entries[i].lines
	}
}

// free reports whether the order of the element at path among its siblings is free.
func (o orders) free(path []xml.Name) bool {
	return slices.ContainsFunc(o, func(names []xml.Name) bool {
		return slices.EqualFunc(names, path, func(n, p xml.Name) bool { return n == p || n == xml.Name{} })
	})
}

func dav(local string) xml.Name { return xml.Name{Space: davxml.NamespaceDAV, Local: local} }

// name returns a name in the notation {namespace}local.
func name(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	quoted := strconv.Quote(n.Space)
	return "{" + quoted[1:len(quoted)-1] + "}" + n.Local
}
