package server

import (
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"dav207/fsbackend/memory"
	"dav207/server/davpath"
)

// Names that are not UTF-8 have working links. The page shows them as valid UTF-8, since its
// charset is utf-8.
func TestIndexOfNamesThatAreNotUTF8(t *testing.T) {
	files := memory.New(nil).Backend()
	h := New(files, nil)
	for _, dir := range []string{"/c\xe9", "/c\xe9/d\xff"} {
		if err := files.Mkdir(t.Context(), davpath.Must(dir)); err != nil {
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

// Programs with simple HTML parsers read the page: a link needs no entity decoding, leads to the
// member when it is resolved against the page's URL (RFC 3986 §5), and the cells are separate
// without the tags.
func TestIndexForPrograms(t *testing.T) {
	files := memory.New(nil).Backend()
	h := New(files, &Options{Prefix: "/p+q"})
	names := []string{"co:lon", "a+b", "&amp;", "&#43;", "%2B", "%", "x;type=a", "-", "..a", "<b>\"'`", "é e\u0301", "日本語 +"}
	for c := rune(' '); c < 0x7f; c++ {
		if c != '/' && c != '.' {
			names = append(names, string(c)+"x"+string(c))
		}
	}
	if err := files.Mkdir(t.Context(), davpath.Must("/c+&d")); err != nil {
		t.Fatal(err)
	}
	contents := map[string]string{} // by name, as it is listed
	for i, name := range names {
		path := "/p+q/c+%26d/" + url.PathEscape(name)
		if i%3 == 0 {
			do(h, "MKCOL", path, "")
			contents[name+"/"] = "-"
			continue
		}
		content := strings.Repeat("x", i)
		if got := do(h, "PUT", path, content).StatusCode; got != 201 {
			t.Fatalf("PUT %q = %d", name, got)
		}
		contents[name] = content
	}
	at, err := url.Parse("http://example.com/p+q/c+&d/")
	if err != nil {
		t.Fatal(err)
	}
	page := bodyOf(t, do(h, "GET", at.String(), ""))
	row := regexp.MustCompile(`(?m)^<tr><td><a href="([^"]*)">(.*)</a></td>(.*)</tr>$`)
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		href, name, cells := m[1], html.UnescapeString(m[2]), m[3]
		if strings.ContainsAny(href, "&+<>'`\\ ") {
			t.Errorf("%q has the href %s", name, href)
		}
		link, err := at.Parse(href)
		if err != nil {
			t.Fatal(err)
		}
		if name == "../" {
			if got := link.EscapedPath(); got != "/p+q/" {
				t.Errorf("../ leads to %s", got)
			}
			continue
		}
		content, ok := contents[name]
		if !ok {
			t.Errorf("%q is in the page", name)
		}
		delete(contents, name)
		size := content
		if collection := strings.HasSuffix(name, "/"); !collection {
			size = strconv.Itoa(len(content))
			if got := bodyOf(t, do(h, "GET", link.String(), "")); got != content {
				t.Errorf("%s, the link of %q, leads to %d bytes, want %d", href, name, len(got), len(content))
			}
		} else if got := bodyOf(t, do(h, "GET", link.String(), "")); !strings.Contains(html.UnescapeString(got), "<title>/p+q/c+&d/"+name+"</title>") {
			t.Errorf("%s, the link of %q, leads to another resource", href, name)
		}
		bare := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(cells, "")
		if fields := strings.Fields(bare); len(fields) != 3 || fields[0] != size {
			t.Errorf("%q: without tags the cells are %q, want the size %s first", name, bare, size)
		}
	}
	for name := range contents {
		t.Errorf("%q is not in the page", name)
	}
	if t.Failed() {
		t.Log(page)
	}
}
