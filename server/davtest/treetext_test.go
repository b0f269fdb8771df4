package davtest_test

import (
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"dav207/server/davtest"
)

const tree = `-- /a.txt --
two
lines
-- properties /a.txt --
<author xmlns="http://ns.example.com/">J. <i xmlns="http://ns.example.com/">J.</i></author>
<note xmlns="http://ns.example.com/" xml:lang="de"></note>
-- base64 /bin --
AAEC/w==
-- /c/ --
-- properties /c/ --
<author xmlns="http://ns.example.com/">Jo</author>
-- /c/empty --
-- unended /c/x y --
no line feed
-- times --
2024-02-29T12:00:00Z /a.txt
1999-12-31T23:59:59.5Z /c/
-- locks --
exclusive infinity jane 3600 urn:uuid:1 /c
shared 0 - 60 urn:uuid:2 /a.txt
shared 0 joe 60 urn:uuid:3 /a.txt
`

// TestTreeText reads a tree back as it was written, also through the server.
func TestTreeText(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: tree})
	got := srv.Tree()
	again := davtest.New(t, &davtest.Options{Tree: got})
	if text := again.Tree(); text != got {
		t.Errorf("the tree of its own text:\n%s\nwant:\n%s", text, got)
	}
	for _, part := range []string{"-- /a.txt --\ntwo\nlines\n", "-- base64 /bin --\nAAEC/w==\n", "-- unended /c/x y --\nno line feed\n", "-- /c/empty --\n",
		"2024-02-29T12:00:00Z /a.txt\n", "1999-12-31T23:59:59.5Z /c/\n", "exclusive infinity jane 3600 urn:uuid:1 /c\n", "shared 0 joe 60 urn:uuid:3 /a.txt\n"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
	for _, x := range []exchange{
		{"GET", "/c/x y", "", "", "200"},
		{"PUT", "/c/empty", "", "x", "423 lock-token-submitted(/c/)"},
		{"PROPFIND", "/a.txt", "Depth: 0", `<propfind xmlns="DAV:"><prop><author xmlns="http://ns.example.com/"/><note xmlns="http://ns.example.com/"/></prop></propfind>`, "207 /a.txt=200[author note]"},
	} {
		x.run(t, srv)
	}
	if got := srv.Do("HEAD", "/a.txt").Header.Get("Last-Modified"); got != "Thu, 29 Feb 2024 12:00:00 GMT" {
		t.Errorf("Last-Modified = %q", got)
	}
}

func TestTreeMistakes(t *testing.T) {
	for _, tt := range []struct{ tree, want string }{
		{"/c/1\n", "line 1: a tree begins with a line such as -- /c/1 --"},
		{"-- c/1 --\n", "line 1: no section is called \"c/1\""},
		{"-- /a --\nx\n-- folder /c/ --\n", "line 3: no section is called \"folder /c/\""},
		{"-- /c//1 --\n", "line 1: no resource is called \"/c//1\""},
		{"-- /.dav207/x --\n", "reserved"},
		{"-- /c/ --\nx\n", "line 2: /c/ is a collection"},
		{"-- /a --\n-- /a/b --\n", "line 2: "},
		{"-- base64 /a --\n?\n", "line 2: illegal base64"},
		{"-- /a --\n-- properties /a --\n<a\n", "line 3: malformed XML"},
		{"-- properties /a --\n<a/>\n", "/a does not exist"},
		{"-- /a --\n-- times --\n\nyesterday /a\n", "line 4: \"yesterday /a\" does not begin with a time"},
		{"-- times --\n2024-02-29T12:00:00Z /a\n", "line 2: "},
		{"-- /a --\n-- locks --\nexclusive /a\n", "line 3: \"exclusive /a\" is no lock such as"},
		{"-- locks --\nexclusive 0 - 60 - /a\n", "line 2: /a does not exist"},
		{"-- /a --\n-- locks --\nexclusive 0 - 60 urn:uuid:1 /a\nexclusive 0 - 60 urn:uuid:2 /a\n", "line 4: /a is locked already"},
		{"-- /a\xff --\n", "line 1: no resource is called \"/a\\xff\": it is no UTF-8 text"},
		{"-- \"/a --\n", "line 1: no resource is called"},
		{"-- /a --\n-- properties /a --\n<a/> text\n", "line 3: \"text\" is no element"},
		{"-- /a --\n-- properties /a --\n<D:getetag>x</D:getetag>\n", "line 3: getetag is a value of the server's own"},
		{"-- /a --\n-- times --\n2024-02-29T12:00:00Z\n", "line 3: no resource is called \"\""},
		{"-- /a --\n-- times --\n2024-02-29T12:00:00Z /a/../a\n", "line 3: no resource is called \"/a/../a\""},
		{"-- times --\n2024-02-29T12:00:00Z /a\n", "line 2: /a does not exist"},
		{"-- /a --\n-- locks --\nexclusive 0 - 60 no> /a\n", "line 3: the token \"no>\" is no absolute URI"},
		{"-- /a --\n-- locks --\nexclusive 0 jane doe 60 - /a\n", "line 3: \"doe\" is no number of seconds"},
		{"-- /a --\n-- locks --\nexclusive 0 \"jane 60 - /a\n", "line 3: "},
	} {
		_, err := davtest.Start(&davtest.Options{Tree: tt.tree})
		line := (*davtest.LineError)(nil)
		if err == nil || !errors.As(err, &line) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q\n got %v\nwant a LineError with %s", tt.tree, err, tt.want)
		}
	}
}

