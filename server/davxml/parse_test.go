package davxml_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"dav207/server/davxml"
)

// malformedBodies must be rejected. XML is XML 1.0, NS is Namespaces in XML 1.0.
var malformedBodies = []struct{ rule, body string }{
	{"XML [1] one root: none", `<!-- nothing -->`},
	{"XML [1] one root: only a declaration", `<?xml version="1.0"?>`},
	{"XML [1] one root: two", `<a/><b/>`},
	{"XML [1] one root: two, one closed late", `<a></a> <b></b>`},
	{"XML [22] no text before the root", `x<a/>`},
	{"XML [27] no text after the root", `<a/>x`},
	{"XML [27] white space outside is literal", `<a/>&#32;`},
	{"XML [27] no CDATA after the root", `<a/><![CDATA[]]>`},
	{"XML [3] other spaces are text", "<a/>\u00a0"},
	{"XML [3] NUL after the root is text", "<a/>\x00"},
	{"XML [39] Element Type Match: unclosed", `<a><b></b>`},
	{"XML [39] Element Type Match: mismatched", `<a><b></a></b>`},
	{"XML [39] Element Type Match: an end too many", `<a/></a>`},
	{"XML [39] Element Type Match: prefixes too", `<p:a xmlns:p="u" xmlns:q="u"></q:a>`},
	{"XML [39] Element Type Match: case", `<a></A>`},
	{"XML [40] white space between attributes", `<a b="1"c="2"/>`},
	{"XML [40] white space between attributes, single quotes", `<a b='1'c='2'></a>`},
	{"XML [41] quoted values", `<a b=c/>`},
	{"XML [41] attributes have values", `<a b/>`},
	{"XML [41] No < in values", `<a b="<"/>`},
	{"XML [44] cut off", `<a b="`},
	{"XML §3.1 Unique Att Spec", `<a b="1" b="2"/>`},
	{"XML §3.1 Unique Att Spec, many", `<a c="" d="" e="" f="" g="" h="" i="" j="" k="" l="" k=""/>`},
	{"XML §3.1 Unique Att Spec, declarations", `<a xmlns:p="u" xmlns:p="u"/>`},
	{"XML §3.1 Unique Att Spec, default", `<a xmlns="u" xmlns="v"/>`},
	{"RFC 4918 §20.6 DOCTYPE", `<!DOCTYPE a><a/>`},
	{"RFC 4918 §20.6 DOCTYPE with an entity", `<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`},
	{"RFC 4918 §20.6 DOCTYPE with an external entity", `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`},
	{"XML [28] a declaration inside of the root", `<a><!ELEMENT a ANY></a>`},
	{"XML [22] the XML declaration after a comment", `<!----><?xml version="1.0"?><a/>`},
	{"XML [22] the XML declaration after other white space", "\u00a0<?xml version=\"1.0\"?><a/>"},
	{"XML §4.3.3 a byte order mark after white space is text", " \xef\xbb\xbf<a/>"},
	{"XML §4.3.3 declared UTF-16 after white space, sent UTF-8", ` <?xml version="1.0" encoding="utf-16"?><a/>`},
	{"XML [22] the XML declaration twice", `<?xml version="1.0"?><?xml version="1.0"?><a/>`},
	{"XML [22] the XML declaration inside", `<a><?xml version="1.0"?></a>`},
	{"XML [23] version is required", `<?xml encoding="utf-8"?><a/>`},
	{"XML [23] version comes first", `<?xml encoding="utf-8" version="1.0"?><a/>`},
	{"XML [23] white space before encoding", `<?xml version="1.0"encoding="utf-8"?><a/>`},
	{"XML [23] nothing else", `<?xml version="1.0" author="me"?><a/>`},
	{"XML [23] nothing at all", `<?xml ?><a/>`},
	{"XML [23] unfinished", `<?xml version="1.0"><a/>`},
	{"XML [26] version", `<?xml version="1.1"?><a/>`},
	{"XML [32] standalone", `<?xml version="1.0" standalone="maybe"?><a/>`},
	{"XML §4.3.3 declared UTF-16, sent UTF-8", `<?xml version="1.0" encoding="utf-16"?><a/>`},
	{"XML §4.3.3 declared US-ASCII, sent more", "<?xml version=\"1.0\" encoding=\"us-ascii\"?><a>\u00e9</a>"},
	{"XML §4.3.3 declared UTF-8, sent UTF-16", string(utf16LE(`<?xml version="1.0" encoding="utf-8"?><a/>`))},
	{"XML §4.3.3 half a code unit", string(utf16LE(`<a/>`)) + "\n"},
	{"XML §4.3.3 half a surrogate pair, then text", string(utf16LE(`<a>`)) + "\x00\xd8x\x00" + string(utf16LE(`</a>`)[2:])},
	{"XML §4.3.3 half a surrogate pair at the end", string(utf16LE(`<a/>`)) + "\x00\xd8"},
	{"XML §4.3.3 the low half first", string(utf16LE(`<a>`)) + "\x00\xdc\x00\xd8" + string(utf16LE(`</a>`)[2:])},
	{"XML [17] no instruction called XML", `<a><?XML x?></a>`},
	{"XML [17] no instruction called xml", `<a/><?xml?>`},
	{"XML [16] white space after the target", `<a><?p+x?></a>`},
	{"XML [16] the target is a name", `<a><?1?></a>`},
	{"XML [2] control character in an instruction", "<a><?p \x01?></a>"},
	{"NS §7 no colon in a target", `<a><?p:q x?></a>`},
	{"XML [15] -- in a comment", `<a><!-- a -- b --></a>`},
	{"XML [2] control character in a comment", "<a><!-- \x01 --></a>"},
	{"XML [2] invalid UTF-8 in a comment", "<!-- \xff --><a/>"},
	{"XML [14] ]]> in text", `<a>]]></a>`},
	{"XML [2] control character", "<a>\x01</a>"},
	{"XML [2] NUL", "<a>\x00</a>"},
	{"XML [2] control character in CDATA", "<a><![CDATA[\x1b]]></a>"},
	{"XML [2] control character in a value", "<a b='\x01'/>"},
	{"XML [2] U+FFFE", "<a>\uFFFE</a>"},
	{"XML [2] U+FFFF in a value", "<a b='\uFFFF'/>"},
	{"XML [2] invalid UTF-8", "<a>\xff</a>"},
	{"XML [2] overlong UTF-8", "<a>\xc0\xaf</a>"},
	{"XML [2] a surrogate as UTF-8", "<a>\xed\xa0\x80</a>"},
	{"XML [2] invalid UTF-8 in a name", "<a\xff/>"},
	{"XML §4.1 Legal Character: control character", `<a>&#1;</a>`},
	{"XML §4.1 Legal Character: U+FFFE", `<a>&#xFFFE;</a>`},
	{"XML §4.1 Legal Character: too large", `<a>&#x110000;</a>`},
	{"XML §4.1 Legal Character: a surrogate", `<a>&#xD800;</a>`},
	{"XML §4.1 Legal Character: a surrogate, decimal", `<a>x&#57343;</a>`},
	{"XML §4.1 Legal Character: a surrogate in a value", `<a b="&#x0DABC;"/>`},
	{"XML §4.1 Legal Character: a pair of surrogates", `<a>&#xD800;&#xDC00;</a>`},
	{"XML [66] no digits", `<a>&#;</a>`},
	{"XML [66] X is no x", `<a>&#X41;</a>`},
	{"XML [68] no semicolon", `<a>&amp</a>`},
	{"XML §4.1 Entity Declared", `<a>&nbsp;</a>`},
	{"XML §4.1 Entity Declared, in a value", `<a b="&e;"/>`},
	{"XML [68] a bare ampersand", `<a>a & b</a>`},
	{"XML [5] a name begins with a letter", `<1a/>`},
	{"XML [5] a name begins with a letter, attributes", `<a -b=""/>`},
	{"NS §5 Prefix Declared: elements", `<p:a/>`},
	{"NS §5 Prefix Declared: D is not special", `<D:propfind/>`},
	{"NS §5 Prefix Declared: attributes", `<a p:b=""/>`},
	{"NS §5 Prefix Declared: after the scope", `<a><b xmlns:p="u"/><p:c/></a>`},
	{"NS §5 No Prefix Undeclaring", `<a><b xmlns:p=""/></a>`},
	{"NS §5 No Prefix Undeclaring (litmus propfind_invalid2)", `<?xml version="1.0" encoding="utf-8" ?>` +
		`<D:propfind xmlns:D="DAV:"><D:prop><bar:foo xmlns:bar=""/></D:prop></D:propfind>`},
	{"NS §3 xml is not rebound", `<a xmlns:xml="u"/>`},
	{"NS §3 nothing else is xml", `<a xmlns:p="http://www.w3.org/XML/1998/namespace"/>`},
	{"NS §3 the default is not xml", `<a xmlns="http://www.w3.org/XML/1998/namespace"/>`},
	{"NS §3 xmlns is not declared", `<a xmlns:xmlns="u"/>`},
	{"NS §3 xmlns is not declared, not even rightly", `<a xmlns:xmlns="http://www.w3.org/2000/xmlns/"/>`},
	{"NS §3 nothing else is xmlns", `<a xmlns:p="http://www.w3.org/2000/xmlns/"/>`},
	{"NS §3 the default is not xmlns", `<a xmlns="http://www.w3.org/2000/xmlns/"/>`},
	{"NS §3 no element has the prefix xmlns", `<xmlns:a/>`},
	{"NS [7] two colons", `<p:q:a xmlns:p="u"/>`},
	{"NS [7] two colons, attributes", `<a xmlns:p="u" p:q:b=""/>`},
	{"NS [7] two colons, declarations", `<a xmlns:p:q="u"/>`},
	{"NS [7] leading colon", `<:a/>`},
	{"NS [7] trailing colon", `<a:/>`},
	{"NS [7] colon alone", `<:/>`},
	{"NS [7] leading colon, attributes", `<a :b=""/>`},
	{"NS [7] trailing colon, attributes", `<a b:=""/>`},
	{"NS [7] no prefix to declare", `<a xmlns:="u"/>`},
	{"NS [11] the local part is an NCName", `<p:1 xmlns:p="u"/>`},
	{"NS [11] the local part is an NCName, attributes", `<a xmlns:p="u" p:-b=""/>`},
	{"NS [11] the local part is an NCName, other digits", "<p:\u0660 xmlns:p=\"u\"/>"},
	{"NS [1] the declared prefix is an NCName", `<a xmlns:1="u"/>`},
	{"NS §6.3 Attributes Unique by expanded name", `<a xmlns:p="u" xmlns:q="u" p:b="" q:b=""/>`},
	{"NS §6.3 Attributes Unique, declared outside", `<a xmlns:p="u"><b xmlns:q="u" p:b="" q:b=""/></a>`},
	{"a namespace name that xml.Attr keeps for declarations", `<a xmlns:p="xmlns" p:D="evil"/>`},
}

