package davxml

import "unicode/utf8"

// The ASCII characters to escape; "" stands for no escape. A parser replaces a literal carriage
// return by a line feed (XML 1.0 §2.11), and white space in attributes by spaces (§3.3.3).
var (
	textEscapes = escapeTable(map[byte]string{'&': "&amp;", '<': "&lt;", '>': "&gt;",
		'\r': "&#xD;", '\t': "", '\n': ""})
	attrEscapes = escapeTable(map[byte]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&quot;",
		'\r': "&#xD;", '\t': "&#x9;", '\n': "&#xA;"})
)

const replacement = "\uFFFD"

// escapeTable returns a table of special and of the other control characters, which become U+FFFD.
func escapeTable(special map[byte]string) (t [utf8.RuneSelf]string) {
	for c := range byte(0x20) {
		t[c] = replacement
	}
	for c, s := range special {
		t[c] = s
	}
	return t
}

// EscapeText appends s to dst as character data. It replaces invalid UTF-8 and the characters that
// XML forbids (control characters, U+FFFE, U+FFFF: XML 1.0 §2.2) by U+FFFD.
func EscapeText(dst []byte, s string) []byte { return escape(dst, s, &textEscapes) }

// EscapeAttr appends s to dst as an attribute value, without the double quotes that must enclose
// it. It replaces the same characters as EscapeText.
func EscapeAttr(dst []byte, s string) []byte { return escape(dst, s, &attrEscapes) }

func escape(dst []byte, s string, ascii *[utf8.RuneSelf]string) []byte {
	done := 0
	for i := 0; i < len(s); {
		escaped, size := "", 1
		if c := s[i]; c < utf8.RuneSelf {
			escaped = ascii[c]
		} else {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 || !isChar(r) {
				escaped = replacement
			}
		}
		if escaped != "" {
			dst = append(dst, s[done:i]...)
			dst = append(dst, escaped...)
			done = i + size
		}
		i += size
	}
	return append(dst, s[done:]...)
}
