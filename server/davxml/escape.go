package davxml

import "unicode/utf8"

// The ASCII characters that do not stand for themselves. A reader would make a literal carriage return a line feed
// (XML 1.0 §2.11), and in attributes all white space a space (§3.3.3).
var (
	escapedText = table(map[byte]string{'&': "&amp;", '<': "&lt;", '>': "&gt;",
		'\r': "&#xD;", '\t': "", '\n': ""})
	escapedAttr = table(map[byte]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&quot;",
		'\r': "&#xD;", '\t': "&#x9;", '\n': "&#xA;"})
)

const replacement = "\uFFFD"

// table completes the map: control characters become U+FFFD, all others stand for themselves, which is "".
func table(special map[byte]string) (t [utf8.RuneSelf]string) {
	for c := range byte(0x20) {
		t[c] = replacement
	}
	for c, s := range special {
		t[c] = s
	}
	return t
}

// EscapeText appends s to dst as character data. What XML cannot carry (XML 1.0 §2.2: control characters, U+FFFE, U+FFFF,
// invalid UTF-8) becomes U+FFFD.
func EscapeText(dst []byte, s string) []byte { return escape(dst, s, &escapedText) }

// EscapeAttr appends s to dst as an attribute value between double quotes, which are not appended. What XML cannot
// carry becomes U+FFFD.
func EscapeAttr(dst []byte, s string) []byte { return escape(dst, s, &escapedAttr) }

func escape(dst []byte, s string, ascii *[utf8.RuneSelf]string) []byte {
	done := 0
	for i := 0; i < len(s); {
		instead, size := "", 1
		if c := s[i]; c < utf8.RuneSelf {
			instead = ascii[c]
		} else {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 || !isChar(r) {
				instead = replacement
			}
		}
		if instead != "" {
			dst = append(dst, s[done:i]...)
			dst = append(dst, instead...)
			done = i + size
		}
		i += size
	}
	return append(dst, s[done:]...)
}
