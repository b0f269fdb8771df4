package davxml_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"

	"dav207/server/davxml"
)

func utf16LE(s string) []byte { return toUTF16(s, binary.LittleEndian) }

// toUTF16 returns s in UTF-16 with a byte order mark.
func toUTF16(s string, order binary.AppendByteOrder) []byte {
	b := order.AppendUint16(nil, 0xFEFF)
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return b
}

// XML 1.0 §4.3.3 and appendix F.
func TestParseEncoding(t *testing.T) {
	const text = "\u00e9\u65e5\U00010000\r\n"
	doc := func(declaration string) string { return declaration + "<a>" + text + "</a>" }
	for _, tt := range []struct{ rule, body string }{
		{"UTF-8 is the default", doc("")},
		{"UTF-8 with a byte order mark", "\xef\xbb\xbf" + doc("")},
		{"UTF-8 with a byte order mark, declared", "\xef\xbb\xbf" + doc(`<?xml version='1.0' encoding='Utf-8'?>`)},
		{"white space before the declaration", doc("\r\n \t" + `<?xml version="1.0"?>`)},
		{"white space before the declaration, after a byte order mark", "\xef\xbb\xbf" + doc("\n"+`<?xml version="1.0"?>`)},
		{"white space before the declaration in UTF-16", string(utf16LE(doc("\n" + `<?xml version="1.0" encoding="utf-16"?>`)))},
		{"names in any case", doc(`<?xml version="1.0" encoding="UTF-8" standalone='yes' ?>`)},
		{"no encoding declared", doc("<?xml\tversion = \"1.0\"\n?>")},
		{"an instruction that only looks like a declaration", doc(`<?xml-stylesheet href="x"?>`)},
		{"UTF-16 little endian", string(utf16LE(doc("")))},
		{"UTF-16 little endian, declared", string(utf16LE(doc(`<?xml version="1.0" encoding="UTF-16"?>`)))},
		{"UTF-16 big endian, declared", string(toUTF16(doc(`<?xml version="1.0" encoding="utf-16"?>`), binary.BigEndian))},
		{"UTF-16, declared without encoding", string(utf16LE(doc(`<?xml version="1.0"?>`)))},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			e, err := davxml.Parse(strings.NewReader(tt.body), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := e.Text(), strings.ReplaceAll(text, "\r\n", "\n"); got != want {
				t.Errorf("text = %q, want %q", got, want)
			}
		})
	}
	if e, err := davxml.Parse(strings.NewReader(`<?xml version="1.0" encoding="US-ASCII"?><a>b</a>`), nil); err != nil || e.Text() != "b" {
		t.Errorf("US-ASCII: %v, %v", e, err)
	}
	for _, tt := range []struct{ rule, body string }{
		{"another encoding", doc(`<?xml version="1.0" encoding="ISO-8859-1"?>`)},
		{"another encoding, not valid as UTF-8", `<?xml version="1.0" encoding='windows-1252'?>` + "<a>\xe9</a>"},
		{"another encoding in UTF-16", string(utf16LE(doc(`<?xml version="1.0" encoding="latin1"?>`)))},
		{"UTF-16 without a byte order mark", string(utf16LE("<a/>")[2:])},
		{"UTF-16 without a byte order mark, big endian", string(toUTF16("<a/>", binary.BigEndian)[2:])},
		{"UTF-32", "\xff\xfe\x00\x00<\x00\x00\x00"},
		{"UTF-32, big endian", "\x00\x00\xfe\xff\x00\x00\x00<"},
		{"EBCDIC", "\x4c\x6f\xa7\x94\x93"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			e, err := davxml.Parse(strings.NewReader(tt.body), nil)
			if !errors.Is(err, davxml.ErrCharset) || errors.Is(err, davxml.ErrMalformed) || e != nil {
				t.Errorf("Parse(%q) = %v, %v, want ErrCharset", tt.body, e, err)
			}
		})
	}
}