func TestParseMalformed(t *testing.T) {
	for _, tt := range malformedBodies {
		t.Run(tt.rule, func(t *testing.T) {
			e, err := davxml.Parse(strings.NewReader(tt.body), nil)
			if !errors.Is(err, davxml.ErrMalformed) || e != nil {
				t.Errorf("Parse(%q) = %v, %v, want ErrMalformed", tt.body, e, err)
			}
		})
	}
}

// validBodies are well-formed bodies with their infosets.
var validBodies = []struct{ rule, body, infoset string }{
	{"XML [39] empty elements are the same", `<a></a>`, ` lang=""[""]`},
	{"XML [40] attributes", "<a\n\tb = '1'\r\n c\t=\"2\" />", ` lang="" {"" "b"}="1" {"" "c"}="2"[""]`},
	{"XML [22] comments, instructions, spaces around", "<?p q?>\n<!-- x -->\t<a/> <!--y-->\r\n<?p?>", ` lang=""[""]`},
	{"RFC 4918 §17 they are dropped", "<a>1<!-- x -->2<?p <a/> ?>3<?q?></a>", ` lang=""["123"]`},
	{"XML §2.7 CDATA", `<a>1<![CDATA[<&]]]]>2<![CDATA[>]]>&#x33;</a>`, ` lang=""["1<&]]2>3"]`},
	{"XML §2.7 no references in CDATA", `<a><![CDATA[&#xD800;]]></a>`, ` lang=""["&#xD800;"]`},
	{"XML §4.6 predefined entities", `<a b="&lt;&gt;&amp;&quot;&apos;">&lt;&gt;&amp;&quot;&apos;</a>`,
		` lang="" {"" "b"}="<>&\"'"["<>&\"'"]`},
	{"XML §4.1 character references", `<a>&#65;&#x42;&#x00043;&#x10FFFF;&#xFFFD;</a>`, " lang=\"\"[\"ABC\\U0010ffff\uFFFD\"]"},
	{"XML §4.1 markup by reference is text", `<a>&#60;b/&#62;&#38;amp;</a>`, ` lang=""["<b/>&amp;"]`},
	{"XML §2.11 line ends", "<a>1\r\n2\r3\n4\r\r\n5</a>", ` lang=""["1\n2\n3\n4\n\n5"]`},
	{"XML §2.11 not those by reference", "<a>1&#xD;\n2&#13;&#10;3</a>", ` lang=""["1\r\n2\r\n3"]`},
	{"XML §2.11 in CDATA", "<a><![CDATA[1\r\n2\r]]>\n</a>", ` lang=""["1\n2\n\n"]`},
	{"XML §3.3.3 white space in values", "<a b='1\t2\n3\r\n4\r5  6 '/>", ` lang="" {"" "b"}="1 2 3 4 5  6 "[""]`},
	{"XML §3.3.3 not that by reference", "<a b='&#9;\t&#10;\n&#13;&#xD;\r&#x20;'/>",
		` lang="" {"" "b"}="\t \n \r\r  "[""]`},
	{"XML §3.3.3 other references beside it", "<a b='\n&lt;\u00e9&#x10000;&amp;\t\u00e9' c=\"'\n>\" d='x'/>",
		" lang=\"\" {\"\" \"b\"}=\" <\u00e9\U00010000& \u00e9\" {\"\" \"c\"}=\"' >\" {\"\" \"d\"}=\"x\"[\"\"]"},
	{"XML §3.3.3 in namespace names", "<a><b xmlns='u\nv'/></a>", ` lang=""[""{"u v" "b"} lang=""[""]""]`},
	{"RFC 4918 §4.3 white space is kept", "<a> <b> \n </b>\t</a>", ` lang=""[" "{"" "b"} lang=""[" \n "]"\t"]`},
	{"RFC 4918 §4.3 mixed content", "<a>1<b/>2<c>3</c>4</a>",
		` lang=""["1"{"" "b"} lang=""[""]"2"{"" "c"} lang=""["3"]"4"]`},
	{"RFC 4918 §4.3 lang is inherited", `<a xml:lang="en"><b><c xml:lang="de"/></b></a>`,
		` lang="en"[""{"" "b"} lang="en"[""{"" "c"} lang="de" {"` + davxml.NamespaceXML + `" "lang"}="de"[""]""]""]`},
	{"XML §2.12 lang can be undone", `<a xml:lang="en"><b xml:lang=""/></a>`,
		` lang="en"[""{"" "b"} lang="" {"` + davxml.NamespaceXML + `" "lang"}=""[""]""]`},
	{"NS §6.2 defaults", `<a xmlns="u"><b c=""/><d xmlns=""/><e xmlns="v"/></a>`,
		` lang=""[""{"u" "b"} lang="" {"" "c"}=""[""]""{"" "d"} lang=""[""]""{"v" "e"} lang=""[""]""]`},
	{"NS §6.1 prefixes are rebound inside", `<a xmlns:p="u"><p:b><p:c xmlns:p="v" p:d=""/><p:e/></p:b></a>`,
		` lang=""[""{"u" "b"} lang=""[""{"v" "c"} lang="" {"v" "d"}=""[""]""{"u" "e"} lang=""[""]""]""]`},
	{"NS §6.1 a declaration counts for its own element", `<a><p:b p:c="" xmlns:p="u"/></a>`,
		` lang=""[""{"u" "b"} lang="" {"u" "c"}=""[""]""]`},
	{"NS §6.3 one name, with and without namespace", `<a xmlns="u" xmlns:p="u" b="1" p:b="2"/>`,
		` lang="" {"" "b"}="1" {"u" "b"}="2"[""]`},
	{"NS §3 xml may be declared rightly", `<a xmlns:xml="http://www.w3.org/XML/1998/namespace" xml:x=""/>`,
		` lang="" {"` + davxml.NamespaceXML + `" "x"}=""[""]`},
	{"NS §3 xml itself", `<a><xml:b/></a>`, ` lang=""[""{"` + davxml.NamespaceXML + `" "b"} lang=""[""]""]`},
	{"XML [5] names beyond ASCII", "<p:\u00e9\u0660 xmlns:p='u'><\u65e5\u672c p:\u00fc=''/></p:\u00e9\u0660>",
		" lang=\"\"[\"\"{\"\" \"\u65e5\u672c\"} lang=\"\" {\"u\" \"\u00fc\"}=\"\"[\"\"]\"\"]"},
}

