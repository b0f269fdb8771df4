// Package origin knows by which URLs clients address the server, directly or through proxies.
package origin

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"dav207/server/davpath"
	"dav207/server/forwarded"
)

// Server is what is configured about the URLs of this server. It must not be changed.
type Server struct {
	mapping     davpath.Mapping
	hosts       []string         // of the public URLs
	schemeHosts []string         // of the public URLs, with the scheme
	public      *davpath.Mapping // of the first public URL; nil if there is none
	trusted     []netip.Prefix   // proxies whose header fields are used
}

// New returns the Server for a tree at the prefix of mapping. publicURLs and trusted are
// PublicURLs and TrustedProxies of server.Options.
func New(mapping davpath.Mapping, publicURLs []*url.URL, trusted []netip.Prefix) (*Server, error) {
	s := &Server{mapping: mapping, trusted: slices.Clone(trusted)}
	for _, u := range publicURLs {
		s.hosts = append(s.hosts, canonicalHost(u.Host))
		s.schemeHosts = append(s.schemeHosts, schemeHost(u))
	}
	if len(publicURLs) > 0 {
		public, err := davpath.NewMapping(publicURLs[0].Path)
		if err != nil {
			return nil, fmt.Errorf("public URL %q: %w", publicURLs[0], err)
		}
		s.public = &public
	}
	return s, nil
}

// Origin is how the client of a request addresses this server. Behind a proxy host and path may
// differ from those of the request.
type Origin struct {
	Mapping davpath.Mapping // for hrefs, Destination and If
	server  *Server
	host    string // canonicalHost of the host that the client used
	direct  string // canonicalHost of the request's host
}

// Of returns the origin of a request. It uses the headers of a proxy only if the proxy is trusted.
func (s *Server) Of(r *http.Request) Origin {
	direct := canonicalHost(r.Host)
	o := Origin{Mapping: s.mapping, server: s, host: direct, direct: direct}
	if len(s.trusted) > 0 && forwarded.Trusted(r.RemoteAddr, s.trusted) {
		if host := forwarded.Host(r.Header); host != "" {
			o.host = canonicalHost(host)
		}
		if prefix := forwarded.Prefix(r.Header); prefix != "" {
			if m, err := davpath.NewMapping(unescaped(prefix) + "/" + s.mapping.Prefix().String()); err == nil {
				o.Mapping = m
			}
		}
	}
	if s.public != nil {
		o.Mapping, o.host = *s.public, s.hosts[0]
	}
	return o
}

func unescaped(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// isOwnHost reports whether clients know this server by a host.
func (o Origin) isOwnHost(host string) bool {
	host = canonicalHost(host)
	return host == o.host || host == o.direct || slices.Contains(o.server.hosts, host)
}

// canonicalHost returns the host in lower case without the default ports of HTTP and HTTPS, since
// the scheme is ignored.
func canonicalHost(host string) string {
	host = strings.ToLower(host)
	host = strings.TrimSuffix(host, ":80")
	return strings.TrimSuffix(host, ":443")
}

// CheckTarget checks a request-target (RFC 9112 §3.2). It returns ErrScheme for a URL with http or
// https where this server has the other one (RFC 9110 §7.4), ErrTarget for another scheme, a
// fragment or a user. It does not check the host, which net/http uses as the Host of the request.
func (s *Server) CheckTarget(r *http.Request) error {
	ours := "http"
	if r.TLS != nil {
		ours = "https"
	}
	u := r.URL
	switch {
	case strings.Contains(r.RequestURI, "#"), u.Opaque != "", u.User != nil, u.Scheme != "" && u.Host == "":
		return ErrTarget
	case u.Scheme == "" || u.Scheme == ours:
		return nil
	case u.Scheme != "http" && u.Scheme != "https":
		return ErrTarget
	case s.acceptsScheme(r):
		return nil
	}
	return ErrScheme
}

// acceptsScheme reports whether a request-target may have another scheme than the connection.
// Either a public URL has that scheme and host, or a trusted proxy passes it on. If the proxy names
// the scheme, the two must be equal.
func (s *Server) acceptsScheme(r *http.Request) bool {
	if slices.Contains(s.schemeHosts, schemeHost(r.URL)) {
		return true
	}
	if len(s.trusted) == 0 || !forwarded.Trusted(r.RemoteAddr, s.trusted) {
		return false
	}
	proto := forwarded.Proto(r.Header)
	return proto == "" || proto == r.URL.Scheme
}

// schemeHost returns the scheme and the canonical host of a URL.
func schemeHost(u *url.URL) string { return u.Scheme + "://" + canonicalHost(u.Host) }

// The errors of CheckTarget.
var (
	ErrTarget = errors.New("not a request-target of this server")
	ErrScheme = errors.New("not a request-target of this server: another scheme")
)

// ErrForeign reports that a URL belongs to another server.
var ErrForeign = errors.New("the host is not ours")

// ParseURL parses the URL of a header, a Simple-ref of §8.3: an absolute URI or an absolute path.
// It does not limit the length: net/http does, and davpath.Path limits what may be created.
//
// One piece: the switch lists the forms of a URL that are refused or accepted.
func (o Origin) ParseURL(s string) (davpath.Path, error) {
	s = strings.TrimSpace(s)
	u, err := url.Parse(s)
	if err != nil {
		return davpath.Path{}, errors.Join(davpath.ErrMalformed, err)
	}
	switch {
	case u.Scheme != "" && !webScheme(u.Scheme):
		return davpath.Path{}, ErrForeign
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#"):
		return davpath.Path{}, davpath.ErrMalformed
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/"): // an absolute path
		return o.Mapping.Parse(u.EscapedPath())
	case u.Scheme == "" || u.Host == "" || u.Opaque != "":
		return davpath.Path{}, davpath.ErrMalformed
	case !o.isOwnHost(u.Host):
		return davpath.Path{}, ErrForeign
	}
	escaped := u.EscapedPath()
	if escaped == "" {
		escaped = "/"
	}
	if host := canonicalHost(u.Host); host == o.direct && host != o.host && !slices.Contains(o.server.hosts, host) {
		return o.server.mapping.Parse(escaped) // this client bypasses the proxy
	}
	return o.Mapping.Parse(escaped)
}

// webScheme reports whether a scheme is HTTP's or one that clients use for WebDAV over HTTP.
func webScheme(s string) bool {
	switch strings.ToLower(s) {
	case "http", "https", "webdav", "webdavs", "dav", "davs":
		return true
	}
	return false
}
