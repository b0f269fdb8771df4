package server

import (
	"strings"
	"testing"
	"unicode/utf8"

	"dav207/fsbackend"
)

// Names that are not UTF-8 are served as they are, and shown so that the page, which says charset=utf-8, is what it says; its
// links lead to them all the same.
func TestIndexOfNamesThatAreNotUTF8(t *testing.T) {
	files := fsbackend.New(fsbackend.Memory())
	h := New(files, nil)
	for _, dir := range []string{"/c\xe9", "/c\xe9/d\xff"} {
		if err := files.Mkdir(t.Context(), dir, 0o777); err != nil {
			t.Skip("no such names here: ", err)
		}
	}
	for url, want := range map[string]string{
		"/":              `<a href="./c%E9/">c` + "\uFFFD/</a>",
		"/c%E9/":         `<a href="./d%FF/">d` + "\uFFFD/</a>",
		"/c%E9/d%FF/":    "<title>/c\uFFFD/d\uFFFD/</title>",
		"//c%E9/./d%FF/": "<h1>/c\uFFFD/d\uFFFD/</h1>",
	} {
		r := do(h, "GET", url, "")
		body := bodyOf(t, r)
		if r.StatusCode != 200 || !utf8.ValidString(body) || !strings.Contains(body, want) {
			t.Errorf("GET %s = %s, valid UTF-8 %v, want %q in it:\n%s", url, r.Status, utf8.ValidString(body), want, body)
		}
	}
}
