// Package forwarded reads what proxies say of a request in header fields. Any client can send these
// fields: they count only from the addresses of proxies that are trusted.
package forwarded

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Any reports whether a request has a header field of a proxy. It may have come through one without.
func Any(head http.Header) bool {
	for name := range head {
		if name == "Via" || name == "Forwarded" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}

// Trusted reports whether the address of a connection is that of a trusted proxy.
func Trusted(remote string, trusted []netip.Prefix) bool {
	at, err := netip.ParseAddrPort(remote)
	return err == nil && within(plainAddr(at.Addr()), trusted)
}

// Host returns the host that the first proxy saw, from Forwarded (RFC 7239 §5.3) or
// X-Forwarded-Host; "" where neither has one.
func Host(head http.Header) string { return said(head, "host", "X-Forwarded-Host") }

// Proto returns the scheme by which the first proxy was asked, in lower case, from Forwarded
// (RFC 7239 §5.4) or X-Forwarded-Proto; "" where neither has one.
func Proto(head http.Header) string { return strings.ToLower(said(head, "proto", "X-Forwarded-Proto")) }

// said returns what the first proxy says in a parameter of Forwarded or, without that, in the other
// header field.
func said(head http.Header, parameter, other string) string {
	for pair := range strings.SplitSeq(first(head.Get("Forwarded")), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, parameter) {
			return strings.Trim(value, `"`)
		}
	}
	return first(head.Get(other))
}

// Prefix returns the part of the path that the first proxy takes away, as X-Forwarded-Prefix has it.
func Prefix(head http.Header) string { return first(head.Get("X-Forwarded-Prefix")) }

// Client returns the address that a request came from: that of the connection, or what a trusted
// proxy says of it. Of what X-Forwarded-For lists the last that is not a trusted proxy counts, since
// the client can write what it likes before it.
func Client(r *http.Request, trusted []netip.Prefix) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := plainAddr(at.Addr())
	list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(list) - 1; i >= 0 && within(addr, trusted); i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(list[i]))
		if err != nil {
			break
		}
		addr = plainAddr(before)
	}
	return addr
}

// first returns the first of a list: the one that the proxy nearest to the client added.
func first(list string) string {
	value, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(value)
}

func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func within(addr netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(addr) })
}
