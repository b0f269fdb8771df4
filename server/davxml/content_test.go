package davxml_test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"dav207/server/davxml"
)

// contentTests are documents with an element x, at any depth, and its Content. embed formats attr.
var contentTests = []struct{ rule, body, attr, inner string }{
	{"§4.3 text", `<x>a&lt;b&#xD;c"d'</x>`, ``, `a&lt;b&#xD;c"d'`},
	{"§4.3 white space is significant", "<x> \n<y> </y>\t</x>", ``, " \n<y> </y>\t"},
	{"§4.3 [attributes] of the property", `<x a="1" xml:lang="en" b="2"/>`, `{"" "a"}="1" {"" "b"}="2"`, ``},
	{"§4.3 [attributes] of the value", "<x><y b='&#10;\"' a='&amp;' xml:lang='de'/></x>", ``,
		`<y b="&#xA;&quot;" a="&amp;" xml:lang="de"/>`},
	{"§4.3 [prefix] declared outside", `<r xmlns:p="u" xmlns:q="v"><x><p:y/></x></r>`, `{"xmlns" "p"}="u"`, `<p:y/>`},
	{"§4.3 [prefix] declared on the property", `<x xmlns:p="u" xmlns:q="v"><p:y/></x>`, `{"xmlns" "p"}="u"`, `<p:y/>`},
	{"§4.3 [prefix] of the property itself is not needed", `<p:x xmlns:p="u">a</p:x>`, ``, `a`},
	{"§4.3 [prefix] declared inside stays there", `<x><p:y xmlns:p="u"><p:z/></p:y></x>`, ``, `<p:y xmlns:p="u"><p:z/></p:y>`},
	{"§4.3 [prefix] the innermost counts", `<r xmlns:p="u"><x xmlns:p="v"><p:y/></x></r>`, `{"xmlns" "p"}="v"`, `<p:y/>`},
	{"§4.3 [prefix] sorted", `<r xmlns:q="u" xmlns:p="v"><x xmlns:a="w"><p:y a:z=""/><q:y/></x></r>`,
		`{"xmlns" "a"}="w" {"xmlns" "p"}="v" {"xmlns" "q"}="u"`, `<p:y a:z=""/><q:y/>`},
	{"§4.3 QNames in values", `<r xmlns:xs="s" xmlns:xsi="i"><x><y xsi:type="xs:string"/></x></r>`,
		`{"xmlns" "xs"}="s" {"xmlns" "xsi"}="i"`, `<y xsi:type="xs:string"/>`},
	{"§4.3 QNames in text", `<r xmlns:xs="s"><x>xs:string</x></r>`, `{"xmlns" "xs"}="s"`, `xs:string`},
	{"§4.3 QNames in other syntax", `<r xmlns:a="u" xmlns:b="v" xmlns:c="w" xmlns:é="x" xmlns:no="y"><x>1-a:q“b:q” //c:q|@é:q no</x></r>`,
		`{"xmlns" "a"}="u" {"xmlns" "b"}="v" {"xmlns" "c"}="w" {"xmlns" "é"}="x"`, "1-a:q“b:q” //c:q|@é:q no"},
	{"§4.3 QNames in an attribute of the property", `<r xmlns:xs="s"><x a="xs:string"/></r>`,
		`{"" "a"}="xs:string" {"xmlns" "xs"}="s"`, ``},
	{"§4.3 attributes of the property in namespaces", `<r xmlns:p="u" xmlns:d="DAV:"><x p:a="1" d:b="2" xml:space="preserve"/></r>`,
		`{"u" "a"}="1" {"DAV:" "b"}="2" {"` + davxml.NamespaceXML + `" "space"}="preserve" {"xmlns" "d"}="DAV:" {"xmlns" "p"}="u"`, ``},
	{"the prefix D is there", `<D:r xmlns:D="DAV:"><x D:a=""><D:y/></x></D:r>`, `{"DAV:" "a"}=""`, `<D:y/>`},
	{"another prefix for DAV: is kept", `<d:r xmlns:d="DAV:"><x><d:y/></x></d:r>`, `{"xmlns" "d"}="DAV:"`, `<d:y/>`},
	{"D for something else is renamed", `<D:r xmlns:D="u"><x D:a=""><D:y D:b=""/></x></D:r>`,
		`{"u" "a"}="" {"xmlns" "D_"}="u"`, `<D_:y D_:b=""/>`},
	{"and what could be taken for it", `<r xmlns:D="u" xmlns:D_="v" xmlns:D__="w" xmlns:D_a="s"><x><D:y/><D_:y/><D__:y/><D_a:y/></x></r>`,
		`{"xmlns" "D_"}="u" {"xmlns" "D__"}="v" {"xmlns" "D___"}="w" {"xmlns" "D_a"}="s"`, `<D_:y/><D__:y/><D___:y/><D_a:y/>`},
	{"D_ is renamed for DAV: too", `<r xmlns:D_="DAV:" xmlns:D="DAV:"><x><D_:y/><D:y/></x></r>`,
		`{"xmlns" "D__"}="DAV:"`, `<D__:y/><D:y/>`},
	{"a D of further out does not count", `<r xmlns:D="u"><x xmlns:D="DAV:"><D:y/></x></r>`, ``, `<D:y/>`},
	{"not even where D_ is mentioned", `<r xmlns:D="u"><x xmlns:D="DAV:">D_:y</x></r>`, ``, `D_:y`},
	{"D declared inside", `<x><y xmlns:D="DAV:" D:a=""><D:z xmlns:D="u"><D:z xmlns:D="DAV:"/></D:z></y></x>`, ``,
		`<y D:a=""><D_:z xmlns:D_="u"><D:z/></D_:z></y>`},
	{"xml needs no declaration", `<x xmlns:xml="http://www.w3.org/XML/1998/namespace"><y xmlns:xml="http://www.w3.org/XML/1998/namespace" xml:id="xml:id"/></x>`,
		``, `<y xml:id="xml:id"/>`},
	{"the default namespace is declared once more on the outermost", `<x xmlns="u"><y><z/></y>a<y b=""/></x>`, ``,
		`<y xmlns="u"><z/></y>a<y xmlns="u" b=""/>`},
	{"where something inside needs it", `<r xmlns="u" xmlns:p="v"><p:x><p:y><p:z><a/></p:z></p:y><p:y/></p:x></r>`,
		`{"xmlns" "p"}="v"`, `<p:y xmlns="u"><p:z><a/></p:z></p:y><p:y/>`},
	{"not where it has its own", `<x xmlns="u"><y xmlns="v"/><z xmlns=""><a/></z></x>`, ``, `<y xmlns="v"/><z xmlns=""><a/></z>`},
	{"not where all that is inside has its own", `<r xmlns="u" xmlns:p="v"><x><p:y><a xmlns="w"/></p:y></x></r>`,
		`{"xmlns" "p"}="v"`, `<p:y><a xmlns="w"/></p:y>`},
	{"xmlns=\"\" stays under a default", `<x xmlns="u"><y><z xmlns=""><a/></z></y></x>`, ``, `<y xmlns="u"><z xmlns=""><a/></z></y>`},
	{"no default, no declaration", `<r xmlns="u"><x xmlns=""><y/></x></r>`, ``, `<y/>`},
	{"§4.3.1 CDATA becomes references, comments go", `<x><![CDATA[<RFC2518>]]><!-- c --><?p i?>.</x>`, ``, `&lt;RFC2518&gt;.`},
	{"]]> is text", `<x>]]&gt;</x>`, ``, `]]&gt;`},
	{"high characters", `<x>&#65536;</x>`, ``, "\U00010000"},
}

