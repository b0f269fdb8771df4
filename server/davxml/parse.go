package davxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads a whole document and returns its root. limits may be nil. The errors are described with ErrEmpty,
// ErrMalformed and ErrCharset; any other is that of r, and r is what bounds the size of the body.
//
// Comments and processing instructions are dropped (RFC 4918 §4.3.1, §17), CDATA sections are character data, line ends
// are "\n" (XML 1.0 §2.11), attribute values are normalized (§3.3.3). White space is kept. The editions are those that
// RFC 4918 refers to: the fourth of XML 1.0, the second of Namespaces in XML 1.0.
func Parse(r io.Reader, limits *Limits) (*Element, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	doc, err := decode(body)
	if err != nil {
		return nil, err
	}
	p := parser{limits: limits.orDefaults(), bound: map[string][]string{"xml": {NamespaceXML}}}
	return p.parse(doc)
}

// malformed returns an error that wraps ErrMalformed. The offset counts from behind the XML declaration, in UTF-8.
func malformed(offset int, reason string) error {
	const enough = 120 // a reason may quote what the client sent
	if len(reason) > enough {
		reason = reason[:enough] + "…"
	}
	reason = strings.ToValidUTF8(reason, "")
	return fmt.Errorf("%w near byte %d: %s", ErrMalformed, offset, reason)
}

type parser struct {
	limits     Limits
	root       *Element
	open       []*Element          // from the root to the innermost element that is not closed
	text       []byte              // character data since the last tag
	bound      map[string][]string // prefix to the namespace names it was bound to, the innermost last
	inScope    int                 // declarations in scope
	elements   int
	redeclared int // see maxRedeclared
}

// parse drives the tokenizer of encoding/xml. RawToken checks the syntax within one token, and not all of it: tags that
// match, namespaces, duplicates, the order of things and some characters are left to its caller.
func (p *parser) parse(doc []byte) (*Element, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		start := int(d.InputOffset())
		token, err := d.RawToken()
		if err == io.EOF {
			break
		}
		end := int(d.InputOffset())
		var reason error
		var syntax *xml.SyntaxError
		switch t := token.(type) {
		case xml.StartElement:
			reason = p.startElement(t, doc[start:end])
		case xml.EndElement:
			reason = p.endElement(t)
		case xml.CharData:
			reason = p.charData(t, doc[start:end])
		case xml.Comment:
			if !validChars(t) {
				reason = errors.New("a forbidden character in a comment")
			}
		case xml.ProcInst:
			reason = checkProcInst(t, doc[start:end])
		case xml.Directive:
			reason = errors.New("a document type declaration") // RFC 4918 §20.6, and entities that grow
		default: // no token
			reason = err
			if errors.As(err, &syntax) {
				reason = errors.New(syntax.Msg)
			} else if err == nil {
				reason = io.ErrNoProgress
			}
		}
		if reason != nil {
			return nil, malformed(end, reason.Error())
		}
	}
	switch {
	case p.root == nil:
		return nil, malformed(len(doc), "no root element")
	case len(p.open) > 0:
		return nil, malformed(len(doc), fmt.Sprintf("element %.40q is not closed", p.open[len(p.open)-1].Name.Local))
	}
	return p.root, nil
}

func (p *parser) startElement(t xml.StartElement, raw []byte) error {
	p.elements++
	switch {
	case p.root != nil && len(p.open) == 0:
		return errors.New("a second root element")
	case len(p.open) >= p.limits.Depth:
		return errors.New("elements nested too deeply")
	case p.elements > p.limits.Elements:
		return errors.New("too many elements")
	case len(t.Attr) > p.limits.Attrs:
		return errors.New("too many attributes")
	}
	if err := normalizeAttrs(raw, t.Attr); err != nil {
		return err
	}
	e := &Element{prefix: t.Name.Space}
	parent := p.innermost()
	if parent != nil {
		e.Lang, e.scope = parent.Lang, parent.scope
	}
	if err := p.declare(e, t.Attr); err != nil {
		return err
	}
	var err error
	if e.Name, err = p.elementName(t.Name); err != nil {
		return err
	}
	if err := p.attributes(e, t.Attr); err != nil {
		return err
	}
	if e.prefix == "" && !e.declaresDefault() {
		e.inherits = true
		if p.redeclared += len(e.Name.Space); p.redeclared > maxRedeclared {
			return errors.New("too many elements for so long a namespace name")
		}
	}
	p.flush()
	if parent == nil {
		p.root = e
	} else {
		parent.Children = append(parent.Children, e)
	}
	p.open = append(p.open, e)
	return nil
}

