package server

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"dav207/fsbackend/memory"
)

// raw sends bytes to a server and returns what it receives until the server closes the connection,
// or for a short time.
func raw(t *testing.T, s *httptest.Server, request string) string {
	t.Helper()
	var c net.Conn
	var err error
	if s.TLS != nil {
		c, err = tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	} else {
		c, err = net.Dial("tcp", s.Listener.Addr().String())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	response, _ := io.ReadAll(bufio.NewReader(c))
	return string(response)
}

// Header names have the spelling of the RFCs, since some clients compare them byte for byte.
func TestNamesOnTheWire(t *testing.T) {
	s := httptest.NewServer(New(memory.New(nil).Backend(), nil))
	defer s.Close()
	for _, tt := range []struct {
		request string
		names   []string
	}{
		{"OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", []string{"DAV", "MS-Author-Via"}},
		{"PUT /f HTTP/1.1\r\nHost: x\r\nX-OC-Mtime: 1700000000\r\nX-OC-CTime: 1600000000\r\nContent-Length: 1\r\n\r\nx",
			[]string{"ETag", "X-OC-Mtime", "X-OC-CTime"}},
		{"GET /f HTTP/1.1\r\nHost: x\r\n\r\n", []string{"ETag"}},
		{"GET /f HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\n\r\n", []string{"ETag"}},
		{"HEAD /f HTTP/1.1\r\nHost: x\r\n\r\n", []string{"ETag"}},
		{"GET /f HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT\r\n\r\n", []string{"ETag"}}, // 304
	} {
		request, names := tt.request, tt.names
		response := raw(t, s, request)
		head, _, _ := strings.Cut(response, "\r\n\r\n")
		for _, name := range names {
			if !strings.Contains(head, "\r\n"+name+": ") {
				t.Errorf("the response to %q lacks %s:\n%s", request, name, head)
			}
		}
		for _, name := range []string{"Dav", "Etag", "Ms-Author-Via", "X-Oc-Mtime", "X-Oc-Ctime"} {
			if strings.Contains(head, "\r\n"+name+": ") {
				t.Errorf("the response to %q has %s:\n%s", request, name, head)
			}
		}
	}
}

// RFC 9112 §6.1: if the end of a request is ambiguous the server closes the connection.
func TestAmbiguousRequestsCloseTheConnection(t *testing.T) {
	s := httptest.NewServer(New(memory.New(nil).Backend(), nil))
	defer s.Close()
	const chunks = "1\r\na\r\n0\r\n\r\n"
	for _, tt := range []struct {
		rule, head, body string
		stays            bool
	}{
		{"Content-Length", "HTTP/1.1\r\nContent-Length: 1", "a", true},
		{"chunked", "HTTP/1.1\r\nTransfer-Encoding: chunked", chunks, true},
		{"chunked, by way of a proxy", "HTTP/1.1\r\nVia: 1.1 p\r\nTransfer-Encoding: chunked", chunks, false},
		{"both, by way of a proxy", "HTTP/1.1\r\nX-Forwarded-For: ::1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", chunks, false},
		{"Content-Length, by way of a proxy", "HTTP/1.1\r\nForwarded: for=x\r\nContent-Length: 1", "a", true},
		{"chunked in HTTP/1.0", "HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked", chunks, false},
		{"both in HTTP/1.0", "HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", "a", false},
		{"HTTP/1.0", "HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1", "a", false},
	} {
		for _, path := range []string{"/f", "/missing/f"} { // a refusal, too
			response := raw(t, s, "PUT "+path+" "+tt.head+"\r\nHost: x\r\n\r\n"+tt.body+"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
			head, _, _ := strings.Cut(response, "\r\n\r\n")
			if got := strings.Count("\n"+response, "\nHTTP/1."); got != map[bool]int{true: 2, false: 1}[tt.stays] ||
				strings.Contains(head, "\r\nConnection: close") == tt.stays {
				t.Errorf("%s, PUT %s: %d responses, want the connection to stay: %v\n%s", tt.rule, path, got, tt.stays, response)
			}
		}
	}
}

// RFC 9112 §3.2, RFC 9110 §7.4: request-targets of other servers and invalid ones are refused.
func TestRequestTargets(t *testing.T) {
	plainServer := httptest.NewServer(New(memory.New(nil).Backend(), nil))
	defer plainServer.Close()
	secure := httptest.NewTLSServer(New(memory.New(nil).Backend(), nil))
	defer secure.Close()
	for _, tt := range []struct {
		s       *httptest.Server
		request string
		status  int
	}{
		{plainServer, "PROPFIND http://host/", 207},
		{plainServer, "PROPFIND http://host", 207},
		{plainServer, "OPTIONS *", 200},
		{plainServer, "GET /missing", 404},
		{plainServer, "GET https://host/a", 421},
		{plainServer, "OPTIONS https://host/", 421},
		{secure, "GET http://host/a", 421},
		{secure, "PROPFIND https://host/", 207},
		{plainServer, "PUT ftp://h/x", 400},
		{plainServer, "PROPFIND x:y", 400},
		{plainServer, "LOCK x:y", 400},
		{plainServer, "PROPFIND http:/", 400},
		{plainServer, "PROPFIND http:a", 400},
		{plainServer, "PROPFIND http://u:p@host/", 400},
		{plainServer, "PROPFIND /#a", 400},
		{plainServer, "PUT /a#b", 400},
		{plainServer, "OPTIONS /#", 400},
		{plainServer, "PROPFIND a", 400},
		{plainServer, "CONNECT host:80", 405},
	} {
		response := raw(t, tt.s, tt.request+" HTTP/1.1\r\nHost: host\r\nDepth: 0\r\nContent-Length: 0\r\n\r\n")
		if want := fmt.Sprintf("HTTP/1.1 %d ", tt.status); !strings.HasPrefix(response, want) {
			t.Errorf("%s = %.60q, want %d", tt.request, response, tt.status)
		}
	}
	if r, err := http.Get(plainServer.URL + "/x"); err != nil || r.StatusCode != 404 {
		t.Errorf("a resource was created: %v, %v", r, err)
	}
}

// RFC 9112 §3.2.2, RFC 9110 §7.4: a request-target with the scheme of a proxy is accepted if the
// proxy is trusted or the URL is public.
func TestRequestTargetsBehindAProxy(t *testing.T) {
	public := []*url.URL{{Scheme: "https", Host: "Host:443", Path: "/"}}
	here := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	elsewhere := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	for _, tt := range []struct {
		rule         string
		opts         Options
		tls          bool
		target, head string
		status       int
	}{
		{"a trusted proxy says https", Options{TrustedProxies: here}, false, "https://host/", "X-Forwarded-Proto: https", 207},
		{"in capitals, the nearest to the client first", Options{TrustedProxies: here}, false, "https://host/", "X-Forwarded-Proto: HTTPS, http", 207},
		{"with Forwarded", Options{TrustedProxies: here}, false, "https://host/", `Forwarded: for=::1;Proto="https", proto=http`, 207},
		{"a trusted proxy that says nothing", Options{TrustedProxies: here}, false, "https://host/", "Via: 1.1 p", 207},
		{"one that speaks http itself", Options{TrustedProxies: here}, false, "http://host/", "X-Forwarded-Proto: https", 207},
		{"http to the proxy, https to us", Options{TrustedProxies: here}, true, "http://host/", "X-Forwarded-Proto: http", 207},
		{"a trusted proxy says http", Options{TrustedProxies: here}, false, "https://host/", "X-Forwarded-Proto: http", 421},
		{"the same with Forwarded", Options{TrustedProxies: here}, false, "https://host/", "Forwarded: proto=http\r\nX-Forwarded-Proto: https", 421},
		{"another scheme", Options{TrustedProxies: here}, false, "ftp://host/", "X-Forwarded-Proto: ftp", 400},
		{"somebody else's address", Options{TrustedProxies: elsewhere}, false, "https://host/", "X-Forwarded-Proto: https", 421},
		{"no proxy is trusted by default", Options{}, false, "https://host/", "X-Forwarded-Proto: https", 421},
		{"a public URL", Options{PublicURLs: public}, false, "https://host/", "Via: 1.1 p", 207},
		{"a public URL with its port", Options{PublicURLs: public}, false, "https://HOST:443/", "Via: 1.1 p", 207},
		{"the host of a public URL with another scheme", Options{PublicURLs: public}, true, "http://host/", "Via: 1.1 p", 421},
		{"another host than the public one", Options{PublicURLs: public}, false, "https://other/", "X-Forwarded-Proto: https", 421},
	} {
		h := New(memory.New(nil).Backend(), &tt.opts)
		var s *httptest.Server
		if tt.tls {
			s = httptest.NewTLSServer(h)
		} else {
			s = httptest.NewServer(h)
		}
		response := raw(t, s, "PROPFIND "+tt.target+" HTTP/1.1\r\nHost: host\r\n"+tt.head+"\r\nDepth: 0\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		if want := fmt.Sprintf("HTTP/1.1 %d ", tt.status); !strings.HasPrefix(response, want) {
			t.Errorf("%s: %s with %q = %.60q, want %d", tt.rule, tt.target, tt.head, response, tt.status)
		}
		s.Close()
	}
}

// RFC 1945 §7.2.2, RFC 9110 §15.5.12: a PUT of HTTP/1.0 without a length, also a chunked one, does
// not write an empty file.
func TestPutOfHTTP10(t *testing.T) {
	s := httptest.NewServer(New(memory.New(nil).Backend(), nil))
	defer s.Close()
	for _, tt := range []struct{ head, body, status, content string }{
		{"Content-Length: 3", "old", "201", "old"},
		{"Transfer-Encoding: chunked", "1\r\na\r\n0\r\n\r\n", "411", "old"},
		{"Transfer-Encoding: chunked\r\nX-Expected-Entity-Length: 0", "0\r\n\r\n", "411", "old"},
		{"X: y", "", "411", "old"},
		{"Content-Length: 0", "", "204", ""},
	} {
		if got := raw(t, s, "PUT /f HTTP/1.0\r\nHost: x\r\n"+tt.head+"\r\n\r\n"+tt.body); !strings.HasPrefix(got, "HTTP/1.0 "+tt.status+" ") {
			t.Errorf("PUT with %s = %.40q, want %s", tt.head, got, tt.status)
		}
		if got := raw(t, s, "GET /f HTTP/1.0\r\nHost: x\r\n\r\n"); !strings.HasSuffix(got, "\r\n\r\n"+tt.content) {
			t.Errorf("after PUT with %s: %q, want %q", tt.head, got, tt.content)
		}
	}
}
