package index

import (
	"strings"
	"testing"
	"time"

	"dav207/fsbackend"
)

// Links are relative and need no decoding of entities. Names are valid UTF-8.
func TestPage(t *testing.T) {
	var b strings.Builder
	page := NewPage(&b)
	file := &fsbackend.Info{Attr: fsbackend.Attr{Name: "a", ModTime: time.Unix(0, 0), Size: 12}}
	for _, err := range []error{
		page.Begin("/x\xff/", false),
		page.Member("a+b:c<", "/x/a+b:c%3C", file),
		page.Failed("no", 403),
		page.End(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"<title>/x\uFFFD/</title>",
		`<a href="../">../</a>`,
		`<a href="./a%2Bb:c%3C">a&#43;b:c&lt;</a></td> <td>12</td> <td>1970-01-01 00:00:00</td>`,
		"<td>no</td> <td>Forbidden</td>",
		"</html>\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}
