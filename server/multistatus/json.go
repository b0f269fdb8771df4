package multistatus

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The renderer of JSON. Properties whose content has no markup become strings; the others are XML
// elements that declare all their namespaces, since that is what a property is (§4.3).

const (
	jsonDocumentStart = `{"responses":[`
	jsonDocumentEnd   = "\n]}\n"
	jsonResponseStart = "\n" + `{"href":"`
)

// appendComma appends a comma unless b ends with the beginning of an object or of an array.
func appendComma(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] != '{' && b[n-1] != '[' {
		b = append(b, ',')
	}
	return b
}

func appendJSONHrefEnd(b []byte, status int) []byte {
	if status == 0 {
		return append(b, `","propstats":[`...)
	}
	b = append(b, `","status":`...)
	return strconv.AppendInt(b, int64(status), 10)
}

func appendJSONPropstatStart(b []byte, status int) []byte {
	b = append(appendComma(b), `{"status":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	return append(b, `,"properties":{`...)
}

func appendJSONErrorAndDescription(b []byte, c *Condition, description string) []byte {
	if c != nil {
		b = append(b, `,"error":{`...)
		b = append(appendJSONCondition(b, c), '}')
	}
	if description != "" {
		b = append(b, `,"description":`...)
		b = appendJSONString(b, description)
	}
	return b
}

// appendJSONCondition appends the members of an object.
func appendJSONCondition(b []byte, c *Condition) []byte {
	b = append(appendComma(b), `"condition":`...)
	b = appendJSONName(b, c.Name)
	if len(c.Hrefs) == 0 {
		return b
	}
	b = append(b, `,"hrefs":[`...)
	for _, h := range c.Hrefs {
		b = appendJSONString(appendComma(b), h)
	}
	return append(b, ']')
}

// appendProblem appends an error response (RFC 9457 §3.1).
func appendProblem(b []byte, e *Error) []byte {
	b = append(b, `{"type":`...)
	if e.Condition != nil && e.Condition.Name.Space == Namespace {
		b = appendJSONString(b, Namespace+e.Condition.Name.Local)
	} else {
		b = append(b, `"about:blank"`...)
	}
	if title := http.StatusText(e.Status); title != "" {
		b = append(b, `,"title":`...)
		b = appendJSONString(b, title)
	}
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	if e.Description != "" {
		b = append(b, `,"detail":`...)
		b = appendJSONString(b, e.Description)
	}
	if e.Condition != nil {
		b = appendJSONCondition(b, e.Condition)
	}
	return append(b, "}\n"...)
}

// appendJSONName appends a name as a string: bare in the namespace DAV:, else {namespace}local.
func appendJSONName(b []byte, n xml.Name) []byte {
	b = append(b, '"')
	if n.Space != Namespace {
		b = append(b, '{')
		b = appendJSONText(b, n.Space)
		b = append(b, '}')
	}
	b = appendJSONText(b, n.Local)
	return append(b, '"')
}

func appendJSONProperty(b []byte, p *Property) ([]byte, error) {
	if err := checkName(p.XMLName); err != nil {
		return b, err
	}
	b = append(appendJSONName(appendComma(b), p.XMLName), ':')
	if hasMarkup(p) {
		return appendJSONElement(b, p)
	}
	if p.Lang != "" {
		b = append(b, `{"text":`...)
	}
	b = append(b, '"')
	content := len(b)
	b = append(b, p.InnerXML...)
	b, _ = textToJSON(b, content)
	b = append(b, '"')
	if p.Lang != "" {
		b = appendJSONLang(b, p.Lang)
	}
	return b, nil
}

// hasMarkup reports whether a property is more than text: it has child elements, or attributes that
// declare no namespace.
func hasMarkup(p *Property) bool {
	for _, a := range p.Attr {
		if a.Name.Space != "xmlns" {
			return true
		}
	}
	return bytes.IndexByte(p.InnerXML, '<') >= 0
}

// appendJSONElement appends the object for a property with markup.
func appendJSONElement(b []byte, p *Property) ([]byte, error) {
	b = append(b, `{"xml":"`...)
	element := len(b)
	declaration := ""
	if usesD(p) {
		declaration = ` xmlns:D="DAV:"`
	}
	b, err := appendElement(b, p, declaration)
	if err != nil {
		return b, err
	}
	b = append(escapeJSON(b, element), '"')
	if p.Lang != "" {
		return appendJSONLang(b, p.Lang), nil
	}
	return append(b, '}'), nil
}

// usesD reports whether the element of p may use the prefix D.
func usesD(p *Property) bool {
	if p.XMLName.Space == Namespace || bytes.Contains(p.InnerXML, []byte("D:")) {
		return true
	}
	for _, a := range p.Attr {
		if a.Name.Space == Namespace || strings.Contains(a.Value, "D:") {
			return true
		}
	}
	return false
}

func appendJSONLang(b []byte, lang string) []byte {
	b = append(b, `,"lang":`...)
	return append(appendJSONString(b, lang), '}')
}

// endJSON is AppendEnd. AppendStart has begun a string.
func (t *Tags) endJSON(b []byte, content int) []byte {
	b, ok := textToJSON(b, content)
	if ok {
		return append(b, '"')
	}
	end := len(b)
	b, _ = appendJSONElement(b, &Property{XMLName: t.name, InnerXML: b[content:]}) // the name is valid
	n := copy(b[content-1:], b[end:])
	return b[:content-1+n]
}

// The classes of bytes in jsonClass.
const (
	plain   = iota
	special // escaped in JSON, or not ASCII
	markup  // plain in JSON, but not in XML
)

var jsonClass = func() (t [256]byte) {
	for c := range t {
		if c < ' ' || c >= utf8.RuneSelf {
			t[c] = special
		}
	}
	t['"'], t['\\'] = special, special
	t['<'], t['&'] = markup, markup
	return t
}()

// textToJSON turns b[from:], the content of an element, into that of a JSON string. ok is false,
// and b unchanged, if it has markup.
func textToJSON(b []byte, from int) (out []byte, ok bool) {
	i := from
	for i < len(b) && jsonClass[b[i]] == plain {
		i++
	}
	switch {
	case i == len(b):
		return b, true
	case bytes.IndexByte(b[i:], '<') >= 0:
		return b, false
	}
	if bytes.IndexByte(b[i:], '&') >= 0 || bytes.IndexByte(b[i:], '\r') >= 0 {
		b = unescapeXML(b, i)
	}
	return escapeJSON(b, i), true
}

// escapeJSON turns b[from:] into the content of a JSON string.
func escapeJSON(b []byte, from int) []byte {
	for from < len(b) && jsonClass[b[from]] != special {
		from++
	}
	end := len(b)
	if from == end {
		return b
	}
	b = appendJSONText(b, b[from:end]) // behind the end, where it overwrites nothing
	n := copy(b[from:], b[end:])
	return b[:from+n]
}

// appendJSONString appends s with its quotes.
func appendJSONString(b []byte, s string) []byte {
	return append(appendJSONText(append(b, '"'), s), '"')
}

// appendJSONText appends s as the content of a JSON string (RFC 8259 §7). It replaces invalid UTF-8
// by U+FFFD.
func appendJSONText[T string | []byte](b []byte, s T) []byte {
	const hex = "0123456789abcdef"
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if jsonClass[c] != special {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[done:i]...), "\uFFFD"...)
				done = i + 1
			}
			i += size
			continue
		}
		b = append(b, s[done:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\t':
			b = append(b, `\t`...)
		case '\r':
			b = append(b, `\r`...)
		default:
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		}
		i++
		done = i
	}
	return append(b, s[done:]...)
}

// unescapeXML turns b[from:] from character data into text: it replaces references and line ends
// as a parser does (XML 1.0 §2.11, §4.4, §4.6). Text never gets longer.
func unescapeXML(b []byte, from int) []byte {
	in, out := b[from:], b[from:from]
	for len(in) > 0 {
		switch c := in[0]; c {
		case '\r':
			out = append(out, '\n')
			in = bytes.TrimPrefix(in[1:], []byte{'\n'})
		case '&':
			name, rest, found := bytes.Cut(in[1:], []byte{';'})
			r, ok := reference(name)
			if !found || !ok { // the content is malformed
				out, in = append(out, c), in[1:]
				continue
			}
			out, in = utf8.AppendRune(out, r), rest
		default:
			out, in = append(out, c), in[1:]
		}
	}
	return b[:from+len(out)]
}

// reference returns the character of a reference with this name.
func reference(name []byte) (rune, bool) {
	switch string(name) {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(string(name), "#")
	if !ok {
		return 0, false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	return rune(n), err == nil && utf8.ValidRune(rune(n))
}
