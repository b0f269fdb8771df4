package davtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"dav207/server/davtest"
)

// steps are requests whose answers have entity tags, times, lock tokens, and what faults make of
// them. The Host is not that of the server, whose port differs.
func steps(t *testing.T, srv *davtest.Server) {
	t.Helper()
	const host = "Host: www.example.com"
	srv.Fail("DELETE", "/c/1", 423)
	srv.Fail("PROPFIND", "/c/*", 507).Property("getcontentlength").Condition("quota-not-exceeded").Times(1)
	srv.On("PUT", "/c/2").LockTaken()
	srv.Wire("GET", "/c/1").Cut(1).Times(1)
	token := srv.Lock("/bin", "Depth: 0", host)
	tag := srv.Send("PUT", "/new", "new", host).Header.Get("ETag")
	srv.Send("PUT", "/new", "newer", host, "If-Match: "+tag)
	srv.Send("PROPPATCH", "/new", `<propertyupdate xmlns="DAV:"><set><prop><Win32LastModifiedTime xmlns="urn:schemas-microsoft-com:">`+
		`Thu, 29 Feb 2024 12:00:00 GMT</Win32LastModifiedTime><x xmlns="x:">1</x></prop></set></propertyupdate>`, host)
	srv.Send("PUT", "/c/2", "x", host)
	srv.Advance(90 * time.Second)
	srv.Do("COPY", "/c/", "Destination: /d/", host)
	srv.Do("DELETE", "/c/", host)
	srv.Do("GET", "/c/1", host)
	srv.Do("MOVE", "/d/x y", "Destination: /moved", host)
	srv.Do("PROPFIND", "/", "Depth: infinity", host)
	srv.Send("PUT", "/bin", "x", host, "If: (<"+token+">)")
	srv.Send("LOCK", "/later", lockBody, host)
	srv.Do("PROPFIND", "/", "Depth: 1", host)
}

// written returns everything that a test can see of a server.
func written(t *testing.T, srv *davtest.Server) string {
	t.Helper()
	j := srv.Journal()
	whole, err := json.MarshalIndent(j, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	var har bytes.Buffer
	if err := j.HAR(&har); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s%s%s%s", j, whole, &har, srv.Tree())
}

// TestSameBytes: the same tree, faults and requests give the same bytes, on another server, after a
// Reset, and if the tree is described in another way.
func TestSameBytes(t *testing.T) {
	tree := strings.NewReplacer("exclusive infinity jane 3600 urn:uuid:1 /c\n", "", "-- /c/empty --", "-- /c/1 --\none\n-- /c/2 --\ntwo\n-- /c/empty --").Replace(tree)
	sections := strings.SplitAfter(tree, "-- /c/ --\n")
	other := "-- /c/ --\n" + sections[1] // another order, and a file that is written twice
	other = strings.Replace(other, "-- times --", "-- /a.txt --\nx\n-- /a.txt --\ntwo\nlines\n"+
		"-- properties /a.txt --\n"+`<author xmlns="http://ns.example.com/">J. <i xmlns="http://ns.example.com/">J.</i></author>`+"\n"+
		`<note xmlns="http://ns.example.com/" xml:lang="de"></note>`+"\n-- base64 /bin --\nAAEC/w==\n-- times --", 1)
	first, second := "", ""
	for name, opts := range map[string]*davtest.Options{
		"text":          {Tree: tree},
		"again":         {Tree: tree},
		"another order": {Tree: other},
		"a file system": {Tree: tree, FS: fstest.MapFS{"c/x y": {Data: []byte("no line feed")}}},
	} {
		opts.Lenient = true
		srv := davtest.New(t, opts)
		for _, run := range []string{"", "after a Reset"} {
			steps(t, srv)
			got := written(t, srv)
			if first == "" {
				first, second = got, name
			}
			if got != first {
				t.Errorf("%s %s differs from %s:\n%s", name, run, second, differing(got, first))
			}
			srv.Reset()
		}
	}
	for _, want := range []string{"PUT /c/2 → 423", "207 /c/1=423", "GET /c/1 → 200 (cut in the answer)", "urn:uuid:00000000-0000-4000-8000-000000000001",
		"Thu, 01 Jan 2026 00:01:30 GMT", "2024-02-29T12:00:00Z /new"} {
		if !strings.Contains(first, want) {
			t.Errorf("no %s in what was compared", want)
		}
	}
}

// differing returns the first line that differs, of both.
func differing(a, b string) string {
	other := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(other) || line != other[i] {
			return fmt.Sprintf("%s\n%s", line, other[min(i, len(other)-1)])
		}
	}
	return "it is shorter"
}

