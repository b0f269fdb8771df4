package middleware

import (
	"net/http"
	"net/netip"
	"strings"
)

// clientAddr returns the address that a request came from: that of the connection, or what a trusted proxy says of it. Of what
// X-Forwarded-For lists the last that is not a trusted proxy counts, since the client can write what it likes before it.
func clientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := at.Addr().Unmap().WithZone("")
	list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(list) - 1; i >= 0 && within(addr, trusted); i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(list[i]))
		if err != nil {
			break
		}
		addr = before.Unmap().WithZone("")
	}
	return addr
}

func within(addr netip.Addr, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// oneClient returns what is taken for one client: an address, or with IPv6 the network that one is given.
func oneClient(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address, such as that of a Unix socket
	}
	return p
}
