package davxml_test

import (
	"strings"
	"testing"

	"dav207/server/davxml"
)

// XML 1.0 §2.2, §2.4, §2.11, §3.3.3.
func TestEscape(t *testing.T) {
	for _, tt := range []struct{ in, text, attr string }{
		{"", "", ""},
		{"plain \u00e9\U00010000", "plain \u00e9\U00010000", "plain \u00e9\U00010000"},
		{`<a b="c">&'`, `&lt;a b="c"&gt;&amp;'`, `&lt;a b=&quot;c&quot;&gt;&amp;'`},
		{"]]>", "]]&gt;", "]]&gt;"},
		{"\t\n\r", "\t\n&#xD;", "&#x9;&#xA;&#xD;"},
		{"\x00\x1b\x7f\u0085", "\uFFFD\uFFFD\x7f\u0085", "\uFFFD\uFFFD\x7f\u0085"},
		{"a\xffb\xed\xa0\x80", "a\uFFFDb\uFFFD\uFFFD\uFFFD", "a\uFFFDb\uFFFD\uFFFD\uFFFD"},
		{"\uFFFD\uFFFE\uFFFF\U0001FFFE", "\uFFFD\uFFFD\uFFFD\U0001FFFE", "\uFFFD\uFFFD\uFFFD\U0001FFFE"},
	} {
		if got := string(davxml.EscapeText([]byte("x"), tt.in)); got != "x"+tt.text {
			t.Errorf("EscapeText(%q) = %q, want %q", tt.in, got, "x"+tt.text)
		}
		if got := string(davxml.EscapeAttr([]byte("x"), tt.in)); got != "x"+tt.attr {
			t.Errorf("EscapeAttr(%q) = %q, want %q", tt.in, got, "x"+tt.attr)
		}
	}
}

func TestEscapeDoesNotAllocate(t *testing.T) {
	s, dst := strings.Repeat("a<\u00e9 ", 20), make([]byte, 0, 1000)
	if n := testing.AllocsPerRun(10, func() { davxml.EscapeText(dst, s) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
