package origin

import (
	"errors"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"

	"dav207/server/davpath"
)

func newServer(t *testing.T, publicURL string) *Server {
	t.Helper()
	mapping, err := davpath.NewMapping("/dav")
	if err != nil {
		t.Fatal(err)
	}
	var public []*url.URL
	if publicURL != "" {
		u, err := url.Parse(publicURL)
		if err != nil {
			t.Fatal(err)
		}
		public = append(public, u)
	}
	s, err := New(mapping, public, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}) // httptest's address
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// RFC 4918 §8.3, §10.3: a URL in a header field names a resource of this server, or is refused.
func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		rule, public, forwarded, url string
		want                         string // the path
		err                          error
	}{
		{"an absolute path", "", "", "/dav/a%20b", "/a b", nil},
		{"the host of the request", "", "", "http://h/dav/a", "/a", nil},
		{"its default port", "", "", "https://H:443/dav/a", "/a", nil},
		{"another host", "", "", "http://other/dav/a", "", ErrForeign},
		{"another scheme", "", "", "ftp://h/dav/a", "", ErrForeign},
		{"outside", "", "", "/other", "", davpath.ErrOutside},
		{"relative", "", "", "a", "", davpath.ErrMalformed},
		{"a query", "", "", "/dav/a?b", "", davpath.ErrMalformed},
		{"a trusted proxy", "", "files.example", "https://files.example/dav/a", "/a", nil},
		{"a public URL", "https://files.example/x", "", "https://files.example/x/a", "/a", nil},
		{"a client that bypasses the proxy", "https://files.example/x", "", "http://h/dav/a", "/a", nil},
	} {
		r := httptest.NewRequest("COPY", "/dav/x", nil)
		r.Host = "h"
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-Host", tt.forwarded)
		}
		p, err := newServer(t, tt.public).Of(r).ParseURL(tt.url)
		if !errors.Is(err, tt.err) || err == nil && p.String() != tt.want {
			t.Errorf("%s: %s is %q, %v, want %q, %v", tt.rule, tt.url, p, err, tt.want, tt.err)
		}
	}
}

func TestCheckTarget(t *testing.T) {
	for target, want := range map[string]error{
		"/dav/a":         nil,
		"http://h/a":     nil,
		"https://h/a":    nil, // from a trusted proxy
		"ftp://h/a":      ErrTarget,
		"http://u@h/a":   ErrTarget,
		"http://h/a#top": ErrTarget,
	} {
		if err := newServer(t, "").CheckTarget(httptest.NewRequest("GET", target, nil)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", target, err, want)
		}
	}
	r := httptest.NewRequest("GET", "https://h/a", nil)
	r.TLS, r.RemoteAddr = nil, "203.0.113.1:1"
	if err := newServer(t, "").CheckTarget(r); !errors.Is(err, ErrScheme) {
		t.Errorf("https where the connection has http: %v, want %v", err, ErrScheme)
	}
	if err := newServer(t, "https://h/").CheckTarget(r); err != nil {
		t.Errorf("https with a public URL: %v", err)
	}
}