func (p *parser) endElement(t xml.EndElement) error {
	e := p.innermost()
	if e == nil || e.prefix != t.Name.Space || e.Name.Local != t.Name.Local {
		return fmt.Errorf("an end tag %.40q that matches no start tag", t.Name.Local)
	}
	p.flush()
	p.open = p.open[:len(p.open)-1]
	p.undeclare(e)
	if parent := p.innermost(); parent != nil && e.inherits && !parent.inherits && !parent.declaresDefault() {
		parent.inherits = true
	}
	return nil
}

func (p *parser) charData(data, raw []byte) error {
	if len(p.open) == 0 {
		if !isSpace(raw) { // production [27]: literal white space, neither references nor CDATA
			return errors.New("text outside of the root element")
		}
		return nil
	}
	if raw[0] != '<' && refersToSurrogate(raw) {
		return errors.New("a reference to half a surrogate pair")
	}
	p.text = append(p.text, data...)
	return nil
}

// flush gives the character data read so far its place in the tree.
func (p *parser) flush() {
	if len(p.text) == 0 {
		return
	}
	e := p.innermost()
	if n := len(e.Children); n > 0 {
		e.Children[n-1].tail = string(p.text)
	} else {
		e.head = string(p.text)
	}
	p.text = p.text[:0]
}

func (p *parser) innermost() *Element {
	if len(p.open) == 0 {
		return nil
	}
	return p.open[len(p.open)-1]
}

// checkProcInst checks what encoding/xml does not: productions [16] and [17], and the colon (Namespaces in XML §7). The
// XML declaration at the start was taken away by decode; anywhere else it is an error.
func checkProcInst(t xml.ProcInst, raw []byte) error {
	rest := raw[len("<?")+len(t.Target):]
	switch {
	case strings.EqualFold(t.Target, "xml"):
		return errors.New("an XML declaration that is not at the start")
	case strings.Contains(t.Target, ":"):
		return errors.New("a colon in the name of a processing instruction")
	case string(rest) != "?>" && !isSpace(rest[:1]), !validChars(t.Inst):
		return errors.New("a forbidden character in a processing instruction")
	}
	return nil
}

// refersToSurrogate finds the one thing that encoding/xml takes for a character reference although it is none (XML 1.0
// §4.1): &#xD800; to &#xDFFF;, which it reads as U+FFFD.
func refersToSurrogate(raw []byte) bool {
	for {
		i := bytes.Index(raw, []byte("&#"))
		if i < 0 {
			return false
		}
		raw = raw[i+2:]
		end := bytes.IndexByte(raw, ';')
		if end < 0 {
			return false
		}
		digits, base := string(raw[:end]), 10
		if strings.HasPrefix(digits, "x") {
			digits, base = digits[1:], 16
		}
		if n, err := strconv.ParseUint(digits, base, 64); err == nil && 0xD800 <= n && n <= 0xDFFF {
			return true
		}
	}
}

// validChars reports whether b is UTF-8 and made of production [2] alone.
func validChars(b []byte) bool {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 || !isChar(r) {
			return false
		}
		b = b[size:]
	}
	return true
}

// isChar is production [2], for what utf8 can decode.
func isChar(r rune) bool {
	return r >= 0x20 && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\n' || r == '\r'
}
