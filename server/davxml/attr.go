package davxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"unicode/utf8"
)

// checkAndNormalizeAttrs checks and completes what encoding/xml read from the start tag raw. The
// decoder accepts attributes without white space between them (XML 1.0 production [40]) and
// character references to surrogates. It keeps literal tabs and line ends in values, which XML 1.0
// §3.3.3 replaces by spaces; those written as character references stay.
func checkAndNormalizeAttrs(raw []byte, attrs []xml.Attr) error {
	if len(attrs) == 0 {
		return nil
	}
	if refersToSurrogate(raw) {
		return errors.New("a reference to half a surrogate pair")
	}
	for i := range attrs {
		// The decoder has parsed the tag, so there is a '=' and a quoted value.
		raw = raw[bytes.IndexByte(raw, '=')+1:]
		raw = bytes.TrimLeft(raw, " \t\r\n")
		quote := raw[0]
		value, rest, _ := bytes.Cut(raw[1:], []byte{quote})
		if raw = rest; !isSpace(raw[:1]) && raw[0] != '/' && raw[0] != '>' {
			return errors.New("no white space between attributes")
		}
		if bytes.ContainsAny(value, "\t\r\n") {
			attrs[i].Value = normalizeValue(value, attrs[i].Value)
		}
	}
	return nil
}

// normalizeValue replaces literal white space in value by spaces. raw is the source of value.
func normalizeValue(raw []byte, value string) string {
	var b strings.Builder
	b.Grow(len(value))
	for i := 0; i < len(raw); i++ {
		size := 1
		switch c := raw[i]; c {
		case '\r':
			if i+1 < len(raw) && raw[i+1] == '\n' { // one character in value
				i++
			}
			b.WriteByte(' ')
		case '\t', '\n':
			b.WriteByte(' ')
		case '&': // a reference is one character in value
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
