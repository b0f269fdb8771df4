package server

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"dav207/server/resource"
)

// origin is how the client of a request knows this server: the hosts that are ours in Destination and If, and the path
// under which the tree appears in hrefs. Behind a proxy both can differ from what the request says.
type origin struct {
	mapping resource.Mapping
	host    string // as the client wrote it, canonical
}

type originKey struct{}

// originOf finds out how the client knows this server. What a proxy says of that counts only if it is trusted.
func (h *Handler) originOf(r *http.Request) origin {
	o := origin{mapping: h.mapping, host: canonicalHost(r.Host)}
	if len(h.trusted) > 0 && h.fromProxy(r.RemoteAddr) {
		if host := forwardedHost(r.Header); host != "" {
			o.host = canonicalHost(host)
		}
		if prefix := firstOf(r.Header.Get("X-Forwarded-Prefix")); prefix != "" {
			if m, err := resource.NewMapping(unescaped(prefix) + "/" + h.mapping.Prefix().String()); err == nil {
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

// fromProxy reports whether an address is one of those of Options.TrustedProxies.
func (h *Handler) fromProxy(remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	addr := at.Addr().Unmap().WithZone("")
	for _, p := range h.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// forwardedHost returns the host that the first proxy saw: Forwarded (RFC 7239 §5.3), or what came before it.
func forwardedHost(head http.Header) string {
	if forwarded := firstOf(head.Get("Forwarded")); forwarded != "" {
		for _, pair := range strings.Split(forwarded, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.EqualFold(name, "host") {
				return strings.Trim(value, `"`)
			}
		}
	}
	return firstOf(head.Get("X-Forwarded-Host"))
}

// firstOf returns the first of a list: the one that the proxy nearest to the client added.
func firstOf(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}

// hrefs returns the mapping that makes the hrefs of the request with this context.
func (h *Handler) hrefs(ctx context.Context) resource.Mapping {
	if o, ok := ctx.Value(originKey{}).(origin); ok {
		return o.mapping
	}
	return h.mapping
}
