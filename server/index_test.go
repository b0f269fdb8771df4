package server

import (
	"html"
	"net/url"
	"regexp"
	"strconv"
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

// Programs that know little of HTML read the page: a link holds no entity that they would have to
// decode, leads to the member when it is resolved against the URL of the page (RFC 3986 §5), and
// what stands in the cells is apart when the tags are gone. Browsers show the name as it is.
func TestIndexForPrograms(t *testing.T) {
	files := fsbackend.New(fsbackend.Memory())
	h := New(files, &Options{Prefix: "/p+q"})
	names := []string{"co:lon", "a+b", "&amp;", "&#43;", "%2B", "%", "x;type=a", "-", "..a", "<b>\"'`", "é e\u0301", "日本語 +"}
	for c := rune(' '); c < 0x7f; c++ {
		if c != '/' && c != '.' {
			names = append(names, string(c)+"x"+string(c))
		}
	}
	if err := files.Mkdir(t.Context(), "/c+&d", 0o777); err != nil {
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
			t.Errorf("%q is listed", name)
		}
		delete(contents, name)
		size := content
		if collection := strings.HasSuffix(name, "/"); !collection {
			size = strconv.Itoa(len(content))
			if got := bodyOf(t, do(h, "GET", link.String(), "")); got != content {
				t.Errorf("%s, the link of %q, leads to %d bytes, want %d", href, name, len(got), len(content))
			}
		} else if got := bodyOf(t, do(h, "GET", link.String(), "")); !strings.Contains(html.UnescapeString(got), "<title>/p+q/c+&d/"+name+"</title>") {
			t.Errorf("%s, the link of %q, leads elsewhere", href, name)
		}
		bare := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(cells, "")
		if fields := strings.Fields(bare); len(fields) != 3 || fields[0] != size {
			t.Errorf("%q: without tags the cells are %q, want the size %s first", name, bare, size)
		}
	}
	for name := range contents {
		t.Errorf("%q is not listed", name)
	}
	if t.Failed() {
		t.Log(page)
	}
}
