package davxml_test

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"dav207/server/davxml"
)

// FuzzParse: for arbitrary bodies Parse returns one of its errors, or a tree whose Content
// round-trips.
func FuzzParse(f *testing.F) {
	for _, b := range clientBodies {
		f.Add([]byte(b.body))
		f.Add(utf16LE(b.body))
	}
	for _, tt := range malformedBodies {
		f.Add([]byte(tt.body))
	}
	for _, tt := range validBodies {
		f.Add([]byte(tt.body))
	}
	for _, tt := range contentTests {
		f.Add([]byte(tt.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		root, err := davxml.Parse(bytes.NewReader(body), nil)
		if err != nil {
			var kinds int
			for _, kind := range []error{davxml.ErrEmpty, davxml.ErrMalformed, davxml.ErrCharset} {
				if errors.Is(err, kind) {
					kinds++
				}
			}
			if kinds != 1 || root != nil || !utf8.ValidString(err.Error()) || len(err.Error()) > 300 {
				t.Fatalf("error %q, element %v: want one kind of error and no element", err, root)
			}
			return
		}
		checkTree(t, root)
	})
}

// FuzzContent checks the round trip of documents with conflicting prefixes. Each byte is an
// instruction to write one.
func FuzzContent(f *testing.F) {
	f.Add([]byte{1, 9, 17, 33, 65, 0})
	f.Add([]byte("\x10\x21\x32\x43\x54\x65\x76\x07\x18\x29\x3a"))
	f.Fuzz(func(t *testing.T, steps []byte) {
		doc := randomBindings(steps)
		root, err := davxml.Parse(strings.NewReader(doc), nil)
		if err != nil {
			if !errors.Is(err, davxml.ErrMalformed) {
				t.Fatalf("error %v for %s", err, doc)
			}
			return
		}
		checkTree(t, root)
	})
}

// confusing writes a document whose tags match, and that binds few prefixes to few namespaces in
// many ways.
func randomBindings(steps []byte) string {
	prefixes := []string{"D", "D_", "d", "D__", "p", ""}
	uris := []string{"DAV:", "u", "v", "", "u"}
	qualify := func(n byte, local string) string {
		if p := prefixes[int(n)%len(prefixes)]; p != "" {
			return p + ":" + local
		}
		return local
	}
	// The root binds every prefix, so that most documents are well-formed.
	doc := `<r xmlns:D="u" xmlns:D_="v" xmlns:d="DAV:" xmlns:D__="DAV:" xmlns:p="w">`
	var open []string
	tag := ""
	begin := func() {
		if tag != "" {
			doc, tag = doc+tag+">", ""
		}
	}
	for _, s := range steps {
		kind, n := s&7, s>>3
		switch kind {
		case 0, 1:
			begin()
			open = append(open, qualify(n, "e"))
			tag = "<" + open[len(open)-1]
		case 2, 3:
			if tag == "" {
				continue
			}
			name, uri := prefixes[int(n)%len(prefixes)], uris[int(n)/len(prefixes)%len(uris)]
			if name == "" {
				tag += ` xmlns="` + uri + `"`
			} else {
				tag += " xmlns:" + name + `="` + cmp.Or(uri, "D") + `"`
			}
		case 4:
			if tag != "" {
				tag += " " + qualify(n, "a") + `="` + qualify(n/2, "v") + `"`
			}
		case 5:
			if tag != "" {
				tag += ` xml:lang="` + []string{"en", "", "de"}[n%3] + `"`
			}
		case 6:
			begin()
			doc += []string{"t", " ", "\n", "&amp;", qualify(n, "v"), "<!-- c -->", "<![CDATA[<]]>", "&#xD;"}[n%8]
		case 7:
			begin()
			if len(open) > 0 {
				doc += "</" + open[len(open)-1] + ">"
				open = open[:len(open)-1]
			}
		}
	}
	begin()
	for i := range open {
		doc += "</" + open[len(open)-1-i] + ">"
	}
	return doc + "</r>"
}

// FuzzEscape: Parse returns what was escaped, with U+FFFD for characters that XML forbids.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain", "a<b>&c\"'", "]]>", "\r\n\t", "\x00\x1f\x7f", "\xff\xed\xa0\x80", "\uFFFE\uFFFF\U00010000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want strings.Builder
		for _, r := range s { // ranging gives U+FFFD for each invalid byte
			if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
				r = utf8.RuneError
			}
			want.WriteRune(r)
		}
		doc := append(davxml.EscapeAttr([]byte(`<a b="`), s), `">`...)
		doc = append(davxml.EscapeText(doc, s), "</a>"...)
		e, err := davxml.Parse(bytes.NewReader(doc), nil)
		if err != nil {
			t.Fatalf("Parse(%q): %v", doc, err)
		}
		if got := e.Text(); got != want.String() {
			t.Errorf("text %q came back as %q, want %q", s, got, want.String())
		}
		if got := e.Attr[0].Value; got != want.String() {
			t.Errorf("attribute %q came back as %q, want %q", s, got, want.String())
		}
	})
}