func TestTreeFromFS(t *testing.T) {
	when := time.Date(2020, 5, 4, 3, 2, 1, 0, time.UTC)
	srv := davtest.New(t, &davtest.Options{FS: fstest.MapFS{"c/d/f": {Data: []byte("x\n"), ModTime: when}}, Tree: "-- /c/g --\n"})
	const want = "-- /c/ --\n-- /c/d/ --\n-- /c/d/f --\nx\n-- /c/g --\n"
	if got := srv.Tree(); !strings.HasPrefix(got, want) || !strings.Contains(got, "2020-05-04T03:02:01Z /c/d/f\n") {
		t.Errorf("tree =\n%s\nwant\n%s", got, want)
	}
}

// TestUsers has passwords, and a client that is asked for them.
func TestUsers(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Users: map[string]string{"jane": "secret"}, TLS: true, Tree: "-- /f --\nx\n"})
	for headers, want := range map[string]int{"X-A: b": 401, jane: 401, "Authorization: Basic amFuZTpzZWNyZXQ=": 200} {
		if got := srv.Do("GET", "/f", headers); got.StatusCode != want || (want == 401) != (got.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("GET with %s = %d, WWW-Authenticate %q, want %d", headers, got.StatusCode, got.Header.Get("WWW-Authenticate"), want)
		}
	}
	if !strings.HasPrefix(srv.URL, "https://") {
		t.Errorf("URL = %s", srv.URL)
	}
}

// TestTreeTextKeepsAll reads trees back with names, users and properties that are not easy to write.
func TestTreeTextKeepsAll(t *testing.T) {
	for _, name := range []string{"/", "/a ", "/ ", "/a --", "/-- b --", "/\u00a0", "/\u2028x", "/x  y", `/"`, `/a"b `, `/\`, "/base64 ", "/- c/", "/c /", "/\xff", "/e\u0301"} {
		for _, user := range []string{"", "jane doe", "-", `"jane"`, " ", "jane", "\u00a0"} {
			srv := davtest.New(t, &davtest.Options{Lenient: true})
			srv.Put(name)
			srv.Advance(time.Hour)
			auth := "X-No: 1"
			if user != "" {
				auth = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"))
			}
			for _, request := range [][2]string{{"PROPPATCH", update}, {"LOCK", lockBody}} {
				if r := srv.Send(request[0], name, request[1], auth); r.StatusCode >= 300 {
					t.Fatalf("%s %q = %s", request[0], name, r)
				}
			}
			text := srv.Tree()
			again, err := davtest.Start(&davtest.Options{Tree: text, Lenient: true})
			if err != nil {
				t.Errorf("the tree of its own text, with %q locked by %q: %v\n%s", name, user, err, text)
				continue
			}
			if got := again.Tree(); got != text || again.Names() != srv.Names() {
				t.Errorf("with %q locked by %q: the tree of its own text:\n%s\nwant:\n%s", name, user, got, text)
			}
			if err := again.AddTree("-- /more --\n"); err != nil {
				t.Errorf("with %q locked by %q: AddTree: %v", name, user, err)
			}
			again.Close()
			srv.Close()
		}
	}
}

// TestAddTreeAfterLockTaken: a lock of a fault does not keep the tree from being read and changed.
func TestAddTreeAfterLockTaken(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Tree: "-- /a --\nx\n"})
	srv.On("PUT", "/a").LockTaken()
	srv.Send("PUT", "/a", "y")
	if err := srv.AddTree("-- /b --\n"); err != nil {
		t.Error(err)
	}
	if got := srv.Tree(); !strings.Contains(got, `exclusive 0 "somebody else" 3600 `) {
		t.Errorf("tree = %s", got)
	}
}

// TestTreeWhileServing reads, adds, replaces and resets trees while clients change them: no tree is
// refused for what a client does.
func TestTreeWhileServing(t *testing.T) {
	srv, err := davtest.Start(&davtest.Options{Lenient: true, Tree: "-- /c/1 --\n-- /c/2 --\n-- locks --\nexclusive infinity - 60 urn:uuid:1 /c\n"})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	first := srv.Tree()
	var group sync.WaitGroup
	repeat := func(f func() error) {
		group.Go(func() {
			for range 100 {
				if err := f(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	do := func(method, name, body string) {
		repeat(func() error { srv.Send(method, name, body); return nil })
	}
	do("DELETE", "/c", "")
	do("LOCK", "/c/1", lockBody)
	do("PUT", "/c/2", "x")
	for range 2 {
		repeat(func() error { srv.Tree(); return nil })
		repeat(func() error { srv.Reset(); return nil })
		repeat(func() error { return srv.ReplaceTree("-- /c/1 --\n-- /d/ --\n") })
		repeat(func() error { return srv.AddTree("-- /e/1 --\n-- properties /e/1 --\n<a/>\n") })
	}
	group.Wait()
	srv.Reset()
	if got := srv.Tree(); got != first {
		t.Errorf("tree at the end:\n%s\nwant:\n%s", got, first)
	}
}

// TestAdvanceTooFar: the clock does not turn back.
func TestAdvanceTooFar(t *testing.T) {
	srv, err := davtest.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	srv.Advance(math.MaxInt64 - time.Hour)
	for _, d := range []time.Duration{2 * time.Hour, -1} {
		func() {
			defer func() {
				if said, _ := recover().(string); !strings.Contains(said, "the clock moves ahead") {
					t.Errorf("Advance(%s): %q", d, said)
				}
			}()
			srv.Advance(d)
		}()
	}
}
