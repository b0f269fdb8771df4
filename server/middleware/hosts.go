package middleware

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"dav207/server/forwarded"
)

// HostsOptions are the hosts that OwnHosts accepts, without ports.
type HostsOptions struct {
	// Names are the names and addresses of the server. localhost and loopback addresses are always
	// accepted.
	Names []string
	// Addresses accepts every IP address: DNS rebinding needs a name.
	Addresses bool
	// TrustedProxies are the addresses of proxies whose requests are accepted if they have
	// Forwarded or X-Forwarded-Host.
	TrustedProxies []netip.Prefix
}

// OwnHosts returns a function that reports whether the Host of a request is one of the server's.
// It protects what needs no password from DNS rebinding: a web page whose name later resolves to
// the address of this server could use all methods, because the browser takes both for one site. A
// request of HTTP/1.0 without Host is accepted: it is not from a browser.
func OwnHosts(opts HostsOptions) func(*http.Request) bool {
	names := map[string]bool{}
	for _, n := range opts.Names {
		names[hostOnly(n)] = true
	}
	return func(r *http.Request) bool {
		if len(opts.TrustedProxies) > 0 && forwarded.Trusted(r.RemoteAddr, opts.TrustedProxies) && forwarded.Host(r.Header) != "" {
			return true
		}
		host := hostOnly(r.Host)
		if addr, err := netip.ParseAddr(host); err == nil {
			return opts.Addresses || addr.Unmap().IsLoopback() || names[host]
		}
		return r.Host == "" && !r.ProtoAtLeast(1, 1) || host == "localhost" || strings.HasSuffix(host, ".localhost") || names[host]
	}
}

// Hosts answers 421 (RFC 9110 §15.5.20) to a request for a host that is not one of OwnHosts. A
// server where everybody logs in does not need it.
func Hosts(opts HostsOptions) func(http.Handler) http.Handler {
	isOwnHost := OwnHosts(opts)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isOwnHost(r) {
				next.ServeHTTP(w, r)
				return
			}
			refuse(w, r, http.StatusMisdirectedRequest,
				"The Host is not a name of this server: dav207 serve --public-url says under which others it is known.")
		})
	}
}

// hostOnly returns the host in lower case, without port, brackets and final dot.
func hostOnly(s string) string {
	if h, _, err := net.SplitHostPort(s); err == nil {
		s = h
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	return strings.ToLower(strings.TrimSuffix(s, "."))
}
