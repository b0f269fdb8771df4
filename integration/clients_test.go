// Package integration holds the tests that drive a running server: gowebdav, exchanges as text, the source tree of Go, many
// clients at once, and the Handler of golang.org/x/net/webdav beside ours; and the command itself: litmus, cadaver, curl,
// rclone, davfs2, gvfs, webdav of npm, lftp, zsync, davix, alone and behind nginx; killed in the middle of its work.
//
// Real clients that are not installed are skipped, or are failures if DAV207_REQUIRE_CLIENTS is 1.
package integration

import (
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/server"
)

// realClient returns the path of a program that the test drives. Where it is missing the test is skipped, or fails if
// DAV207_REQUIRE_CLIENTS is 1, as on machines that are supposed to have them all.
func realClient(t testing.TB, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	msg := fmt.Sprintf("%s is missing: %s", name, install)
	if os.Getenv("DAV207_REQUIRE_CLIENTS") == "1" {
		t.Fatal(msg)
	}
	t.Skip(msg)
	return ""
}

// backend is a kind of tree that the tests run on. open returns a fresh one, and the directory that it serves or "".
type backend struct {
	name string
	open func(testing.TB) (files webdav.FileSystem, dir string)
}

var backends = []backend{
	{"memory", func(testing.TB) (webdav.FileSystem, string) { return fsbackend.New(fsbackend.Memory()), "" }},
	{"disk", func(t testing.TB) (webdav.FileSystem, string) {
		dir := t.TempDir()
		return diskTree(t, dir), dir
	}},
}

