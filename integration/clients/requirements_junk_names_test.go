package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/davtest"
	"dav207/server/locks"
	"dav207/server/resource"
)

// junk has a name of each kind, of both systems and in other spellings.
var junk = []string{"._x", "._.", ".DS_Store", ".Spotlight-V100", ".Trashes", ".fseventsd", ".metadata_never_index", "Thumbs.db", "THUMBS.DB",
	"desktop.ini", "Desktop.ini"}

// noJunk looks like it. LibreOffice reads its .~lock files back.
var noJunk = []string{".~lock.doc.odt#", ".hidden", "Thumbs.db.txt", "x._y"}

// Requirement 28.
func testJunk(t *testing.T) {
	for mode, opts := range map[string]*server.Options{"keep": nil, "hide": {Junk: server.HideJunk}, "drop": {Junk: server.DropJunk}} {
		srv := davtest.NewServer(t, opts)
		srv.Put("/c/", "/c/real")
		put := func(names []string) {
			for _, name := range names {
				looked := srv.Files.Fail(faultfs.Stat, "/c/"+name, nil).Do(nil)
				if got := srv.Do("PROPFIND", "/c/"+name, "Depth: 0").StatusCode; got != 404 {
					t.Errorf("%s: PROPFIND %s = %d, want 404", mode, name, got)
				}
				if got := looked.Calls(); got != 1 {
					t.Errorf("%s: it took %d looks to see that %s is not there", mode, got, name)
				}
				if got := srv.Send("PUT", "/c/"+name, "x").StatusCode; got != 201 {
					t.Errorf("%s: PUT %s = %d, want 201", mode, name, got)
				}
			}
		}
		put(junk)
		put(noJunk)
		byName, listed := 404, 2+len(noJunk)
		if mode != "drop" {
			byName = 200
		}
		if mode == "keep" {
			listed += len(junk)
		}
		for _, name := range junk {
			if got := srv.Do("GET", "/c/"+name).StatusCode; got != byName {
				t.Errorf("%s: GET %s = %d, want %d", mode, name, got, byName)
			}
		}
		for _, depth := range []string{"1", "infinity"} {
			if got := len(srv.Do("PROPFIND", "/c/", "Depth: "+depth).Responses); got != listed {
				t.Errorf("%s: Depth %s lists %d, want %d", mode, depth, got, listed)
			}
		}
		if got := strings.Count(string(srv.Do("GET", "/c/").Body), "<a href="); got != listed { // and one for what is above
			t.Errorf("%s: the index has %d links, want %d", mode, got, listed)
		}
		kept := strings.Contains(srv.Tree(), "/c/._x")
		if kept != (mode != "drop") {
			t.Errorf("%s: there are %s", mode, srv.Tree())
		}
	}
	for _, sc := range junkScripts {
		t.Run(sc.rule, func(t *testing.T) {
			for _, mode := range []struct {
				junk server.Junk
				left string
			}{{server.HideJunk, sc.hide}, {server.DropJunk, sc.drop}} {
				if mode.left == "" {
					continue
				}
				p := harness.StartScript(t, &server.Options{Junk: mode.junk})
				p.Server.Put(strings.Fields(sc.tree)...)
				for _, st := range sc.steps {
					p.Step(st)
				}
				if got := p.Server.Tree(); got != mode.left {
					t.Errorf("policy %d leaves %s, want %s", mode.junk, got, mode.left)
				}
			}
		})
	}
	testJunkOnDisk(t)
}

