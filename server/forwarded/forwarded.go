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
	if elements := parse(head.Values("Forwarded")); len(elements) > 0 {
		if value, ok := elements[0][parameter]; ok { // only the first proxy knows what the client asked for
			return value
		}
	}
	return first(head.Get(other))
}

// parse returns the elements of Forwarded (RFC 7239 §4): one for each proxy, that nearest to the
// client first. The names of parameters are in lower case, the values are unquoted. Of a line that
// is malformed it returns the elements before the mistake, and an empty one for it: what a client
// sends does not spoil the line that a proxy adds.
func parse(lines []string) (elements []map[string]string) {
	for _, line := range lines {
		elements = parseLine(elements, line)
	}
	return elements
}

func parseLine(elements []map[string]string, s string) []map[string]string {
	for s != "" {
		element := map[string]string{}
		for more := true; more; {
			var name, value string
			var ok bool
			if name, value, s, ok = parsePair(s); !ok {
				return append(elements, map[string]string{})
			}
			if _, again := element[name]; name != "" && !again {
				element[name] = value
			}
			more = strings.HasPrefix(s, ";")
			s = strings.TrimPrefix(s, ";")
		}
		s = strings.TrimPrefix(s, ",")
		if len(element) > 0 { // RFC 9110 §5.6.1.2: empty elements of a list do not count
			elements = append(elements, element)
		}
	}
	return elements
}

// parsePair parses a forwarded-pair up to the separator after it, which begins rest. An empty pair
// is one, too.
func parsePair(s string) (name, value, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	at := strings.IndexAny(s, "=;,")
	if at < 0 || s[at] != '=' {
		name, rest = s, ""
		if at >= 0 {
			name, rest = s[:at], s[at:]
		}
		return "", "", rest, strings.TrimSpace(name) == ""
	}
	name, s = strings.ToLower(strings.TrimSpace(s[:at])), strings.TrimLeft(s[at+1:], " \t")
	if value, rest, ok = parseValue(s); !ok {
		return "", "", "", false
	}
	rest = strings.TrimLeft(rest, " \t")
	return name, value, rest, rest == "" || rest[0] == ';' || rest[0] == ','
}

// parseValue parses a token or a quoted-string (RFC 9110 §5.6.4).
func parseValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ";, \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], !strings.Contains(s[:end], `"`)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// Prefix returns the path prefix that a proxy removed, from X-Forwarded-Prefix, or "".
func Prefix(head http.Header) string { return first(head.Get("X-Forwarded-Prefix")) }

// Client returns the address of the client: that of the connection or, if that is a trusted proxy,
// the last address that the proxies name and that is not one of theirs. The client can forge the
// addresses before it. The proxies name them in X-Forwarded-For or, without that, in Forwarded
// (RFC 7239 §5.2). If RemoteAddr is no IP address, as with a Unix socket, the result is not valid.
func Client(r *http.Request, trusted []netip.Prefix) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := normalize(at.Addr())
	if !contained(addr, trusted) {
		return addr
	}
	list := clients(r.Header)
	for i := len(list) - 1; i >= 0 && contained(addr, trusted); i-- {
		before, ok := parseNode(list[i])
		if !ok {
			break
		}
		addr = before
	}
	return addr
}

// clients returns whom each proxy had as its client, that nearest to the client first.
func clients(head http.Header) (list []string) {
	if values := head.Values("X-Forwarded-For"); len(values) > 0 {
		return strings.Split(strings.Join(values, ","), ",")
	}
	for _, element := range parse(head.Values("Forwarded")) {
		list = append(list, element["for"])
	}
	return list
}

// parseNode parses an address, which may have a port: some proxies add one to X-Forwarded-For, too.
// An IPv6 address may have brackets, as RFC 7239 §6 has them.
func parseNode(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if host, port, found := strings.Cut(s, ":_"); found && port != "" {
		s = host // an obfuscated port (RFC 7239 §6)
	}
	if at, err := netip.ParseAddrPort(s); err == nil {
		return normalize(at.Addr()), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		s = strings.TrimSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(s)
	return normalize(addr), err == nil
}

// Remote returns Client as a log has it: the address, or RemoteAddr if that is no IP address.
func Remote(r *http.Request, trusted []netip.Prefix) string {
	if addr := Client(r, trusted); addr.IsValid() {
		return addr.String()
	}
	return r.RemoteAddr
}

// Network returns the network that counts as one client: the address, with IPv6 its /64. It returns
// the zero Prefix if addr is not valid, as with a Unix socket.
func Network(addr netip.Addr) netip.Prefix {
	addr = normalize(addr)
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
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
