package multistatus

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"math/bits"
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
		b = AppendJSONString(b, description)
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
		b = AppendJSONString(appendComma(b), h)
	}
	return append(b, ']')
}

// AppendProblem appends an error response (RFC 9457 §3.1).
func AppendProblem(b []byte, e *Error) []byte {
	b = append(b, `{"type":`...)
	if e.Condition != nil && e.Condition.Name.Space == Namespace {
		b = AppendJSONString(b, Namespace+e.Condition.Name.Local)
	} else {
		b = append(b, `"about:blank"`...)
	}
	if title := http.StatusText(e.Status); title != "" {
		b = append(b, `,"title":`...)
		b = AppendJSONString(b, title)
	}
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	if e.Description != "" {
		b = append(b, `,"detail":`...)
		b = AppendJSONString(b, e.Description)
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
	return append(AppendJSONString(b, lang), '}')
}

// endJSON is AppendEnd. AppendStart has begun a string.
func (t *Tags) endJSON(b []byte, content int, last *LastElement) []byte {
	b, ok := textToJSON(b, content)
	if ok {
		return append(b, '"')
	}
	start := content - 1 // of the value
	if bytes.Equal(last.content, b[content:]) {
		return append(b[:start], last.json...)
	}
	end := len(b)
	b, _ = appendJSONElement(b, &Property{XMLName: t.name, InnerXML: b[content:]}) // the name is valid
	if len(b)-end <= maxLastElement {
		last.content = append(last.content[:0], b[content:end]...)
		last.json = append(last.json[:0], b[end:]...)
	}
	return moveDown(b, start, end)
}

// textToJSON turns b[from:], the content of an element, into that of a JSON string: it replaces
// references and line ends as a parser does (XML 1.0 §2.11, §4.4, §4.6), and escapes. ok is false,
// and b unchanged, if it has markup.
func textToJSON(b []byte, from int) (out []byte, ok bool) {
	from += plainLen(b[from:])
	end := len(b)
	if from == end {
		return b, true
	}
	// Every file has an entity tag, for which this is much faster than what follows.
	if last := end - 1; last > from && b[from] == '"' && b[last] == '"' && plainLen(b[from+1:last]) == last-from-1 {
		b = append(b, `\"`...)
		copy(b[from+2:], b[from+1:last])
		b[from], b[from+1] = '\\', '"'
		return b, true
	}
	for s := b[from:]; len(s) > 0; {
		n := plainLen(s)
		b = append(b, s[:n]...) // behind the end, where it overwrites nothing
		if s = s[n:]; len(s) == 0 {
			break
		}
		size := 1
		switch s[0] {
		case '<':
			return b[:end], false
		case '&':
			name, _, found := bytes.Cut(s[1:], []byte{';'})
			r, ok := reference(name)
			if !found || !ok { // the content is malformed
				b = append(b, '&')
				break
			}
			var text [utf8.UTFMax]byte
			b, _ = appendEscape(b, utf8.AppendRune(text[:0], r))
			size = len(name) + len("&;")
		case '\r':
			b = append(b, `\n`...)
			if len(s) > 1 && s[1] == '\n' {
				size = 2
			}
		default:
			b, size = appendEscape(b, s)
		}
		s = s[size:]
	}
	return moveDown(b, from, end), true
}

// plainLen returns the length of the longest prefix of s in which no byte has a meaning in JSON or
// XML, is a control character or is not ASCII. It looks at eight bytes at a time.
func plainLen(s []byte) int {
	n := 0
	if len(s) >= 8 {
		for ; n+8 <= len(s); n += 8 {
			if special := specialBytes(s[n:]); special != 0 {
				return n + bits.TrailingZeros64(special)/8
			}
		}
		if n < len(s) {
			if special := specialBytes(s[len(s)-8:]); special != 0 { // those before n are plain
				return len(s) - 8 + bits.TrailingZeros64(special)/8
			}
		}
		return len(s)
	}
	for n < len(s) && plain[s[n]] {
		n++
	}
	return n
}

// specialBytes returns a word whose lowest bit that is set is in the place of the first of eight
// bytes that is not plain. It returns 0 if all are.
func specialBytes(s []byte) uint64 {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	x := binary.LittleEndian.Uint64(s)
	// Each difference sets the high bit of the first byte for which it is below zero.
	return high & (x | (x - ones*' ') | ((x ^ ones*'"') - ones) | ((x ^ ones*'\\') - ones) |
		((x ^ ones*'&') - ones) | ((x ^ ones*'<') - ones))
}

// plain holds the bytes that plainLen counts.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c < utf8.RuneSelf && strings.IndexByte(`"\&<`, byte(c)) < 0
	}
	return t
}()

// AppendJSONString appends s as a JSON string. It replaces invalid UTF-8 by U+FFFD.
func AppendJSONString(b []byte, s string) []byte {
	return append(appendJSONText(append(b, '"'), s), '"')
}

// appendJSONText appends s as the content of a JSON string.
func appendJSONText(b []byte, s string) []byte { return escapeJSON(append(b, s...), len(b)) }

// escapeJSON turns b[from:] into the content of a JSON string (RFC 8259 §7). It replaces invalid
// UTF-8 by U+FFFD.
func escapeJSON(b []byte, from int) []byte {
	from += plainLen(b[from:])
	end := len(b)
	for s := b[from:]; len(s) > 0; {
		n := plainLen(s)
		b = append(b, s[:n]...) // behind the end, where it overwrites nothing
		if s = s[n:]; len(s) > 0 {
			var size int
			b, size = appendEscape(b, s)
			s = s[size:]
		}
	}
	return moveDown(b, from, end)
}

// moveDown replaces b[to:from] by b[from:].
func moveDown(b []byte, to, from int) []byte { return b[:to+copy(b[to:], b[from:])] }

// appendEscape appends the first character of s, and returns its size in s.
func appendEscape(b, s []byte) (out []byte, size int) {
	const hex = "0123456789abcdef"
	switch c := s[0]; {
	case c == '"', c == '\\':
		return append(b, '\\', c), 1
	case c == '\n':
		return append(b, `\n`...), 1
	case c == '\r':
		return append(b, `\r`...), 1
	case c == '\t':
		return append(b, `\t`...), 1
	case c < ' ':
		return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15]), 1
	case c < utf8.RuneSelf: // special only in XML
		return append(b, c), 1
	}
	r, size := utf8.DecodeRune(s)
	return utf8.AppendRune(b, r), size
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
