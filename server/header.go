package server

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"dav207/server/davpath"
	"dav207/server/forwarded"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// depth reads the Depth header (RFC 4918 §10.2); missing is what a request without one means.
func depth(h http.Header, missing tree.Depth) (tree.Depth, error) {
	switch values := h.Values("Depth"); len(values) {
	case 0:
		return missing, nil
	case 1:
		return parseDepth(values[0])
	}
	return 0, errDepth
}

var errDepth = plain(http.StatusBadRequest, "Depth must be 0, 1 or infinity.")

func parseDepth(s string) (tree.Depth, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "0":
		return tree.Zero, nil
	case "1":
		return tree.One, nil
	case "infinity":
		return tree.Infinity, nil
	}
	return 0, errDepth
}

// findDepth reads the Depth header of a PROPFIND. With "1,noroot" and "infinity,noroot", which drafts of RFC 2518 had and clients
// of Exchange send, the collection itself is left out.
func findDepth(h http.Header) (d tree.Depth, noroot bool, err error) {
	values := h.Values("Depth")
	if len(values) == 1 {
		before, after, _ := strings.Cut(values[0], ",")
		if noroot = strings.EqualFold(strings.TrimSpace(after), "noroot"); noroot {
			if d, err = parseDepth(before); d == tree.Zero {
				err = errDepth
			}
			return d, noroot, err
		}
	}
	d, err = depth(h, tree.Infinity)
	return d, false, err
}

// overwrite reads the Overwrite header (§10.6); a missing one means T, for MOVE, too.
func overwrite(h http.Header) (bool, error) {
	switch values := h.Values("Overwrite"); {
	case len(values) == 0:
		return true, nil
	case len(values) == 1 && strings.EqualFold(values[0], "T"):
		return true, nil
	case len(values) == 1 && strings.EqualFold(values[0], "F"):
		return false, nil
	}
	return false, plain(http.StatusBadRequest, "Overwrite must be T or F.")
}

// destination reads the Destination header (§10.3): an absolute URL of this server, or an absolute path. Which scheme of
// HTTP's it has does not matter: behind a proxy it is the proxy's, and some clients write their own.
func (h *Handler) destination(q *request) (davpath.Path, error) {
	values := q.Header.Values("Destination")
	if len(values) != 1 {
		return davpath.Path{}, plain(http.StatusBadRequest, "There must be one Destination.")
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

// errForeign says that a URL is another server's.
var errForeign = errors.New("the host is not ours")

// parseURL turns the URL of a header into a path: a Simple-ref of §8.3, an absolute URI or an absolute path.
// It bounds no length but leaves that to net/http, as for the Request-URI: a name that is there, with the prefix and
// three bytes for each one that is escaped, may be long, and what may be created is bounded by davpath.Path.
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
	case !h.ours(q, u.Host):
		return davpath.Path{}, errForeign
	}
	escaped := u.EscapedPath()
	if escaped == "" {
		escaped = "/"
	}
	direct := canonicalHost(q.Host)
	if host := canonicalHost(u.Host); host == direct && host != q.origin.host && !slices.Contains(h.hosts, host) {
		return h.mapping.Parse(escaped) // a client that does not come by the proxy
	}
	return q.origin.mapping.Parse(escaped)
}

// webScheme reports whether a scheme is one of HTTP's, or one that a client has for WebDAV over it.
func webScheme(s string) bool {
	switch strings.ToLower(s) {
	case "http", "https", "webdav", "webdavs", "dav", "davs":
		return true
	}
	return false
}

// ours reports whether a host is one under which clients know this server.
func (h *Handler) ours(q *request, host string) bool {
	host = canonicalHost(host)
	return host == q.origin.host || host == canonicalHost(q.Host) || slices.Contains(h.hosts, host)
}

// canonicalHost makes the spellings of a host comparable. The ports of HTTP go, since the scheme is not looked at.
func canonicalHost(host string) string {
	host = strings.ToLower(host)
	host = strings.TrimSuffix(host, ":80")
	return strings.TrimSuffix(host, ":443")
}

// checkTarget refuses a request-target (RFC 9112 §3.2) that is for another server or is none: 421 for
// a URL of the other one of http and https (RFC 9110 §7.4), 400 for any other scheme and for what
// only a client needs, a fragment or a user. Which host an absolute URL may have is not asked here:
// net/http makes it the Host of the request.
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
	case h.asksAs(r):
		return nil
	}
	return &multistatus.Error{Status: http.StatusMisdirectedRequest, Err: errTarget,
		Description: "This is not the server of that scheme."}
}

// asksAs reports whether clients know this server by the scheme of an absolute request-target that is
// not the connection's: one of the public URLs has it with that host, or a trusted proxy passes it
// on. A proxy that says by which scheme it was asked must say that one.
func (h *Handler) asksAs(r *http.Request) bool {
	if slices.Contains(h.sites, site(r.URL)) {
		return true
	}
	if len(h.trusted) == 0 || !forwarded.Trusted(r.RemoteAddr, h.trusted) {
		return false
	}
	proto := forwarded.Proto(r.Header)
	return proto == "" || proto == r.URL.Scheme
}

// site returns the scheme and the host of a URL, canonical.
func site(u *url.URL) string { return u.Scheme + "://" + canonicalHost(u.Host) }

var errTarget = errors.New("not a request-target of this server")
