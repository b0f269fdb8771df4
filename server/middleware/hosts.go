package middleware

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"dav207/server/forwarded"
)

// HostsOptions say under which hosts a server is asked. Ports do not count.
type HostsOptions struct {
	// Names are the names and addresses of the server. Those of the loopback interface always are.
	Names []string
	// Addresses accepts every IP address besides: a page cannot make a browser take an address for a
	// name of its own.
	Addresses bool
	// TrustedProxies are the addresses of proxies whose Forwarded and X-Forwarded-Host say under which
	// host the server was asked.
	TrustedProxies []netip.Prefix
}

// Hosts answers 421 (RFC 9110 §15.5.20) to a request whose Host is none of the server's, before
// anything else is looked at. Without it, a web page can reach a server that asks for no password,
// with all methods: its name is made to lead to the server's address after the page was loaded (DNS
// rebinding), and then the browser takes both for one site. Where users log in nothing of that kind
// can happen. A request without a Host, which only HTTP/1.0 has, is not from a browser and passes.
func Hosts(opts HostsOptions) func(http.Handler) http.Handler {
	names := map[string]bool{}
	for _, n := range opts.Names {
		names[hostOnly(n)] = true
	}
	own := func(r *http.Request) bool {
		if len(opts.TrustedProxies) > 0 && forwarded.Trusted(r.RemoteAddr, opts.TrustedProxies) && forwarded.Host(r.Header) != "" {
			return true
		}
		host := hostOnly(r.Host)
		if addr, err := netip.ParseAddr(host); err == nil {
			return opts.Addresses || addr.Unmap().IsLoopback() || names[host]
		}
		return r.Host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || names[host]
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if own(r) {
				next.ServeHTTP(w, r)
				return
			}
			refuse(w, r, http.StatusMisdirectedRequest,
				"The Host is not a name of this server: dav207 serve --public-url says under which others it is known.")
		})
	}
}

// hostOnly returns a host without its port, brackets and final dot, in lower case.
func hostOnly(s string) string {
	if h, _, err := net.SplitHostPort(s); err == nil {
		s = h
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	return strings.ToLower(strings.TrimSuffix(s, "."))
}