func TestParseValid(t *testing.T) {
	for _, tt := range validBodies {
		t.Run(tt.rule, func(t *testing.T) {
			e, err := davxml.Parse(strings.NewReader(tt.body), nil)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.body, err)
			}
			if got := infoset(e, true); got != tt.infoset {
				t.Errorf("Parse(%q) =\n%s, want\n%s", tt.body, got, tt.infoset)
			}
			checkTree(t, e)
		})
	}
}

func TestParseClientBodies(t *testing.T) {
	for _, b := range clientBodies {
		t.Run(b.from, func(t *testing.T) {
			e, err := davxml.Parse(iotest.OneByteReader(strings.NewReader(b.body)), nil)
			if err != nil {
				t.Fatal(err)
			}
			checkTree(t, e)
		})
	}
}

func TestParseEmpty(t *testing.T) {
	for _, body := range []string{"", " ", "\r\n\t ", "\xef\xbb\xbf", "\xff\xfe", "\xfe\xff\x00 \x00\n"} {
		if e, err := davxml.Parse(strings.NewReader(body), nil); !errors.Is(err, davxml.ErrEmpty) || e != nil {
			t.Errorf("Parse(%q) = %v, %v, want ErrEmpty", body, e, err)
		}
	}
}

// Error texts quote only a little of what a client sent.
func TestParseErrorIsShort(t *testing.T) {
	long := strings.Repeat("\u00e9", 100_000)
	for _, body := range []string{"<1" + long + "/>", "<p:" + long + "/>", "<" + long + "></a>", "<a>&" + long + ";</a>",
		`<?xml version="1.0" encoding="x` + strings.Repeat("x", 100_000) + `"?><a/>`} {
		_, err := davxml.Parse(strings.NewReader(body), nil)
		if err == nil || len(err.Error()) > 300 || !utf8.ValidString(err.Error()) {
			t.Errorf("Parse(%.20q) = %v, want a short error", body, err)
		}
	}
}

