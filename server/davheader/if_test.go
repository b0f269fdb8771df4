package davheader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// show formats an If header in one canonical way.
func (f If) show() string {
	var b strings.Builder
	tag := ""
	for _, l := range f.Lists {
		if l.Tag != tag {
			fmt.Fprintf(&b, "<%s> ", l.Tag)
			tag = l.Tag
		}
		b.WriteString("(")
		for i, c := range l.Conditions {
			if i > 0 {
				b.WriteString(" ")
			}
			if c.Not {
				b.WriteString("Not ")
			}
			if c.Token != "" {
				b.WriteString("<" + c.Token + ">")
			} else {
				b.WriteString("[" + c.ETag + "]")
			}
		}
		b.WriteString(") ")
	}
	return strings.TrimSpace(b.String())
}

func TestParseIf(t *testing.T) {
	for _, tt := range []struct{ rule, header, want string }{ // want "" is malformed
		{"§10.4.6 No-tag production", `(<urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2> ["I am an ETag"]) (["I am another ETag"])`,
			`(<urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2> ["I am an ETag"]) (["I am another ETag"])`},
		{"§10.4.7 Not with the No-tag production", `(Not <urn:uuid:181d4fae> <urn:uuid:58f202ac>)`, `(Not <urn:uuid:181d4fae> <urn:uuid:58f202ac>)`},
		{"§10.4.8 a condition that always holds", `(<urn:uuid:181d4fae>) (Not <DAV:no-lock>)`, `(<urn:uuid:181d4fae>) (Not <DAV:no-lock>)`},
		{"§10.4.9 Tagged-list", `</resource1> (<urn:uuid:181d4fae> [W/"A weak ETag"]) (["strong ETag"])`,
			`</resource1> (<urn:uuid:181d4fae> [W/"A weak ETag"]) (["strong ETag"])`},
		{"§10.4.10 two tags", `<http://h/a> (<urn:a>) <http://h/b> (<urn:b>) (["e"])`, `<http://h/a> (<urn:a>) <http://h/b> (<urn:b>) (["e"])`},
		{"no white space is needed", `(<urn:a>["e"]Not<urn:b>)(Not["f"])`, `(<urn:a> ["e"] Not <urn:b>) (Not ["f"])`},
		{"not in any case", `(NOT <urn:a> not ["e"])`, `(Not <urn:a> Not ["e"])`},
		{"an entity tag may hold brackets", `(["a]>)"])`, `(["a]>)"])`},
		{"tabs", "(\t<urn:a>\t)\t", `(<urn:a>)`},
		{"empty", "", ""},
		{"empty list", "()", ""},
		{"tag without list", "<http://h/a>", ""},
		{"tag without list at the end", "<http://h/a> (<urn:a>) <http://h/b>", ""},
		{"two tags in a row", "</a> </b> (<urn:a>)", ""},
		{"tagged after untagged", "(<urn:a>) </b> (<urn:b>)", ""},
		{"open list", "(<urn:a>", ""},
		{"open token", "(<urn:a", ""},
		{"open etag", `(["e)`, ""},
		{"open bracket", `(["e")`, ""},
		{"etag without quotes", "([e])", ""},
		{"empty token", "(<>)", ""},
		{"a token is an absolute URI", "(<token>)", ""},
		{"a scheme begins with a letter", "(Not <1:a>)", ""},
		{"a scheme is not empty", "(Not <:a>)", ""},
		{"bad escape in a token", "(Not <urn:a%zz>)", ""},
		{"§8.3 a tag is absolute", "<relative> (Not <urn:a>)", ""},
		{"bad escape in a tag", "</%zz> (Not <urn:a>)", ""},
		{"a tag with a fragment", "</t#frag> (Not <urn:a>)", ""},
		{"space in a token", "(<urn:a b>)", ""},
		{"lone Not", "(Not)", ""},
		{"Not twice", "(Not Not <urn:a>)", ""},
		{"Notice", "(Notice <urn:a>)", ""},
		{"garbage", "garbage", ""},
		{"garbage after a list", "(<urn:a>) x", ""},
		{"comma", "(<urn:a>), (<urn:b>)", ""},
		{"too many conditions", "(" + strings.Repeat("<urn:a>", maxIfConditions+1) + ")", ""},
		{"too long", "(<urn:" + strings.Repeat("a", maxIf) + ">)", ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			f, err := ParseIf(tt.header)
			if tt.want == "" {
				if !errors.Is(err, ErrIf) {
					t.Errorf("got %q, %v, want %v", f.show(), err, ErrIf)
				}
			} else if err != nil || f.show() != tt.want {
				t.Errorf("got %q, %v, want %q", f.show(), err, tt.want)
			}
		})
	}
}

// FuzzParseIf: a header that parses has the same meaning after it is formatted and parsed again.
func FuzzParseIf(f *testing.F) {
	f.Add(`(<urn:uuid:a> ["e"]) (Not <DAV:no-lock>)`)
	f.Add(`<http://h/a> (<urn:a>) </b> (Not [W/"x"])`)
	f.Add(`(Not<urn:a>[""])`)
	addClients(f)
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseIf(s)
		if err != nil {
			if !errors.Is(err, ErrIf) {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, err := ParseIf(h.show())
		if err != nil && len(h.show()) <= maxIf || err == nil && again.show() != h.show() {
			t.Errorf("%q is %q, and that is %q, %v", s, h.show(), again.show(), err)
		}
	})
}

// addClients adds the If headers of the clients in integration/rfc4918 to the seeds.
func addClients(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("../../integration/rfc4918/testdata/clients/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no requests of clients: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^If: (.*?)\r?$`).FindAllSubmatch(text, -1) {
			f.Add(string(m[1]))
		}
	}
}