// find returns the first element x.
func find(e *davxml.Element) *davxml.Element {
	if e.Name.Local == "x" {
		return e
	}
	for _, c := range e.Children {
		if x := find(c); x != nil {
			return x
		}
	}
	return nil
}

// RFC 4918 §4.3.
func TestContent(t *testing.T) {
	for _, tt := range contentTests {
		t.Run(tt.rule, func(t *testing.T) {
			root, err := davxml.Parse(strings.NewReader(tt.body), nil)
			if err != nil {
				t.Fatal(err)
			}
			attr, inner := find(root).Content()
			var got []string
			for _, a := range attr {
				got = append(got, fmt.Sprintf("%q=%q", a.Name, a.Value))
			}
			if got := strings.Join(got, " "); got != tt.attr {
				t.Errorf("attr = %s, want %s", got, tt.attr)
			}
			if string(inner) != tt.inner {
				t.Errorf("inner = %s, want %s", inner, tt.inner)
			}
			checkTree(t, root)
		})
	}
}

// The result of Content stays the same when it is stored, sent to a client and sent back (RFC 4918
// §4.3).
func TestContentRoundTrip(t *testing.T) {
	for _, b := range clientBodies {
		e, err := davxml.Parse(strings.NewReader(b.body), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, once := e.Content()
		again, err := davxml.Parse(strings.NewReader(embed(t, e)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := again.Content(); string(twice) != string(once) {
			t.Errorf("%s: first %s, then %s", b.from, once, twice)
		}
	}
}

// A declaration in attr cannot be forged by an attribute of the client.
func TestContentForgedDeclaration(t *testing.T) {
	e, err := davxml.Parse(strings.NewReader(`<x xmlns:p="urn:xmlns" p:D="v" xmlnsD="w"/>`), nil)
	if err != nil {
		t.Fatal(err)
	}
	attr, _ := e.Content()
	for _, a := range attr {
		if a.Name == (xml.Name{Space: "xmlns", Local: "D"}) {
			t.Errorf("attr = %v declares D", attr)
		}
	}
}