// A read error is not ErrMalformed: the caller answers 413 to a body that is too large (RFC 9110
// §15.5.14), and nothing if the connection is lost.
func TestParseReaderError(t *testing.T) {
	t.Run("http.MaxBytesError", func(t *testing.T) {
		body := http.MaxBytesReader(httptest.NewRecorder(), io.NopCloser(strings.NewReader("<a>    </a>")), 5)
		_, err := davxml.Parse(body, nil)
		var tooLarge *http.MaxBytesError
		if !errors.As(err, &tooLarge) || tooLarge.Limit != 5 {
			t.Errorf("error %v, want an *http.MaxBytesError", err)
		}
	})
	for _, sent := range []string{"", " ", "<a>", "<a/>", "<<"} {
		_, err := davxml.Parse(io.MultiReader(strings.NewReader(sent), iotest.ErrReader(io.ErrUnexpectedEOF)), nil)
		if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, davxml.ErrMalformed) || errors.Is(err, davxml.ErrEmpty) {
			t.Errorf("after %q: error %v, want that of the reader", sent, err)
		}
	}
}

func TestElement(t *testing.T) {
	e, err := davxml.Parse(strings.NewReader(`<a xmlns:p="u">1<b n="1"/>2<p:b n="2"/>3<p:b n="3"/></a>`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Text(); got != "123" {
		t.Errorf("Text() = %q, want 123", got)
	}
	if c := e.Child("u", "b"); c == nil || c.Attr[0].Value != "2" {
		t.Errorf("Child(u, b) = %v, want the first of that name", c)
	}
	if c := e.Child("u", "a"); c != nil {
		t.Errorf("Child(u, a) = %v, want nil", c)
	}
	for range e.Mixed() { // stopping early must not panic
		break
	}
}
