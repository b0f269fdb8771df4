package server

import (
	"context"
	"net/http"
	"net/url"

	"dav207/server/davpath"
	"dav207/server/forwarded"
)

// origin is how the client of a request knows this server: the hosts that are ours in Destination and If, and the path
// under which the tree appears in hrefs. Behind a proxy both can differ from what the request says.
type origin struct {
	mapping davpath.Mapping
	host    string // as the client wrote it, canonical
}

type originKey struct{}

// originOf finds out how the client knows this server. What a proxy says of that counts only if it is trusted.
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

// hrefs returns the mapping that makes the hrefs of the request with this context.
func (h *Handler) hrefs(ctx context.Context) davpath.Mapping {
	if o, ok := ctx.Value(originKey{}).(origin); ok {
		return o.mapping
	}
	return h.mapping
}