// junkScripts run under the policies for which it is said what they leave.
var junkScripts = []struct {
	rule, tree string
	steps      []harness.Step
	hide, drop string // the tree that is left
}{
	{"Finder copies a file and its twin", "/c/", []harness.Step{
		{"PROPFIND /c/._f | Depth: 0", "404"},
		{"PUT /c/._f", "201"},
		{"LOCK /c/._f | exclusive | Depth: 0 | as t", "201"},
		{"PUT /c/._f | If: (<{t}>)", "204"},
		{"LOCK /c/._f | If: (<{t}>)", "200"},
		{"UNLOCK /c/._f | Lock-Token: <{t}>", "204"},
		{"PROPFIND /c/._f | Depth: 0", "404"},
		{"PUT /c/._f", "201"},
	}, "", "/ /c/"},
	{"the same where it is kept", "/c/", []harness.Step{
		{"PUT /c/._f", "201"},
		{"LOCK /c/._f | exclusive | Depth: 0 | as t", "200"},
		{"PUT /c/._f | If: (<{t}>)", "204"},
		{"UNLOCK /c/._f | Lock-Token: <{t}>", "204"},
		{"HEAD /c/._f", "200"},
		{"MOVE /c/._f | Destination: /c/._g", "201"},
	}, "/ /c/ /c/._g", ""},
	{"Explorer copies a file: what a LOCK made is there, empty, until it is unlocked", "", []harness.Step{
		{"LOCK /desktop.ini | exclusive | as t", "201"},
		{"HEAD /desktop.ini", "200"},
		{"PROPPATCH /desktop.ini | If: (<{t}>)", "207 /desktop.ini=200"},
		{"PROPPATCH /desktop.ini | If: (<{t}>) | body: " + setWin32Time, "207 /desktop.ini=200[Win32LastModifiedTime]"},
		{"PUT /desktop.ini | If: (<{t}>)", "204"},
		{"PUT /desktop.ini", "423 lock-token-submitted(/desktop.ini)"},
		{"PUT /desktop.ini | If-None-Match: * | If: (<{t}>)", "412"},
		{"LOCK /desktop.ini | exclusive", "423 no-conflicting-lock(/desktop.ini)"},
		{"MKCOL /desktop.ini | If: (<{t}>)", "405"},
		{`PROPFIND /desktop.ini | Depth: 0 | body: <propfind xmlns="DAV:"><prop><getcontentlength/></prop></propfind>`, "207 /desktop.ini=200[getcontentlength]"},
		{"UNLOCK /desktop.ini | Lock-Token: <{t}>", "204"},
		{"HEAD /desktop.ini", "404"},
		{"PROPPATCH /desktop.ini", "404"},
		{"UNLOCK /desktop.ini | Lock-Token: <{t}>", "409 lock-token-matches-request-uri"},
	}, "", "/"},
	{"LOCK, PUT, DELETE, PUT", "", []harness.Step{
		{"LOCK /Thumbs.db | exclusive | as t", "201"},
		{"PUT /Thumbs.db | If: (<{t}>)", "204"},
		{"DELETE /Thumbs.db", "423 lock-token-submitted(/Thumbs.db)"},
		{"DELETE /Thumbs.db | If: (<{t}>)", "204"},
		{"PUT /Thumbs.db", "201"},
		{"DELETE /Thumbs.db", "404"},
	}, "", "/"},
	{"a lock ends by itself, and what it held", "", []harness.Step{
		{"LOCK /._f | exclusive | Timeout: Second-10 | as t", "201"},
		{"later 11s", ""},
		{"PUT /._f | If: (<{t}>)", "412"},
		{"HEAD /._f", "404"},
	}, "", "/"},
	{"collections of junk, and what comes into them", "/c/", []harness.Step{
		{"MKCOL /c/.Spotlight-V100", "201"},
		{"MKCOL /c/.Spotlight-V100/Store", "201"},
		{"PUT /c/.Spotlight-V100/Store/real", "201"},
		{"PROPFIND /c/.Spotlight-V100 | Depth: 0", "404"},
	}, "", "/ /c/"},
	{"what is there already is kept, and new content of it, too", "/c/._f /c/.Trashes/1/f", []harness.Step{
		{"PROPFIND /c/._f | Depth: 0 | body: " + `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, "207 /c/._f=200[resourcetype]"},
		{"PUT /c/._f", "204"},
		{"PROPPATCH /c/._f", "207 /c/._f=200"},
		{"MKCOL /c/._f", "405"},
		{"PUT /c/.Trashes/1/g", "201"},
	}, "/ /c/ /c/.Trashes/ /c/.Trashes/1/ /c/.Trashes/1/f /c/.Trashes/1/g /c/._f", "/ /c/ /c/.Trashes/ /c/.Trashes/1/ /c/.Trashes/1/f /c/.Trashes/1/g /c/._f"},
	{"COPY takes it along", "/c/._f /c/f", []harness.Step{{"COPY /c/ | Destination: /d/", "201"}},
		"/ /c/ /c/._f /c/f /d/ /d/._f /d/f", "/ /c/ /c/._f /c/f /d/ /d/._f /d/f"},
	{"MOVE does", "/c/._f /c/f", []harness.Step{{"MOVE /c/ | Destination: /d/", "201"}}, "/ /d/ /d/._f /d/f", "/ /d/ /d/._f /d/f"},
	{"a collection that looks empty can be removed", "/c/._f /c/.DS_Store", []harness.Step{
		{`PROPFIND /c/ | Depth: 1 | body: <propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, "207 /c/=200[resourcetype]"},
		{"DELETE /c/", "204"},
	}, "/", "/"},
	{"but nothing of it that is somebody else's", "/c/._f", []harness.Step{
		{"LOCK /c/._f | exclusive", "200"},
		{"DELETE /c/", "207 /c/._f=423 lock-token-submitted(/c/._f)"},
	}, "/ /c/ /c/._f", "/ /c/ /c/._f"},
	{"a real file never goes for a name that is junk", "/f /g", []harness.Step{
		{"MOVE /f | Destination: /.DS_Store", "201"},
		{"GET /.DS_Store", "200"},
		{"COPY /g | Destination: /._g", "201"},
		{"MOVE /.DS_Store | Destination: /f", "201"},
	}, "/ /._g /f /g", "/ /._g /f /g"},
	{"what programs save documents through is no junk", "/letter", []harness.Step{
		{"MKCOL /.TemporaryItems", "201"},
		{"PUT /.TemporaryItems/letter", "201"},
		{"MOVE /.TemporaryItems/letter | Destination: /letter", "204"},
		{"DELETE /.TemporaryItems", "204"},
	}, "/ /letter", "/ /letter"},
	{"nor does it for a collection that was dropped", "/f", []harness.Step{
		{"MKCOL /.Trashes", "201"},
		{"MOVE /f | Destination: /.Trashes/f", "409"},
	}, "", "/ /f"},
	{"what holds for others holds for junk: parents, conditions, locks", "/f /c/", []harness.Step{
		{"PUT /none/._x", "409"},
		{"PUT /f/._x", "409"},
		{"MKCOL /f/.Trashes", "409"},
		{"PUT /c/._x | If-Match: *", "412"},
		{"PUT /c/._x | X-Expected-Entity-Length: 7", "400"},
		{"PUT /c/._x", "201"},
		{"PUT /c/._x | Content-Range: bytes 0-0/9", "400"},
		{"LOCK /c/ | exclusive | as c", "200"},
		{"PUT /c/._x", "423 lock-token-submitted(/c/)"},
		{"MKCOL /c/.Trashes", "423 lock-token-submitted(/c/)"},
		{"PUT /c/._x | If: </c/> (<{c}>)", "201"},
	}, "", "/ /c/ /f"},
	{"two names of one kind", "", []harness.Step{
		{"LOCK /._a | exclusive | as a", "201"},
		{"PUT /._b | If: </._a> (<{a}>)", "201"},
		{"PUT /._b | If: (<{a}>)", "412"},
		{"HEAD /._b", "404"},
	}, "", "/"},
	{"what MOVE brings to a locked name stays when the lock goes", "/tmp", []harness.Step{
		{"LOCK /._f | exclusive | as t", "201"},
		{"MOVE /tmp | Destination: /._f | If: </._f> (<{t}>)", "201"},
		{"UNLOCK /._f | Lock-Token: <{t}>", "204"},
		{"GET /._f", "200"},
	}, "", "/ /._f"},
}