// TestStillClock: no date is a strong validator while its second lasts (RFC 9110 §8.8.2.2), and that
// of a clock that stands still lasts until the test moves it.
func TestStillClock(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: "-- /f --\nold\n"})
	date := srv.Do("GET", "/f").Header.Get("Last-Modified")
	if date != "Thu, 01 Jan 2026 00:00:00 GMT" {
		t.Errorf("Last-Modified = %q, want that of the clock", date)
	}
	srv.Write("/f", "new\n")
	exchange{"GET", "/f", "Range: bytes=1-|If-Range: " + date, "", "200"}.run(t, srv)
	srv.Advance(time.Second)
	exchange{"GET", "/f", "Range: bytes=1-|If-Range: " + date, "", "206"}.run(t, srv)
}

// TestDateWithoutJournal: the clock is that of the Date header also where no journal is kept.
func TestDateWithoutJournal(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: "-- /f --\nold\n", NoJournal: true})
	srv.Wire("GET", "/f").ContentType("text/x").Nth(2)
	for range 3 {
		if got := srv.Do("GET", "/f").Header.Get("Date"); got != "Thu, 01 Jan 2026 00:00:00 GMT" {
			t.Errorf("Date = %q, want that of the clock", got)
		}
	}
	if got := srv.Journal(); len(got) != 0 {
		t.Errorf("journal = %s", got)
	}
}

// TestTokens: a lock never gets a token that another one has.
func TestTokens(t *testing.T) {
	srv := davtest.New(t, nil)
	first := srv.Lock("/1", "Depth: 0")
	again := davtest.New(t, &davtest.Options{Tree: srv.Tree()})
	if second := again.Lock("/2", "Depth: 0"); second == first || !strings.Contains(again.Tree(), first) {
		t.Errorf("tokens %s and %s in\n%s", first, second, again.Tree())
	}
	srv.Reset()
	if got := srv.Lock("/1"); got != first {
		t.Errorf("token after Reset = %s, want %s", got, first)
	}
}

// TestReplaceTree: another tree never has the entity tags of the one before.
func TestReplaceTree(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: "-- /f --\none\n"})
	tag := srv.Do("GET", "/f").Header.Get("ETag")
	if err := srv.ReplaceTree("-- /f --\ntwo\n"); err != nil {
		t.Fatal(err)
	}
	exchange{"GET", "/f", "If-None-Match: " + tag, "", "200"}.run(t, srv)
}

// TestTreeIsKept: a tree with a mistake changes nothing.
func TestTreeIsKept(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: tree})
	before := srv.Tree()
	for _, text := range []string{"-- /new --\n-- new --\n", "-- /a.txt --\nnew\n-- locks --\nexclusive 0 - 60 - /c\n"} {
		for name, change := range map[string]func(string) error{"AddTree": srv.AddTree, "ReplaceTree": srv.ReplaceTree} {
			if err := change(text); err == nil {
				t.Errorf("%s(%q) succeeds", name, text)
			}
			if got := srv.Tree(); got != before {
				t.Errorf("tree after %s(%q):\n%s", name, text, got)
			}
		}
	}
}

// TestRealTimes: with the clock of the machine, too, Reset brings back the times of the files.
func TestRealTimes(t *testing.T) {
	when := time.Date(2020, 5, 4, 3, 2, 1, 0, time.UTC)
	srv := davtest.New(t, &davtest.Options{RealTime: true, FS: fstest.MapFS{"f": {Data: []byte("x"), ModTime: when}}})
	for range 2 {
		if got := srv.Do("HEAD", "/f").Header.Get("Last-Modified"); got != "Mon, 04 May 2020 03:02:01 GMT" {
			t.Errorf("Last-Modified = %q", got)
		}
		srv.Reset()
	}
}
