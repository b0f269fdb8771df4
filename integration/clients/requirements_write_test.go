package clients

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"dav207/fsbackend"
	"dav207/fsbackend/faultfs"
	"dav207/fsbackend/memory"
	"dav207/integration/harness"
	"dav207/server/davpath"
	"dav207/server/davtest"
)

// smallDisk is a tree in memory that reports a given free space.
type smallDisk struct {
	fsbackend.Backend
	room uint64
}

func newSmallDisk(room uint64) smallDisk { return smallDisk{memory.New(nil).Backend(), room} }

// Create implements fsbackend.Backend, whose contract it is to refuse what there is no room for.
func (d smallDisk) Create(ctx context.Context, p davpath.Path) (fsbackend.Upload, error) {
	if err := fsbackend.CheckRoom(ctx, d, p); err != nil {
		return nil, err
	}
	return d.Backend.Create(ctx, p)
}

func (d smallDisk) Usage(context.Context, davpath.Path) (used, free uint64, err error) {
	return 0, d.room, nil
}

// Requirement 6. macOS never sends Overwrite.
func testOverwriteDefault(t *testing.T) {
	p := runSteps(t, "/f /g /h", harness.Step{"COPY /f | Destination: /g", "204"}, harness.Step{"MOVE /f | Destination: /h", "204"},
		harness.Step{"MOVE /g | Destination: /h | Overwrite: F", "412"}, harness.Step{"COPY /g | Destination: /h | Overwrite: F", "412"})
	if got, want := harness.TreeOf(p.Server).String(), "/ /g=/f /h=/f"; got != want {
		t.Errorf("tree = %s, want %s", got, want)
	}
}

// Requirement 7.
func testWin32(t *testing.T) {
	const ns, when = "urn:schemas-microsoft-com:", "Sun, 06 Nov 1994 08:49:37 GMT"
	names := []string{"Win32CreationTime", "Win32LastAccessTime", "Win32LastModifiedTime", "Win32FileAttributes"}
	var set, ask strings.Builder
	for _, n := range names {
		value := when
		if n == "Win32FileAttributes" {
			value = "00000020"
		}
		fmt.Fprintf(&set, "<Z:%s>%s</Z:%s>", n, value, n)
		fmt.Fprintf(&ask, "<Z:%s/>", n)
	}
	for _, b := range harness.Backends {
		files, _ := b.Open(t)
		s := harness.Serve(t, files, nil)
		s.Want(201, "PUT", "/f", "x")
		s.Want(201, "MKCOL", "/c", "")
		for _, name := range []string{"/f", "/c"} {
			token := s.Lock(name, "0")
			a := s.Want(207, "PROPPATCH", name, `<D:propertyupdate xmlns:D="DAV:" xmlns:Z="`+ns+`"><D:set><D:prop>`+set.String()+`</D:prop></D:set></D:propertyupdate>`, "If", "(<"+token+">)")
			r := harness.DecodeMultistatus(s, a.Body)
			if len(r) != 1 || len(r[0].Propstat) != 1 || r[0].Propstat[0].Status != "HTTP/1.1 200 OK" || len(r[0].Propstat[0].Prop.List) != len(names) {
				t.Fatalf("%s: PROPPATCH %s = %s", b.Name, name, a.Body)
			}
			for i, p := range r[0].Propstat[0].Prop.List {
				if p.XMLName.Space != ns || p.XMLName.Local != names[i] {
					t.Errorf("%s: PROPPATCH %s answers for %v", b.Name, name, p.XMLName)
				}
			}
			a = s.Want(207, "PROPFIND", name, `<D:propfind xmlns:D="DAV:" xmlns:Z="`+ns+`"><D:prop><D:getlastmodified/>`+ask.String()+`</D:prop></D:propfind>`, "Depth", "0")
			// allprop has the time once, as getlastmodified, to keep listings small.
			all := s.Want(207, "PROPFIND", name, "", "Depth", "0").Body
			if strings.Count(all, when) != 3 || !strings.Contains(all, "<D:getlastmodified>"+when) || strings.Contains(all, "Win32LastModifiedTime") ||
				!strings.Contains(all, "Win32CreationTime") || !strings.Contains(all, "00000020") {
				t.Errorf("%s: allprop of %s has\n%s", b.Name, name, all)
			}
			if strings.Count(a.Body, when) != 4 || !strings.Contains(a.Body, "00000020") || strings.Contains(a.Body, `<Win32`) {
				t.Errorf("%s: %s has\n%s", b.Name, name, a.Body)
			}
		}
	}
}

