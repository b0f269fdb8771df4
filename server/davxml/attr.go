package davxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"unicode/utf8"
)

// normalizeAttrs goes through a start tag once more, for what encoding/xml does not do: it takes attributes that no white
// space separates (XML 1.0 production [40]), character references to surrogates, and it keeps the literal tabs and
// line ends in values that §3.3.3 turns into spaces, while those written as references stay what they are.
func normalizeAttrs(raw []byte, attrs []xml.Attr) error {
	if len(attrs) == 0 {
		return nil
	}
	if refersToSurrogate(raw) {
		return errors.New("a reference to half a surrogate pair")
	}
	for i := range attrs {
		// The decoder has read the tag: what is looked for is there.
		raw = raw[bytes.IndexByte(raw, '=')+1:]
		raw = bytes.TrimLeft(raw, " \t\r\n")
		quote := raw[0]
		value, rest, _ := bytes.Cut(raw[1:], []byte{quote})
		if raw = rest; !isSpace(raw[:1]) && raw[0] != '/' && raw[0] != '>' {
			return errors.New("no white space between attributes")
		}
		if bytes.ContainsAny(value, "\t\r\n") {
			attrs[i].Value = normalize(value, attrs[i].Value)
		}
	}
	return nil
}

// normalize replaces the characters of value that stand literally as white space in raw, the source of value, by spaces.
func normalize(raw []byte, value string) string {
	var b strings.Builder
	b.Grow(len(value))
	for i := 0; i < len(raw); i++ {
		size := 1
		switch c := raw[i]; c {
		case '\r':
			if i+1 < len(raw) && raw[i+1] == '\n' { // one line end, and one in value
				i++
			}
			b.WriteByte(' ')
		case '\t', '\n':
			b.WriteByte(' ')
		case '&': // every reference stands for one character
			i += bytes.IndexByte(raw[i:], ';')
			_, size = utf8.DecodeRuneInString(value)
			b.WriteString(value[:size])
		default:
			b.WriteByte(c)
		}
		value = value[size:]
	}
	return b.String()
}