func diskTree(t testing.TB, dir string) *fsbackend.Disk {
	t.Helper()
	disk, err := fsbackend.Root(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	return disk
}

// site is a running server, and a client that hides nothing of its answers.
type site struct {
	testing.TB
	url    string // of the host, without a slash at the end
	prefix string // without a slash at the end
	client *http.Client
}

// serve starts a server for files. It ends with the test.
func serve(t testing.TB, files webdav.FileSystem, opts *server.Options) *site {
	t.Helper()
	prefix := ""
	if opts != nil {
		prefix = strings.TrimSuffix(opts.Prefix, "/")
	}
	return serveHandler(t, server.New(files, opts), prefix)
}

func serveHandler(t testing.TB, h http.Handler, prefix string) *site {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.DisableGeneralOptionsHandler = true // else net/http answers OPTIONS *, and says nothing of WebDAV
	srv.Config.ErrorLog = log.New(complaints{t}, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return &site{TB: t, url: srv.URL, prefix: prefix, client: srv.Client()}
}

// complaints makes a failure of what net/http has to say of a handler: that it panicked, or wrote two headers.
type complaints struct{ testing.TB }

func (c complaints) Write(b []byte) (int, error) {
	c.Errorf("net/http: %s", b)
	return len(b), nil
}

// at returns the URL of a decoded name such as "/a b".
func (s *site) at(name string) string { return s.url + s.href(name) }

// href returns the name as it stands in a DAV:href.
func (s *site) href(name string) string {
	segments := strings.Split(s.prefix+name, "/")
	for i := range segments {
		segments[i] = escape(segments[i])
	}
	return strings.Join(segments, "/")
}

// escape is written from RFC 3986 §3.3 and not taken from the server, which it tests: pchar stands for itself, but for the
// two that XML wants escaped.
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

// answer is a whole answer.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

// do sends a request for a decoded name. header holds names and values in turn; a value that begins with "dest:" is a
// decoded name, too.
func (s *site) do(method, name, body string, header ...string) answer {
	s.Helper()
	a, err := s.try(method, name, strings.NewReader(body), header...)
	if err != nil {
		s.Fatalf("%s %s: %v", method, name, err)
	}
	return a
}

func (s *site) try(method, name string, body io.Reader, header ...string) (answer, error) {
	r, err := http.NewRequest(method, s.at(name), body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		value := header[i+1]
		if to, ok := strings.CutPrefix(value, "dest:"); ok {
			value = s.at(to)
		}
		r.Header.Add(header[i], value)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

// want is do for a request whose status is known; any other ends the test.
func (s *site) want(status int, method, name, body string, header ...string) answer {
	s.Helper()
	a := s.do(method, name, body, header...)
	if a.Status != status {
		s.Fatalf("%s %s %q = %d, want %d\n%s", method, name, header, a.Status, status, a.Body)
	}
	return a
}

// tree lists what is below name with a PROPFIND: the decoded names, collections with a slash at the end, sorted.
func (s *site) tree(name string) []string {
	s.Helper()
	a := s.want(207, "PROPFIND", name, `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, "Depth", "infinity")
	var names []string
	for _, r := range decode(s, a.Body) {
		path, err := url.PathUnescape(strings.TrimPrefix(r.Href, s.href("")))
		if err != nil {
			s.Fatal(err)
		}
		names = append(names, path)
	}
	slices.Sort(names)
	return names
}

// The elements of RFC 4918 §14, as encoding/xml reads them: a decoder that shares nothing with the server.
type (
	davResponse struct {
		Href      string        `xml:"DAV: href"`
		Status    string        `xml:"DAV: status"`
		Propstat  []davPropstat `xml:"DAV: propstat"`
		Condition davCondition  `xml:"DAV: error"`
	}
	davPropstat struct {
		Prop      davProp      `xml:"DAV: prop"`
		Status    string       `xml:"DAV: status"`
		Condition davCondition `xml:"DAV: error"`
	}
	davProp struct {
		List []davProperty `xml:",any"`
	}
	davProperty struct {
		XMLName xml.Name
		Inner   string `xml:",innerxml"`
	}
	davCondition struct {
		List []struct {
			XMLName xml.Name
			Href    []string `xml:"DAV: href"`
		} `xml:",any"`
	}
)

// decode reads a multistatus, and checks what must be true of every one: each href is there once, and each response
// has a status or propstats, at most one for a status.
func decode(t testing.TB, body string) []davResponse {
	t.Helper()
	var m struct {
		XMLName  xml.Name      `xml:"DAV: multistatus"`
		Response []davResponse `xml:"DAV: response"`
	}
	if err := xml.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("the answer is no multistatus: %v\n%s", err, body)
	}
	seen := map[string]bool{}
	for _, r := range m.Response {
		if seen[r.Href] {
			t.Errorf("%s has two responses", r.Href)
		}
		seen[r.Href] = true
		if (r.Status == "") == (len(r.Propstat) == 0) {
			t.Errorf("%s has a status %q and %d propstats, want one of the two (§14.24)", r.Href, r.Status, len(r.Propstat))
		}
		statuses := map[string]bool{}
		for _, p := range r.Propstat {
			if statuses[p.Status] {
				t.Errorf("%s has two propstats of status %q", r.Href, p.Status)
			}
			statuses[p.Status] = true
		}
	}
	return m.Response
}

// code returns the number in a status line, 0 if it is none.
func code(line string) int {
	fields := strings.Fields(line)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "HTTP/") {
		return 0
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return n
}

// failures reads the 207 of a DELETE, COPY, MOVE or LOCK: "423 lock-token-submitted" by href.
func failures(t testing.TB, a answer) map[string]string {
	t.Helper()
	if a.Status != http.StatusMultiStatus {
		t.Fatalf("the status is %d, want 207\n%s", a.Status, a.Body)
	}
	out := map[string]string{}
	for _, r := range decode(t, a.Body) {
		s := strconv.Itoa(code(r.Status))
		for _, c := range r.Condition.List {
			s += " " + c.XMLName.Local
		}
		out[r.Href] = s
	}
	return out
}

const lockBody = `<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>` +
	`<D:locktype><D:write/></D:locktype><D:owner>a test</D:owner></D:lockinfo>`

// lock takes an exclusive lock and returns its token.
func (s *site) lock(name, depth string) string {
	s.Helper()
	a := s.do("LOCK", name, lockBody, "Depth", depth, "Timeout", "Second-600")
	if a.Status != 200 && a.Status != 201 {
		s.Fatalf("LOCK %s = %d\n%s", name, a.Status, a.Body)
	}
	return strings.Trim(a.Header.Get("Lock-Token"), "<>")
}
