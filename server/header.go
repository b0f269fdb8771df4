package server

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"dav207/server/davpath"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// depth parses the Depth header (RFC 4918 §10.2). It returns missing if there is none.
func depth(h http.Header, missing tree.Depth) (tree.Depth, error) {
	switch values := h.Values("Depth"); len(values) {
	case 0:
		return missing, nil
	case 1:
		return parseDepth(values[0])
	}
	return 0, errDepth
}

var errDepth = statusError(http.StatusBadRequest, "Depth must be 0, 1 or infinity.")

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

// propfindDepth parses the Depth header of a PROPFIND. noroot is true for "1,noroot" and
// "infinity,noroot", which leave out the collection itself. Drafts of RFC 2518 had these values and
// clients of Exchange send them.
func propfindDepth(h http.Header) (d tree.Depth, noroot bool, err error) {
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

// overwrite parses the Overwrite header (§10.6). Without one it returns true, also for MOVE.
func overwrite(h http.Header) (bool, error) {
	switch values := h.Values("Overwrite"); {
	case len(values) == 0:
		return true, nil
	case len(values) == 1 && strings.EqualFold(values[0], "T"):
		return true, nil
	case len(values) == 1 && strings.EqualFold(values[0], "F"):
		return false, nil
	}
	return false, statusError(http.StatusBadRequest, "Overwrite must be T or F.")
}

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
