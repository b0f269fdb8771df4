package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"dav207/server/davpath"
	"dav207/server/forwarded"
	"dav207/server/multistatus"
)

// origin is how the client of a request addresses this server. Behind a proxy host and path may
// differ from those of the request.
type origin struct {
	mapping davpath.Mapping // for hrefs, Destination and If
	host    string          // canonicalHost of the host that the client used
}

type originKey struct{}

// originOf returns the origin of a request. It uses the headers of a proxy only if the proxy is
// trusted.
func (h *Handler) originOf(r *http.Request) origin {
	o := origin{mapping: h.mapping, host: canonicalHost(r.Host)}
	if len(h.trusted) > 0 && forwarded.Trusted(r.RemoteAddr, h.trusted) {
		if host := forwarded.Host(r.Header); host != "" {
			o.host = canonicalHost(host)
		}
		if prefix := forwarded.Prefix(r.Header); prefix != "" {
			if m, err := davpath.NewMapping(unescaped(prefix) + "/" + h.mapping.Prefix().String()); err == nil {
				o.mapping = m
			}
		}
	}
	if h.public != nil {
		o.mapping, o.host = *h.public, h.hosts[0]
	}
	return o
}

func unescaped(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// hrefs returns the mapping for the hrefs of the request that ctx belongs to.
func (h *Handler) hrefs(ctx context.Context) davpath.Mapping {
	if o, ok := ctx.Value(originKey{}).(origin); ok {
		return o.mapping
	}
	return h.mapping
}

// isOwnHost reports whether clients know this server by a host.
func (h *Handler) isOwnHost(q *request, host string) bool {
	host = canonicalHost(host)
	return host == q.origin.host || host == canonicalHost(q.Host) || slices.Contains(h.hosts, host)
}

// canonicalHost returns the host in lower case without the default ports of HTTP and HTTPS, since
// the scheme is ignored.
func canonicalHost(host string) string {
	host = strings.ToLower(host)
	host = strings.TrimSuffix(host, ":80")
	return strings.TrimSuffix(host, ":443")
}

// checkTarget refuses invalid request-targets (RFC 9112 §3.2): 421 for a URL with http or https
// where this server has the other one (RFC 9110 §7.4); 400 for other schemes, a fragment or a user.
// It does not check the host, which net/http uses as the Host of the request.
func (h *Handler) checkTarget(r *http.Request) error {
	ours := "http"
	if r.TLS != nil {
		ours = "https"
	}
	u := r.URL
	switch {
	case strings.Contains(r.RequestURI, "#"), u.Opaque != "", u.User != nil, u.Scheme != "" && u.Host == "":
		return badRequest(errTarget)
	case u.Scheme == "" || u.Scheme == ours:
		return nil
	case u.Scheme != "http" && u.Scheme != "https":
		return badRequest(errTarget)
	case h.acceptsScheme(r):
		return nil
	}
	return &multistatus.Error{Status: http.StatusMisdirectedRequest, Err: errTarget,
		Description: "This is not the server of that scheme."}
}

// acceptsScheme reports whether a request-target may have another scheme than the connection.
// Either a public URL has that scheme and host, or a trusted proxy passes it on. If the proxy names
// the scheme, the two must be equal.
func (h *Handler) acceptsScheme(r *http.Request) bool {
	if slices.Contains(h.schemeHosts, schemeHost(r.URL)) {
		return true
	}
	if len(h.trusted) == 0 || !forwarded.Trusted(r.RemoteAddr, h.trusted) {
		return false
	}
	proto := forwarded.Proto(r.Header)
	return proto == "" || proto == r.URL.Scheme
}

// schemeHost returns the scheme and the canonical host of a URL.
func schemeHost(u *url.URL) string { return u.Scheme + "://" + canonicalHost(u.Host) }

var errTarget = errors.New("not a request-target of this server")

// destination parses the Destination header (§10.3): an absolute URL of this server, or an absolute
// path. It accepts any scheme of webScheme, since a proxy may have another one and some clients
// send their own.
func (h *Handler) destination(q *request) (davpath.Path, error) {
	values := q.Header.Values("Destination")
	if len(values) != 1 {
		return davpath.Path{}, statusError(http.StatusBadRequest, "There must be one Destination.")
	}
	p, err := h.parseURL(q, values[0])
	switch {
	case errors.Is(err, errForeign), errors.Is(err, davpath.ErrOutside):
		return p, &multistatus.Error{Status: http.StatusBadGateway, Err: err, // §9.8.5
			Description: "The Destination is not on this server."}
	case err != nil:
		return p, &multistatus.Error{Status: http.StatusBadRequest, Err: err,
			Description: "The Destination is not a URL that can name a resource."}
	}
	return p, nil
}

// errForeign reports that a URL belongs to another server.
var errForeign = errors.New("the host is not ours")

// parseURL parses the URL of a header, a Simple-ref of §8.3: an absolute URI or an absolute path.
// It does not limit the length: net/http does, and davpath.Path limits what may be created.
//
// One piece: the switch lists the forms of a URL that are refused or accepted.
func (h *Handler) parseURL(q *request, s string) (davpath.Path, error) {
	s = strings.TrimSpace(s)
	u, err := url.Parse(s)
	if err != nil {
		return davpath.Path{}, errors.Join(davpath.ErrMalformed, err)
	}
	switch {
	case u.Scheme != "" && !webScheme(u.Scheme):
		return davpath.Path{}, errForeign
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#"):
		return davpath.Path{}, davpath.ErrMalformed
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/"): // an absolute path
		return q.origin.mapping.Parse(u.EscapedPath())
	case u.Scheme == "" || u.Host == "" || u.Opaque != "":
		return davpath.Path{}, davpath.ErrMalformed
	case !h.isOwnHost(q, u.Host):
		return davpath.Path{}, errForeign
	}
	escaped := u.EscapedPath()
	if escaped == "" {
		escaped = "/"
	}
	direct := canonicalHost(q.Host)
	if host := canonicalHost(u.Host); host == direct && host != q.origin.host && !slices.Contains(h.hosts, host) {
		return h.mapping.Parse(escaped) // this client bypasses the proxy
	}
	return q.origin.mapping.Parse(escaped)
}

// webScheme reports whether a scheme is HTTP's or one that clients use for WebDAV over HTTP.
func webScheme(s string) bool {
	switch strings.ToLower(s) {
	case "http", "https", "webdav", "webdavs", "dav", "davs":
		return true
	}
	return false
}