// checkTree checks the round trip of root and of some of its descendants.
func checkTree(t *testing.T, root *davxml.Element) {
	t.Helper()
	todo := []*davxml.Element{root}
	for n := 0; len(todo) > 0 && n < 30; n++ {
		e := todo[0]
		todo = append(todo[1:], e.Children...)
		checkRoundTrip(t, e)
	}
}

// checkRoundTrip writes the Content of e into another document and compares the infosets.
func checkRoundTrip(t *testing.T, e *davxml.Element) {
	t.Helper()
	doc := embed(t, e)
	got, err := davxml.Parse(strings.NewReader(doc), &davxml.Limits{Attrs: 1000, Name: 5000})
	if err != nil {
		t.Fatalf("what %s holds does not parse: %v\n%s", e.Name.Local, err, doc)
	}
	if want, got := infoset(e, true), infoset(got, true); got != want {
		t.Fatalf("round trip of %s:\n got %s\nwant %s\n doc %s", e.Name.Local, got, want, doc)
	}
}

// embed writes the Content of e as its doc comment requires.
func embed(t *testing.T, e *davxml.Element) string {
	t.Helper()
	attr, inner := e.Content()
	prefixes := map[string]string{davxml.NamespaceXML: "xml:", davxml.NamespaceDAV: "D:", "": ""}
	for _, a := range attr {
		if a.Name.Space == "xmlns" && prefixes[a.Value] == "" {
			prefixes[a.Value] = a.Name.Local + ":"
		}
		if a.Name == (xml.Name{Space: "xmlns", Local: "D"}) {
			t.Errorf("the prefix D is declared as %q", a.Value)
		}
	}
	b := []byte(`<D:x xmlns:D="DAV:"`)
	if e.Lang != "" {
		attr = append(attr, xml.Attr{Name: xml.Name{Space: davxml.NamespaceXML, Local: "lang"}, Value: e.Lang})
	}
	for _, a := range attr {
		prefix, ok := prefixes[a.Name.Space]
		if a.Name.Space == "xmlns" {
			prefix, ok = "xmlns:", true
		}
		if !ok {
			t.Errorf("no prefix for the attribute %v", a.Name)
		}
		b = append(b, ' ')
		b = append(b, prefix+a.Name.Local+`="`...)
		b = append(davxml.EscapeAttr(b, a.Value), '"')
	}
	b = append(append(b, '>'), inner...)
	return string(append(b, "</D:x>"...))
}

// infoset returns a text form of what RFC 4918 §4.3 requires to be preserved. It leaves out the
// name of the outermost element. Its xml:lang is in the scope and not among the attributes.
func infoset(e *davxml.Element, outermost bool) string {
	var b strings.Builder
	if !outermost {
		fmt.Fprintf(&b, "%q", e.Name)
	}
	fmt.Fprintf(&b, " lang=%q", e.Lang)
	for _, a := range e.Attr {
		if outermost && a.Name.Space == davxml.NamespaceXML && a.Name.Local == "lang" {
			continue
		}
		fmt.Fprintf(&b, " %q=%q", a.Name, a.Value)
	}
	b.WriteString("[")
	for text, c := range e.Mixed() {
		fmt.Fprintf(&b, "%q", text)
		if c != nil {
			b.WriteString(infoset(c, false))
		}
	}
	return b.String() + "]"
}
