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