// Requirement 8.
func testChunkedPut(t *testing.T) {
	for _, b := range harness.Backends {
		files, dir := b.Open(t)
		s := harness.Serve(t, files, nil)
		body, feed := io.Pipe() // unknown length: net/http sends it chunked
		done := make(chan harness.Answer)
		go func() {
			a, err := s.Try("PUT", "/f", body, "X-Expected-Entity-Length", fmt.Sprint(8<<20+3))
			if err != nil {
				t.Error(err)
			}
			done <- a
		}()
		for range 8 { // more than all buffers: the server must read while the client writes
			if _, err := feed.Write(make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
		}
		io.WriteString(feed, "end")
		feed.Close()
		if a := <-done; a.Status != 201 || a.Header.Get("ETag") == "" {
			t.Errorf("%s: a chunked PUT = %d", b.Name, a.Status)
		}
		if got := s.Want(200, "HEAD", "/f", "").Header.Get("Content-Length"); got != fmt.Sprint(8<<20+3) {
			t.Errorf("%s: the file has %s bytes", b.Name, got)
		}
		s.Want(204, "PUT", "/f", "old")
		for expected, want := range map[string]int{"4": 400, "2": 400, "-1": 400, "many": 400, "3": 204} {
			a, err := s.Try("PUT", "/f", io.MultiReader(strings.NewReader("new")), "X-Expected-Entity-Length", expected)
			if err != nil || a.Status != want {
				t.Errorf("%s: PUT of 3 bytes with X-Expected-Entity-Length %s = %d, %v, want %d", b.Name, expected, a.Status, err, want)
			}
			if got := s.Want(200, "GET", "/f", "").Body; want == 400 && got != "old" && got != "new" || want == 204 && got != "new" {
				t.Errorf("%s: tree after it = %q", b.Name, got)
			}
			if want == 204 {
				s.Want(204, "PUT", "/f", "old")
			}
		}
		if a, err := s.Try("PUT", "/g", io.MultiReader(strings.NewReader("no length at all"))); err != nil || a.Status != 201 {
			t.Errorf("%s: PUT without any length = %d, %v", b.Name, a.Status, err)
		}
		harness.NoTemps(t, dir)
	}
}

// Requirement 9.
func testAtomicPut(t *testing.T) {
	for _, b := range harness.Backends {
		files, dir := b.Open(t)
		s := harness.Serve(t, files, nil)
		s.Want(201, "PUT", "/f", "old")
		s.Want(204, "PUT", "/f", "old")
		for _, name := range []string{"/f", "/new"} {
			conn := s.Dial()
			fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n%s", name, strings.Repeat("x", 50000))
			conn.(*net.TCPConn).CloseWrite()
			if a := readAnswer(t, conn); a.Status != 400 {
				t.Errorf("%s: half a PUT of %s = %d", b.Name, name, a.Status)
			}
			conn.Close()
		}
		s.Want(404, "GET", "/new", "")
		if got := s.Want(200, "GET", "/f", "").Body; got != "old" {
			t.Errorf("%s: half an upload left %.20q", b.Name, got)
		}
		if got := fmt.Sprint(s.Tree("/")); got != "[/ /f]" {
			t.Errorf("%s: half an upload left %s", b.Name, got)
		}
		harness.WaitFor(t, func() bool { return harness.CountTemps(t, dir) == 0 })
		harness.NoTemps(t, dir)
	}
}

// Requirement 10.
func testPutAnswer(t *testing.T) {
	for _, b := range harness.Backends {
		files, _ := b.Open(t)
		s := harness.Serve(t, files, nil)
		for _, status := range []int{201, 204} {
			a := s.Want(status, "PUT", "/f", "x")
			head := s.Want(200, "HEAD", "/f", "")
			for _, key := range []string{"ETag", "Last-Modified"} {
				if a.Header.Get(key) == "" || a.Header.Get(key) != head.Header.Get(key) {
					t.Errorf("%s: PUT has %s: %q, HEAD %q", b.Name, key, a.Header.Get(key), head.Header.Get(key))
				}
			}
			if a.Header.Get("Date") == "" {
				t.Errorf("%s: PUT has no Date", b.Name)
			}
		}
	}
}

// Requirement 11. TestEntityTag has more.
func testOneTag(t *testing.T) {
	for _, b := range harness.Backends {
		files, _ := b.Open(t)
		s := harness.Serve(t, files, nil)
		first := s.Want(201, "PUT", "/f", "1").Header.Get("ETag")
		second := s.Want(204, "PUT", "/f", "2").Header.Get("ETag")
		if first == second {
			t.Errorf("%s: two contents have the tag %s", b.Name, first)
		}
		s.Want(207, "PROPPATCH", "/f", harness.SetColour)
		token := s.Lock("/f", "0")
		s.Want(204, "UNLOCK", "/f", "", "Lock-Token", "<"+token+">")
		s.Want(201, "MOVE", "/f", "", "Destination", "dest:/g")
		if got := s.ETag("/g"); got != second {
			t.Errorf("%s: the tag became %s, want %s", b.Name, got, second)
		}

		// The tag in the answer to a PUT with a time is valid for the next PUT.
		timed := s.Want(204, "PUT", "/g", "3", "X-OC-Mtime", "784111777").Header.Get("ETag")
		timed = s.Want(204, "PUT", "/g", "4", "X-OC-Mtime", "784111777", "If-Match", timed).Header.Get("ETag")
		// Setting the time later may change the tag, but all methods agree on it, and a PUT with
		// the old tag does not overwrite.
		s.Want(207, "PROPPATCH", "/g", `<propertyupdate xmlns="DAV:"><set><prop><getlastmodified>Mon, 07 Nov 1994 08:49:37 GMT</getlastmodified></prop></set></propertyupdate>`)
		now := s.ETag("/g")
		if s.Want(200, "HEAD", "/g", "").Header.Get("ETag") != now {
			t.Errorf("%s: PROPFIND and HEAD have two tags", b.Name)
		}
		if now != timed {
			s.Want(412, "PUT", "/g", "lost", "If-Match", timed)
			if b.Name == "memory" {
				t.Errorf("a new time changes the tag in memory, which does not depend on the time")
			}
		}
		s.Want(204, "PUT", "/g", "5", "If-Match", now)
	}
}

// Requirement 20.
func testMkcol(t *testing.T) {
	runSteps(t, "/f /c/",
		harness.Step{"MKCOL /new", "201"}, harness.Step{"MKCOL /new", "405"}, harness.Step{"MKCOL /f", "405"}, harness.Step{"MKCOL /none/new", "409"}, harness.Step{"MKCOL /f/new", "409"},
		harness.Step{"MKCOL /xml/ | Content-Type: text/xml; charset=utf-8", "201"}, // KIO
		harness.Step{"MKCOL /body/ | Content-Type: text/xml | body: <mkcol/>", "415"},
		harness.Step{"MKCOL /body/ | Content-Type: x/y | body: z", "415"})
}

// Requirement 21.
func testSuccessCodes(t *testing.T) {
	runSteps(t, "/c/d/f /c/g /e/", harness.Step{"MKCOL /n", "201"}, harness.Step{"COPY /c/ | Destination: /n/c/", "201"}, harness.Step{"COPY /c/ | Destination: /n/c/", "204"},
		harness.Step{"MOVE /n/c/ | Destination: /m/", "201"}, harness.Step{"MOVE /m/ | Destination: /e/", "204"}, harness.Step{"DELETE /e/", "204"}, harness.Step{"DELETE /c/g", "204"},
		harness.Step{"MOVE /c/d/f | Destination: /f", "201"}, harness.Step{"DELETE /c/", "204"})
}

// Requirement 26.
func testNoRoom(t *testing.T) {
	s := harness.Serve(t, newSmallDisk(100), nil)
	s.Want(201, "PUT", "/f", "old")
	for _, header := range []string{"Content-Length: 101", "Transfer-Encoding: chunked\r\nX-Expected-Entity-Length: 101"} {
		conn := s.Dial()
		fmt.Fprintf(conn, "PUT /f HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n%s\r\n\r\n", header)
		if a := readAnswer(t, conn); a.Status != 507 || !strings.Contains(a.Body, "sufficient-disk-space") {
			t.Errorf("PUT with %q = %+v, want 507 before the body", header, a)
		}
	}
	if got := s.Want(200, "GET", "/f", "").Body; got != "old" {
		t.Errorf("/f = %q", got)
	}
	srv := harness.NewServer(t, nil)
	srv.Put("/f", "/c/1")
	for cause, want := range map[error]string{syscall.ENOSPC: "507 sufficient-disk-space", syscall.EDQUOT: "507 quota-not-exceeded"} {
		srv.Files.Reset()
		srv.Files.Fail(faultfs.Write, "/**", cause)
		srv.Files.Fail(faultfs.Mkdir, "/**", cause)
		for _, r := range []*davtest.Response{srv.Send("PUT", "/f", "x"), srv.Send("PUT", "/new", "x"), srv.Do("MKCOL", "/dir"), srv.Do("COPY", "/f", "Destination: /g")} {
			if got := r.String(); got != want {
				t.Errorf("with %v: %s, want %s", cause, got, want)
			}
		}
	}
	srv.Files.Reset()
	// An error of the client is a 4xx: macOS treats 500 as a file that vanished.
	for _, request := range []string{
		"PUT /none/f", "PUT /c/", "PUT /f/x", "GET /none", "GET /f/x", "DELETE /none", "DELETE /", "MKCOL /f/x", "MKCOL /none/x", "COPY /none | Destination: /x",
		"COPY /f | Destination: /none/x", "COPY /f | Destination: /f/x", "MOVE /c/ | Destination: /c/1/x", "MOVE / | Destination: /x", "COPY /c/ | Destination: /c/d/",
		"PROPFIND /f/x", "PROPPATCH /none", "LOCK /none/x | exclusive", "LOCK /f/x | exclusive", "UNLOCK /none | Lock-Token: <urn:x>", "PROPFIND / | Depth: 7",
		"PROPPATCH /f | body: <", "LOCK /f | body: <x/>", "GET /f | Range: bytes=9-1", "MOVE /f | Destination: /" + strings.Repeat("n", 300), "COPY /f | Destination: %zz",
	} {
		p := &harness.ScriptRun{T: t, Server: srv}
		if got := p.Do(request).StatusCode; got < 400 || got >= 500 {
			if request != "GET /f | Range: bytes=9-1" || got != 200 {
				t.Errorf("%s = %d, want a 4xx", request, got)
			}
		}
	}
}

// Requirement 29.
func testModificationTimes(t *testing.T) {
	const when, epoch = "Sun, 06 Nov 1994 08:49:37 GMT", "784111777"
	set := func(prop string) string {
		return `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>` + prop + `</D:prop></D:set></D:propertyupdate>`
	}
	for _, b := range harness.Backends {
		files, _ := b.Open(t)
		s := harness.Serve(t, files, nil)
		check := func(what, name string) {
			t.Helper()
			if got := s.Want(200, "HEAD", name, "").Header.Get("Last-Modified"); got != when {
				t.Errorf("%s: the time after %s = %s", b.Name, what, got)
			}
		}
		accepted := func(a harness.Answer) {
			t.Helper()
			if got := a.Header.Get("X-OC-Mtime"); got != "accepted" {
				t.Errorf("%s: X-OC-Mtime: %q", b.Name, got)
			}
		}
		accepted(s.Want(201, "PUT", "/oc", "x", "X-OC-Mtime", epoch))
		check("PUT", "/oc")
		s.Want(201, "PUT", "/f", "x")
		accepted(s.Want(201, "COPY", "/f", "", "Destination", "dest:/copy", "X-OC-Mtime", epoch))
		check("COPY", "/copy")
		accepted(s.Want(201, "MOVE", "/f", "", "Destination", "dest:/moved", "X-OC-Mtime", epoch))
		check("MOVE", "/moved")
		for what, prop := range map[string]string{
			"WinSCP":  "<D:getlastmodified>Sun, 6 Nov 1994 08:49:37 GMT</D:getlastmodified>",
			"others":  "<D:getlastmodified>" + when + "</D:getlastmodified>",
			"rclone":  "<D:lastmodified>" + epoch + "</D:lastmodified>",
			"date":    "<D:lastmodified>" + when + "</D:lastmodified>",
			"Windows": `<Z:Win32LastModifiedTime xmlns:Z="urn:schemas-microsoft-com:">` + when + "</Z:Win32LastModifiedTime>",
		} {
			name := "/" + what
			s.Want(201, "PUT", name, "x")
			if a := s.Want(207, "PROPPATCH", name, set(prop)); !strings.Contains(a.Body, "200 OK") {
				t.Errorf("%s: %s gets %s", b.Name, what, a.Body)
			}
			check(what, name)
		}
		s.Want(207, "PROPPATCH", "/oc", set(`<S:lastmodified xmlns:S="SAR:">`+when+`</S:lastmodified>`))
		if a := s.Want(207, "PROPFIND", "/oc", `<propfind xmlns="DAV:"><prop><lastmodified xmlns="SAR:"/></prop></propfind>`, "Depth", "0"); !strings.Contains(a.Body, when) {
			t.Errorf("%s: Cyberduck's own property is\n%s", b.Name, a.Body)
		}
	}
}
