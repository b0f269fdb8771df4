// Package forwarded reads the header fields that proxies add to a request. A client can forge them:
// use them only for connections from trusted proxies.
package forwarded

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Any reports whether the request has a header field that proxies add. A request through a proxy
// may have none.
func Any(head http.Header) bool {
	for name := range head {
		if name == "Via" || name == "Forwarded" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}

// Trusted reports whether remote, an address with a port as in http.Request.RemoteAddr, is that of
// a trusted proxy.
func Trusted(remote string, trusted []netip.Prefix) bool {
	at, err := netip.ParseAddrPort(remote)
	return err == nil && contained(normalize(at.Addr()), trusted)
}

// Host returns the host that the client requested, from Forwarded (RFC 7239 §5.3) or
// X-Forwarded-Host; "" where neither has one.
func Host(head http.Header) string { return lookup(head, "host", "X-Forwarded-Host") }

// Proto returns the scheme by which the first proxy was asked, in lower case, from Forwarded
// (RFC 7239 §5.4) or X-Forwarded-Proto; "" where neither has one.
func Proto(head http.Header) string {
	return strings.ToLower(lookup(head, "proto", "X-Forwarded-Proto"))
}

// lookup returns what the first proxy says in a parameter of Forwarded or, without that, in the
// other header field.
func lookup(head http.Header, parameter, other string) string {
	for pair := range strings.SplitSeq(first(head.Get("Forwarded")), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, parameter) {
			return strings.Trim(value, `"`)
		}
	}
	return first(head.Get(other))
}

// Prefix returns the path prefix that a proxy removed, from X-Forwarded-Prefix, or "".
func Prefix(head http.Header) string { return first(head.Get("X-Forwarded-Prefix")) }

// Client returns the address of the client: that of the connection or, if that is a trusted proxy,
// the last address in X-Forwarded-For that is not. The client can forge the addresses before it. If
// RemoteAddr is no IP address, as with a Unix socket, the result is not valid.
func Client(r *http.Request, trusted []netip.Prefix) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := normalize(at.Addr())
	list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(list) - 1; i >= 0 && contained(addr, trusted); i-- {
		before := strings.TrimSpace(list[i])
		last, err := netip.ParseAddr(before)
		if port, withPort := netip.ParseAddrPort(before); withPort == nil { // as some proxies write it
			last, err = port.Addr(), nil
		}
		if err != nil {
			break
		}
		addr = normalize(last)
	}
	return addr
}

// first returns the first element of a list, which the proxy nearest to the client added.
func first(list string) string {
	value, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(value)
}

// normalize returns a without its IPv6 zone, and an IPv4-mapped IPv6 address as IPv4.
func normalize(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func contained(addr netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(addr) })
}
