package middleware

import "net/netip"

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
