package davxml

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// xmlDeclaration is XML 1.0 production [23].
var xmlDeclaration = regexp.MustCompile(`^<\?xml` +
	`[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.0"|'1\.0')` +
	`(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"([A-Za-z][A-Za-z0-9._-]*)"|'([A-Za-z][A-Za-z0-9._-]*)'))?` +
	`(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?` +
	`[ \t\r\n]*\?>`)

// unsupportedStarts are the first bytes of documents in UTF-32, in UTF-16 without the required byte
// order mark (XML 1.0 §4.3.3), and in EBCDIC (XML 1.0 appendix F).
var unsupportedStarts = []string{"\xff\xfe\x00\x00", "\x00\x00\xfe\xff", "<\x00", "\x00<", "\x00\x00\x00<", "\x4c\x6f\xa7\x94"}

const (
	bomUTF8    = "\xef\xbb\xbf"
	bomUTF16LE = "\xff\xfe"
	bomUTF16BE = "\xfe\xff"
)

// toUTF8 returns the document in UTF-8, without byte order mark and XML declaration. It accepts
// white space before the declaration, which XML 1.0 production [22] does not allow but some clients
// send.
func toUTF8(body []byte) ([]byte, error) {
	for _, f := range unsupportedStarts {
		if bytes.HasPrefix(body, []byte(f)) {
			return nil, fmt.Errorf("%w: neither UTF-8 nor UTF-16 with a byte order mark", ErrCharset)
		}
	}
	var isUTF16 bool
	var err error
	switch {
	case bytes.HasPrefix(body, []byte(bomUTF16LE)):
		isUTF16 = true
		body, err = decodeUTF16(body[2:], binary.LittleEndian)
	case bytes.HasPrefix(body, []byte(bomUTF16BE)):
		isUTF16 = true
		body, err = decodeUTF16(body[2:], binary.BigEndian)
	default:
		body = bytes.TrimPrefix(body, []byte(bomUTF8))
	}
	if err != nil {
		return nil, err
	}
	if body = bytes.TrimLeft(body, space); len(body) == 0 {
		return nil, ErrEmpty
	}
	if len(body) < 6 || string(body[:5]) != "<?xml" || !isSpace(body[5:6]) {
		return body, nil
	}
	m := xmlDeclaration.FindSubmatch(body)
	if m == nil {
		return nil, malformed(0, "the XML declaration")
	}
	rest := body[len(m[0]):]
	if name := string(m[1]) + string(m[2]); name != "" {
		if err := checkEncoding(name, isUTF16, rest); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// checkEncoding compares the declared encoding with the actual one: a difference is a fatal error
// (XML 1.0 §4.3.3).
func checkEncoding(name string, isUTF16 bool, rest []byte) error {
	var fits bool
	switch strings.ToLower(name) {
	case "utf-8":
		fits = !isUTF16
	case "us-ascii":
		fits = !isUTF16 && bytes.IndexFunc(rest, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	case "utf-16":
		fits = isUTF16
	default:
		return fmt.Errorf("%w: %.40q", ErrCharset, name)
	}
	if !fits {
		return malformed(0, fmt.Sprintf("not in the declared encoding %q", name))
	}
	return nil
}

// decodeUTF16 returns an error for invalid UTF-16, as XML 1.0 §4.3.3 requires. golang.org/x/text
// would replace it by U+FFFD.
func decodeUTF16(b []byte, order binary.ByteOrder) ([]byte, error) {
	if len(b)%2 != 0 {
		return nil, malformed(0, "half a UTF-16 code unit")
	}
	out := make([]byte, 0, len(b)/2+len(b)/8)
	for i := 0; i < len(b); i += 2 {
		r := rune(order.Uint16(b[i:]))
		if utf16.IsSurrogate(r) {
			var low rune
			if i += 2; i < len(b) {
				low = rune(order.Uint16(b[i:]))
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return nil, malformed(len(out), "half a UTF-16 surrogate pair")
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}

// space is the white space of XML 1.0 production [3], a subset of that of Unicode.
const space = " \t\r\n"

// isSpace reports whether b consists of white space.
func isSpace(b []byte) bool { return len(bytes.TrimLeft(b, space)) == 0 }
