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

// Parse reads a document and returns its root. limits may be nil. The error wraps ErrEmpty,
// ErrMalformed, ErrCharset or the error of r. Parse reads r to its end, so the caller must limit
// the size.
//
// Parse drops comments and processing instructions (RFC 4918 §4.3.1, §17), treats CDATA sections as
// character data, replaces line ends by "\n" (XML 1.0 §2.11), normalizes attribute values (§3.3.3)
// and keeps white space. It follows the editions to which RFC 4918 refers: the fourth of XML 1.0
// and the second of Namespaces in XML 1.0.
func Parse(r io.Reader, limits *Limits) (*Element, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	root, err := ParseStart(body, limits)
	if err != nil {
		return nil, err
	}
	return root, nil
}

// ParseStart is Parse for a body that may be cut or malformed. Beside an error it returns what
// comes before it: the root with those of its children that are complete, or nil if there is no
// root.
func ParseStart(body []byte, limits *Limits) (*Element, error) {
	doc, err := toUTF8(body)
	if err != nil {
		return nil, err
	}
	p := parser{limits: limits.orDefaults(), bound: map[string][]string{"xml": {NamespaceXML}}}
	err = p.parse(doc)
	if err != nil && len(p.open) > 1 {
		p.root.Children = p.root.Children[:len(p.root.Children)-1]
	}
	return p.root, err
}

// malformed returns an error that wraps ErrMalformed. offset is in bytes of UTF-8 after the XML
// declaration.
func malformed(offset int, reason string) error {
	const maxReason = 120 // it may quote the client
	if len(reason) > maxReason {
		reason = reason[:maxReason] + "…"
	}
	reason = strings.ToValidUTF8(reason, "")
	return fmt.Errorf("%w near byte %d: %s", ErrMalformed, offset, reason)
}

type parser struct {
	limits          Limits
	root            *Element
	open            []*Element          // from the root to the innermost element that is not closed
	text            []byte              // character data since the last tag
	bound           map[string][]string // the namespace names of each prefix, the innermost last
	inScope         int                 // the number of declarations in scope
	elements        int
	redeclaredBytes int // see maxRedeclaredBytes
}

// parse calls the tokenizer of encoding/xml. RawToken checks most of the syntax within one token.
// The parser checks the rest: matching tags, namespaces, duplicates, the order of tokens and some
// characters.
func (p *parser) parse(doc []byte) error {
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
			reason = errors.New("a document type declaration") // RFC 4918 §20.6
		default: // no token: err is set
			reason = err
			if errors.As(err, &syntax) {
				reason = errors.New(syntax.Msg)
			} else if err == nil {
				reason = io.ErrNoProgress
			}
		}
		if reason != nil {
			return malformed(end, reason.Error())
		}
	}
	switch {
	case p.root == nil:
		return malformed(len(doc), "no root element")
	case len(p.open) > 0:
		return malformed(len(doc), fmt.Sprintf("element %.40q is not closed", p.open[len(p.open)-1].Name.Local))
	}
	return nil
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
	if err := checkAndNormalizeAttrs(raw, t.Attr); err != nil {
		return err
	}
	e := &Element{prefix: t.Name.Space}
	parent := p.current()
	if parent != nil {
		e.Lang, e.scope = parent.Lang, parent.scope
	}
	if err := p.bind(e, t.Attr); err != nil {
		return err
	}
	var err error
	if e.Name, err = p.elementName(t.Name); err != nil {
		return err
	}
	if err := p.setAttrs(e, t.Attr); err != nil {
		return err
	}
	if e.prefix == "" && !e.bindsDefault() {
		e.needsDefault = true
		if p.redeclaredBytes += len(e.Name.Space); p.redeclaredBytes > maxRedeclaredBytes {
			return errors.New("too many elements for so long a namespace name")
		}
	}
	p.storeText()
	if parent == nil {
		p.root = e
	} else {
		parent.Children = append(parent.Children, e)
	}
	p.open = append(p.open, e)
	return nil
}

func (p *parser) endElement(t xml.EndElement) error {
	e := p.current()
	if e == nil || e.prefix != t.Name.Space || e.Name.Local != t.Name.Local {
		return fmt.Errorf("an end tag %.40q that matches no start tag", t.Name.Local)
	}
	p.storeText()
	p.open = p.open[:len(p.open)-1]
	p.unbind(e)
	if parent := p.current(); parent != nil && e.needsDefault && !parent.needsDefault && !parent.bindsDefault() {
		parent.needsDefault = true
	}
	return nil
}

func (p *parser) charData(data, raw []byte) error {
	if len(p.open) == 0 {
		if !isSpace(raw) { // production [27] has literal white space only
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

// storeText moves the character data since the last tag into the tree.
func (p *parser) storeText() {
	if len(p.text) == 0 {
		return
	}
	e := p.current()
	if n := len(e.Children); n > 0 {
		e.Children[n-1].tail = string(p.text)
	} else {
		e.text = string(p.text)
	}
	p.text = p.text[:0]
}

func (p *parser) current() *Element {
	if len(p.open) == 0 {
		return nil
	}
	return p.open[len(p.open)-1]
}

// checkProcInst checks what encoding/xml does not: XML 1.0 productions [16] and [17], and colons
// (Namespaces in XML §7). toUTF8 has removed the XML declaration at the start; it is an error
// elsewhere.
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

// refersToSurrogate reports whether raw has a reference &#xD800; to &#xDFFF;. XML 1.0 §4.1 forbids
// them; encoding/xml reads them as U+FFFD.
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

// validChars reports whether b is UTF-8 and has only characters of XML 1.0 production [2].
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

// isChar reports whether r, decoded from valid UTF-8, matches XML 1.0 production [2].
func isChar(r rune) bool {
	return r >= 0x20 && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\n' || r == '\r'
}