const setWin32Time = `<propertyupdate xmlns="DAV:"><set><prop><Z:Win32LastModifiedTime xmlns:Z="urn:schemas-microsoft-com:">` +
	`Sun, 06 Nov 1994 08:49:37 GMT</Z:Win32LastModifiedTime></prop></set></propertyupdate>`

// testJunkOnDisk looks at what cannot be done in memory: broken bodies, links, and what comes
// behind the server's back.
func testJunkOnDisk(t *testing.T) {
	files, dir := harness.Backends[1].Open(t)
	table := locks.New(nil)
	s := harness.Serve(t, files, &server.Options{Junk: server.DropJunk, Locks: table})
	conn := s.Dial()
	fmt.Fprintf(conn, "PUT /._x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Expected-Entity-Length: 9\r\n\r\n1\r\nx\r\n0\r\n\r\n")
	if a := readAnswer(t, conn); a.Status != 400 {
		t.Errorf("a PUT of junk that is shorter than announced = %d, want 400", a.Status)
	}
	if a := s.Want(201, "PUT", "/._x", "x", "X-OC-Mtime", "784111777"); a.Header.Get("ETag") != "" || a.Header.Get("Last-Modified") != "" || a.Header.Get("X-OC-Mtime") != "" {
		t.Errorf("what was dropped has %v (RFC 9110 §9.3.4)", a.Header)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "._link")); err != nil {
		t.Fatal(err)
	}
	s.Do("PUT", "/._link", "x")
	if _, err := os.Lstat(filepath.Join(dir, "._link")); err != nil {
		t.Errorf("a link that leads nowhere is gone: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "._there"), []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	s.Want(204, "PUT", "/._there", "new")
	if got := s.Want(200, "GET", "/._there", "").Body; got != "new" {
		t.Errorf("what was there and written again is %q", got)
	}
	token := s.Lock("/._late", "0")
	if err := os.WriteFile(filepath.Join(dir, "._late"), []byte("by somebody else"), 0o666); err != nil {
		t.Fatal(err)
	}
	s.Want(204, "UNLOCK", "/._late", "", "Lock-Token", "<"+token+">")
	if got := s.Want(200, "GET", "/._late", "").Body; got != "by somebody else" {
		t.Errorf("what came behind the server's back is %q", got)
	}
	s.Want(201, "MKCOL", "/c", "")
	s.Lock("/c/._held", "0")
	s.Want(204, "DELETE", "/c", "")
	if got := len(table.Below(resource.Must("/c"))); got != 0 {
		t.Errorf("%d locks are left of a collection that is gone", got)
	}
	readOnly := harness.Serve(t, files, &server.Options{Junk: server.DropJunk, ReadOnly: true})
	for _, method := range []string{"PUT", "MKCOL", "LOCK"} {
		body := map[string]string{"LOCK": harness.LockBody, "PUT": "x"}[method]
		want := map[string]int{"PUT": 403, "MKCOL": 403, "LOCK": 405}[method]
		if a := readOnly.Do(method, "/._new", body); a.Status != want {
			t.Errorf("%s of junk where nothing may be changed = %d, want %d", method, a.Status, want)
		}
	}
}
