package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/disk"
	"dav207/fsbackend/memory"
	"dav207/server/access"
	"dav207/server/davpath"
)

// GET and HEAD of a collection redirect to its URL with a slash (RFC 4918 §5.2, RFC 9110 §15.4.2),
// as the client addresses it and never on another host. Other methods do not redirect, since many
// clients do not follow.
func TestCollectionsWithoutSlash(t *testing.T) {
	proxied := func(prefix string) []string {
		return []string{"X-Forwarded-Prefix", prefix, "X-Forwarded-Host", "files.example"}
	}
	public, err := url.Parse("https://files.example/shared files/x")
	if err != nil {
		t.Fatal(err)
	}
	// The address of requests by httptest.
	trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for _, tt := range []struct {
		rule     string
		opts     Options
		target   string
		header   []string
		location string // "" for 200
	}{
		{"a collection", Options{}, "/c", nil, "/c/"},
		{"with its slash", Options{}, "/c/", nil, ""},
		{"the query stays", Options{}, "/c?a=b&c=%20", nil, "/c/?a=b&c=%20"},
		{"", Options{}, "/c?", nil, "/c/?"},
		{"", Options{}, "/c?//evil.example/", nil, "/c/?//evil.example/"},
		{"", Options{}, "/c?\xc3\xa9", nil, "/c/?%c3%a9"},
		{"", Options{}, "/c/?a", nil, ""},
		{"names that are escaped", Options{}, "/a%20b%3F%23%25+&'", nil, "/a%20b%3F%23%25+%26%27/"},
		{"", Options{}, "/%C3%A9", nil, "/%C3%A9/"},
		{"", Options{}, "/co:lon", nil, "/co:lon/"},
		{"spellings of one resource", Options{}, "/./c", nil, "/c/"},
		{"", Options{}, "/c/.", nil, "/c/"},
		{"", Options{}, "/c/d/..", nil, "/c/"},
		{"", Options{}, "/c/..", nil, "/"},
		{"", Options{}, "/%63", nil, "/c/"},
		{"never another host", Options{}, "//evil.example/x", nil, "/evil.example/x/"},
		{"", Options{}, "///evil.example//x", nil, "/evil.example/x/"},
		{"", Options{}, "/c/..//evil.example/x", nil, "/evil.example/x/"},
		{"", Options{}, "//evil.example", nil, "/evil.example/"},
		{"", Options{}, "/%5Cevil.example", nil, "/%5Cevil.example/"},
		{"the root has one", Options{}, "/", nil, ""},
		{"", Options{}, "//", nil, ""},
		{"", Options{}, "http://example.com", nil, ""}, // an empty path is "/" (RFC 9110 §4.2.3)
		{"conditions come later (RFC 9110 §13.2.1)", Options{}, "/c", []string{"If-None-Match", "*"}, "/c/"},
		{"", Options{}, "/c", []string{"If-Match", `"x"`}, "/c/"},
		{"a prefix", Options{Prefix: "/d v"}, "/d%20v", nil, "/d%20v/"},
		{"", Options{Prefix: "/d v"}, "/d%20v/c", nil, "/d%20v/c/"},
		{"", Options{Prefix: "/d v"}, "/d%20v/", nil, ""},
		{"the way to a prefix", Options{Prefix: "/a/b"}, "/a", nil, "/a/"},
		{"", Options{Prefix: "/a/b"}, "//a", nil, "/a/"},
		{"", Options{Prefix: "/a/b"}, "/a/", nil, ""},
		{"", Options{Prefix: "/a/b"}, "/", nil, ""},
		{"a proxy that takes a part of the path away", Options{TrustedProxies: trusted}, "/c", proxied("/at the/proxy"), "/at%20the/proxy/c/"},
		{"", Options{TrustedProxies: trusted}, "/c", proxied("//evil.example"), "/evil.example/c/"},
		{"", Options{TrustedProxies: trusted, Prefix: "/dav"}, "/dav", proxied("/p"), "/p/dav/"},
		{"a proxy that is not trusted", Options{}, "/c", proxied("/p"), "/c/"},
		{"a public URL", Options{PublicURLs: []*url.URL{public}, Prefix: "/dav"}, "/dav/c", nil, "/shared%20files/x/c/"},
	} {
		files := memory.New(nil).Backend()
		for _, dir := range []string{"/c", "/c/d", "/a b?#%+&'", "/é", "/co:lon", "/evil.example", "/evil.example/x", `/\evil.example`} {
			if err := files.Mkdir(t.Context(), davpath.Must(dir)); err != nil {
				t.Fatal(err)
			}
		}
		h := New(files, &tt.opts)
		for _, method := range []string{"GET", "HEAD"} {
			r := httptest.NewRequest(method, "/", nil)
			u, err := url.ParseRequestURI(tt.target) // as net/http reads it
			if err != nil {
				t.Fatal(err)
			}
			r.URL = u
			for i := 0; i < len(tt.header); i += 2 {
				r.Header.Set(tt.header[i], tt.header[i+1])
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			want := 200
			if tt.location != "" {
				want = 301
			}
			if got := w.Header().Get("Location"); w.Code != want || got != tt.location {
				t.Errorf("%s: %s %s = %d to %q, want %d to %q", tt.rule, method, tt.target, w.Code, got, want, tt.location)
			}
			if want == 301 && (w.Header().Get("Cache-Control") != "no-cache" || w.Header().Get("Content-Location") != "") {
				t.Errorf("%s: %s %s has %v", tt.rule, method, tt.target, w.Header())
			}
			if method == "HEAD" && w.Body.Len() > 0 {
				t.Errorf("HEAD %s has a body", tt.target)
			}
		}
	}
}

// What caches may do with the answers to GET and HEAD (RFC 9111 §4.2, §5.2.2): a file is used for
// MaxAge and then revalidated, also after a 304 (RFC 9110 §15.4.5); anything else is asked for each
// time, be it a page or a 404, which a cache would otherwise keep for a time of its own.
func TestCaching(t *testing.T) {
	for _, tt := range []struct {
		maxAge time.Duration
		want   string
	}{{0, "max-age=0"}, {time.Hour, "max-age=3600"}, {-time.Second, "max-age=0"}, {1999 * time.Millisecond, "max-age=1"}} {
		h := New(memory.New(nil).Backend(), &Options{MaxAge: tt.maxAge, Prefix: "/dav/x"})
		do(h, "PUT", "/dav/x/f", "content")
		tag := do(h, "GET", "/dav/x/f", "").Header.Get("ETag")
		for _, c := range []struct {
			target string
			header []string
			status int
			want   string
		}{
			{"/dav/x/f", nil, 200, tt.want},
			{"/dav/x/f", []string{"Range", "bytes=1-2"}, 206, tt.want},
			{"/dav/x/f", []string{"Range", "bytes=0-0,2-2"}, 206, tt.want},
			{"/dav/x/f", []string{"If-None-Match", tag}, 304, tt.want},
			{"/dav/x/f", []string{"If-Match", `"no"`}, 412, "no-cache"},
			{"/dav/x/f", []string{"Range", "bytes=99-"}, 416, "no-cache"},
			{"/dav/x/missing", nil, 404, "no-cache"},
			{"/dav/x/", nil, 200, "no-cache"},
			{"/dav/x", nil, 301, "no-cache"},
			{"/dav/", nil, 200, "no-cache"},
		} {
			for _, method := range []string{"GET", "HEAD"} {
				if method == "HEAD" && c.header != nil && c.header[0] == "Range" {
					continue // RFC 9110 §14.2
				}
				w := do(h, method, c.target, "", c.header...)
				vary := ""
				if c.status >= 400 {
					vary = "Accept"
				}
				if got := w.Header.Values("Cache-Control"); w.StatusCode != c.status || len(got) != 1 || got[0] != c.want || w.Header.Get("Vary") != vary {
					t.Errorf("MaxAge %v: %s %s %q = %d, Cache-Control %q, Vary %q, want %d, %s, %s", tt.maxAge, method, c.target, c.header,
						w.StatusCode, got, w.Header.Get("Vary"), c.status, c.want, vary)
				}
			}
		}
	}
}

// uniformPolicy is a policy with the same result for every resource.
type uniformPolicy struct{ err error }

func (p uniformPolicy) Check(context.Context, access.Privilege, davpath.Path) error { return p.err }

// A redirect does not reveal a resource that the policy hides.
func TestNoRedirectWithoutAccess(t *testing.T) {
	files := memory.New(nil).Backend()
	if err := files.Mkdir(t.Context(), davpath.Must("/c")); err != nil {
		t.Fatal(err)
	}
	for err, want := range map[error]int{fs.ErrNotExist: 404, fs.ErrPermission: 403} {
		h := New(files, &Options{Policy: uniformPolicy{err}})
		for _, method := range []string{"GET", "HEAD"} {
			if res := do(h, method, "/c", ""); res.StatusCode != want || res.Header.Get("Location") != "" {
				t.Errorf("%s with the policy's error %v = %d to %q, want %d", method, err, res.StatusCode, res.Header.Get("Location"), want)
			}
		}
	}
}

// Methods other than GET and HEAD respond for a collection with and without a slash alike.
func TestNoOtherRedirects(t *testing.T) {
	for method, want := range map[string]int{
		"OPTIONS": 200, "PROPFIND": 207, "PROPPATCH": 400, "PUT": 405, "MKCOL": 405, "COPY": 201, "MOVE": 201, "DELETE": 204, "LOCK": 200, "UNLOCK": 400, "POST": 405,
	} {
		h := New(memory.New(nil).Backend(), nil)
		do(h, "MKCOL", "/c", "")
		body := map[string]string{"LOCK": lockShared}[method]
		res := do(h, method, "/c", body, "Destination", "/d", "Depth", "infinity")
		if res.StatusCode != want || res.Header.Get("Location") != "" {
			t.Errorf("%s = %d to %q, want %d", method, res.StatusCode, res.Header.Get("Location"), want)
		}
	}
}

// A client follows the redirect over HTTP/1.1 and HTTP/2.
func TestRedirectOverTheWire(t *testing.T) {
	files := memory.New(nil).Backend()
	if err := files.Mkdir(t.Context(), davpath.Must("/a b")); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(New(files, &Options{Prefix: "/dav"}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	for _, method := range []string{"GET", "HEAD"} {
		r, err := http.NewRequest(method, srv.URL+"/dav/a%20b?x=y", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got := strings.TrimPrefix(res.Request.URL.String(), srv.URL); res.StatusCode != 200 || res.ProtoMajor != 2 || got != "/dav/a%20b/?x=y" ||
			method == "GET" && !strings.Contains(string(body), "<h1>/dav/a b/</h1>") {
			t.Errorf("%s ends at %s with %s %s\n%s", method, got, res.Proto, res.Status, body)
		}
	}
	plain := httptest.NewServer(New(files, nil))
	defer plain.Close()
	conn, err := net.Dial("tcp", plain.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "GET //a%%20b HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != 301 || res.Header.Get("Location") != "/a%20b/" {
		t.Errorf("GET //a%%20b = %v, %v", res, err)
	}
}

// truncating is a directory whose files are truncated to the next of lengths at their first Read.
type truncating struct {
	fsbackend.Backend
	dir     string
	lengths []int64
}

func (s *truncating) Open(ctx context.Context, p davpath.Path) (fsbackend.File, error) {
	f, err := s.Backend.Open(ctx, p)
	return &truncatingFile{f, s, filepath.Join(s.dir, p.String())}, err
}

type truncatingFile struct {
	fsbackend.File
	of   *truncating
	name string
}

func (f *truncatingFile) Read(b []byte) (int, error) {
	if len(f.of.lengths) > 0 {
		if err := os.Truncate(f.name, f.of.lengths[0]); err != nil {
			return 0, err
		}
		f.of.lengths = f.of.lengths[1:]
	}
	return f.File.Read(b)
}

// A file that another process truncates during GET is sent with its new length. If it is truncated
// again the server closes the connection after the available bytes. The client gets no 4xx (RFC
// 9110 §15.5.1).
func TestGetWhileTruncated(t *testing.T) {
	for _, tt := range []struct {
		size    int
		lengths []int64
		ranges  string
		want    string
	}{
		{1000, []int64{10}, "", "200 10"},
		{1000, []int64{100, 10}, "", "200 10"},
		{1000, []int64{0}, "", "200 0"},
		{1000, []int64{100, 10, 5, 2}, "", "200 2"},
		{1000, []int64{90, 80, 70, 60, 50, 40, 30}, "", "aborted"}, // two a try
		{smallFile + 1, []int64{smallFile}, "", "aborted"},
		{1000, []int64{10}, "bytes=5-99", "206 5"},
		{1000, []int64{10}, "bytes=20-99", "416 32"},
		{1000, []int64{10}, "bytes=0-1,20-99", "aborted"},
		{2 * smallFile, []int64{10}, "bytes=5-", "aborted"},
	} {
		dir := t.TempDir()
		tree, err := disk.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		do(New(tree.Backend(), nil), "PUT", "/f", strings.Repeat("x", tt.size))
		files := &truncating{tree.Backend(), dir, slices.Clone(tt.lengths)}
		got := func() (got string) {
			defer func() {
				if recover() == http.ErrAbortHandler {
					got = "aborted"
				}
			}()
			var header []string
			if tt.ranges != "" {
				header = []string{"Range", tt.ranges}
			}
			res := do(New(files, nil), "GET", "/f", "", header...)
			return fmt.Sprint(res.StatusCode, " ", len(bodyOf(t, res)))
		}()
		if got != tt.want {
			t.Errorf("%q of %d bytes cut to %v: %s, want %s", tt.ranges, tt.size, tt.lengths, got, tt.want)
		}
	}
}
