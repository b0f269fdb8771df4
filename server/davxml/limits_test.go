package davxml_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"dav207/server/davxml"
)

func nested(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }

func attrs(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " "+format, i)
	}
	return b.String()
}

// Each body is at the limit; one more of the same exceeds it (RFC 4918 §8.2).
func TestLimits(t *testing.T) {
	small := &davxml.Limits{Depth: 3, Attrs: 3, Elements: 5, Name: 8}
	for _, tt := range []struct {
		rule    string
		limits  *davxml.Limits
		at, one string
	}{
		{"depth by default", nil, nested(64), nested(65)},
		{"depth", small, "<a><b><c/></b></a>", "<a><b><c><d/></c></b></a>"},
		{"elements by default", &davxml.Limits{},
			"<a>" + strings.Repeat("<b/>", 49_999) + "</a>", "<a>" + strings.Repeat("<b/>", 50_000) + "</a>"},
		{"elements", small, "<a><b/><b/><b/><b/></a>", "<a><b/><b/><b/><b/><b/></a>"},
		{"attributes by default", nil, "<a" + attrs(`a%d=""`, 256) + "/>", "<a" + attrs(`a%d=""`, 257) + "/>"},
		{"attributes", small, "<a" + attrs(`a%d=""`, 3) + "/>", "<a" + attrs(`a%d=""`, 4) + "/>"},
		{"declarations are attributes", small, "<a" + attrs(`xmlns:a%d="u"`, 3) + "/>", "<a" + attrs(`xmlns:a%d="u"`, 4) + "/>"},
		{"declarations in scope", small,
			`<a xmlns:p="u" xmlns:q="u"><b xmlns:p="u"/><b xmlns="u"/></a>`,
			`<a xmlns:p="u" xmlns:q="u"><b xmlns:p="u"><c xmlns=""/></b></a>`},
		{"name by default", nil, "<" + strings.Repeat("a", 4096) + "/>", "<" + strings.Repeat("a", 4097) + "/>"},
		{"name of an element", small, "<abcdefgh/>", "<abcdefghi/>"},
		{"name of an attribute", small, `<a abcdefgh=""/>`, `<a abcdefghi=""/>`},
		{"name of an attribute in a namespace", small, `<a xmlns:p="u" p:abcdefgh=""/>`, `<a xmlns:p="u" p:abcdefghi=""/>`},
		{"prefix", small, `<abcdefgh:a xmlns:abcdefgh="u"/>`, `<abcdefghi:a xmlns:abcdefghi="u"/>`},
		{"namespace name", small, `<a xmlns="abcdefgh"/>`, `<a xmlns="abcdefghi"/>`},
		{"namespace name of a prefix", small, `<a xmlns:p="abcdefgh"/>`, `<a xmlns:p="abcdefghi"/>`},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if _, err := davxml.Parse(strings.NewReader(tt.at), tt.limits); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			if _, err := davxml.Parse(strings.NewReader(tt.one), tt.limits); !errors.Is(err, davxml.ErrMalformed) {
				t.Errorf("over the limit: error %v, want ErrMalformed", err)
			}
		})
	}
}

// Content must not return much more than the body had: each of these elements needs its namespace
// name repeated.
func TestContentSizeIsBounded(t *testing.T) {
	uri := strings.Repeat("u", 4000)
	for _, body := range []string{
		`<x:a xmlns:x="x" xmlns="` + uri + `">` + strings.Repeat("<b/>", 40_000) + `</x:a>`,
		`<x:a xmlns:x="x" xmlns="` + uri + `">` + strings.Repeat("<x:b><x:b><x:b><c/></x:b></x:b></x:b>", 12_000) + `</x:a>`,
	} {
		e, err := davxml.Parse(strings.NewReader(body), nil)
		if !errors.Is(err, davxml.ErrMalformed) {
			_, inner := e.Content()
			t.Errorf("a body of %d bytes has %d bytes of content, error %v, want ErrMalformed", len(body), len(inner), err)
		}
	}
	// The same elements with the name written once.
	body := `<x:a xmlns:x="x"><b xmlns="` + uri[:300] + `">` + strings.Repeat("<b/>", 40_000) + `</b></x:a>`
	e, err := davxml.Parse(strings.NewReader(body), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, inner := e.Content(); len(inner) > len(body) {
		t.Errorf("a body of %d bytes has %d bytes of content", len(body), len(inner))
	}
}

// Parsing takes linear time: with quadratic time eight times the size would take 64 times as long.
func TestTimeIsLinear(t *testing.T) {
	none := &davxml.Limits{Depth: 1 << 30, Attrs: 1 << 30, Elements: 1 << 30, Name: 1 << 30}
	for name, body := range map[string]func(n int) string{
		"deep":       nested,
		"wide":       func(n int) string { return "<a>" + strings.Repeat("<b/>", n) + "</a>" },
		"comments":   func(n int) string { return "<a>" + strings.Repeat("x<!---->", n) + "</a>" },
		"CDATA":      func(n int) string { return "<a>" + strings.Repeat("<![CDATA[x]]>", n) + "</a>" },
		"references": func(n int) string { return "<a b='" + strings.Repeat("&#9;\t", n) + "'/>" },
		"long name":  func(n int) string { return "<" + strings.Repeat("\u00e9", n) + "/>" },
		"attributes": func(n int) string { return "<a" + attrs(`a%d=""`, n) + "/>" },
		"colons": func(n int) string {
			return "<a xmlns:p='u'>" + strings.Repeat("a:", n) + strings.Repeat("a", n) + ":</a>"
		},
		"siblings under many declarations": func(n int) string {
			return "<a" + attrs(`xmlns:a%d="u"`, 200) + ">" + strings.Repeat("<a0:b a1:c=''/>", n) + "</a>"
		},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 10_000
			took := func(body string) time.Duration {
				best := time.Hour
				for range 3 {
					start := time.Now()
					e, err := davxml.Parse(strings.NewReader(body), none)
					if err != nil {
						t.Fatal(err)
					}
					e.Content()
					best = min(best, time.Since(start))
				}
				return best
			}
			one, eight := took(body(n)), took(body(8*n))
			if eight > 32*one {
				t.Errorf("a body took %v, one of eight times the size %v", one, eight)
			}
		})
	}
}
