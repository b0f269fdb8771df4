package harness

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/memory"
	"dav207/server"
)

// Backend is a kind of file system that tests run on. Open returns an empty one and its directory,
// or "" if it has none.
type Backend struct {
	Name string
	Open func(testing.TB) (files fsbackend.Backend, dir string)
}

// Backends are the file systems that tests run on: in memory and on a disk.
var Backends = []Backend{
	{"memory", func(testing.TB) (fsbackend.Backend, string) { return memory.New(nil).Backend(), "" }},
	{"disk", func(t testing.TB) (fsbackend.Backend, string) {
		dir := t.TempDir()
		return DiskTree(t, dir, nil), dir
	}},
}

// DiskTree returns the back end of a directory. It is closed at the end of the test.
func DiskTree(t testing.TB, dir string, opts *disk.Options) fsbackend.Backend {
	t.Helper()
	files, err := disk.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	return files.Backend()
}

// Site is a running server with a client.
type Site struct {
	testing.TB
	URL    string // of the host, without a slash at the end
	Prefix string // without a slash at the end
	Client *http.Client
}

// Serve starts a server for files. It ends with the test.
func Serve(t testing.TB, files fsbackend.Backend, opts *server.Options) *Site {
	t.Helper()
	prefix := ""
	if opts != nil {
		prefix = strings.TrimSuffix(opts.Prefix, "/")
	}
	return ServeHandler(t, server.New(files, opts), prefix)
}

// ServeHandler starts a server for h. It ends with the test.
func ServeHandler(t testing.TB, h http.Handler, prefix string) *Site {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.DisableGeneralOptionsHandler = true // the handler answers OPTIONS *, too
	srv.Config.ErrorLog = log.New(errorLog{t}, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return &Site{TB: t, URL: srv.URL, Prefix: prefix, Client: srv.Client()}
}

// errorLog fails the test for each error that net/http logs, such as a panic in the handler or a
// second WriteHeader.
type errorLog struct{ testing.TB }

// Write fails the test.
func (c errorLog) Write(b []byte) (int, error) {
	c.Errorf("net/http: %s", b)
	return len(b), nil
}

// At returns the URL of a decoded name such as "/a b".
func (s *Site) At(name string) string { return s.URL + s.Href(name) }

// Href returns the DAV:href of a decoded name.
func (s *Site) Href(name string) string {
	segments := strings.Split(s.Prefix+name, "/")
	for i := range segments {
		segments[i] = escape(segments[i])
	}
	return strings.Join(segments, "/")
}

// escape follows RFC 3986 §3.3 and uses no code of the server, which it tests. It escapes all but
// pchar, and the two pchar that are special in XML.
func escape(segment string) string {
	var b strings.Builder
	for _, c := range []byte(segment) {
		if c < 0x80 && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-._~!$()*+,;=:@", c) >= 0) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Do sends a request for a decoded name and returns the answer. header alternates names and values;
// a value "dest:/a b" is replaced with the URL of that decoded name.
func (s *Site) Do(method, name, body string, header ...string) Answer {
	s.Helper()
	a, err := s.Try(method, name, strings.NewReader(body), header...)
	if err != nil {
		s.Fatalf("%s %s: %v", method, name, err)
	}
	return a
}

// Try is Do with a Reader as body. It returns an error if there was no answer.
func (s *Site) Try(method, name string, body io.Reader, header ...string) (Answer, error) {
	r, err := http.NewRequest(method, s.At(name), body)
	if err != nil {
		return Answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		value := header[i+1]
		if to, ok := strings.CutPrefix(value, "dest:"); ok {
			value = s.At(to)
		}
		r.Header.Add(header[i], value)
	}
	resp, err := s.Client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return Answer{resp.StatusCode, resp.Header, string(b)}, err
}

// Want is Do; it ends the test if the answer does not have the status.
func (s *Site) Want(status int, method, name, body string, header ...string) Answer {
	s.Helper()
	a := s.Do(method, name, body, header...)
	if a.Status != status {
		s.Fatalf("%s %s %q = %d, want %d\n%s", method, name, header, a.Status, status, a.Body)
	}
	return a
}

// NextSecond waits until another second than that of now has begun, and all that changes from then
// on has a time in it.
func NextSecond() {
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second + 50*time.Millisecond)))
}

// Tree lists what is below name with a PROPFIND: the decoded names, collections with a slash at the
// end, sorted.
func (s *Site) Tree(name string) []string {
	s.Helper()
	a := s.Want(207, "PROPFIND", name, `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, "Depth", "infinity")
	var names []string
	for _, r := range DecodeMultistatus(s, a.Body) {
		path, err := url.PathUnescape(strings.TrimPrefix(r.Href, s.Href("")))
		if err != nil {
			s.Fatal(err)
		}
		names = append(names, path)
	}
	slices.Sort(names)
	return names
}

// Lock takes an exclusive lock for 10 minutes and returns its token.
func (s *Site) Lock(name, depth string) string {
	s.Helper()
	a := s.Do("LOCK", name, LockBody, "Depth", depth, "Timeout", "Second-600")
	if a.Status != 200 && a.Status != 201 {
		s.Fatalf("LOCK %s = %d\n%s", name, a.Status, a.Body)
	}
	return strings.Trim(a.Header.Get("Lock-Token"), "<>")
}

// Dial opens a connection to the server. It is closed at the end of the test.
func (s *Site) Dial() net.Conn {
	s.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}
