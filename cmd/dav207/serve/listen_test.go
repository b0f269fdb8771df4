package serve

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// For an unspecified address the URLs printed are those that other machines can use.
func TestAddressesForOthers(t *testing.T) {
	cidr := func(s string) net.Addr {
		ip, n, err := net.ParseCIDR(s)
		if err != nil {
			t.Fatal(err)
		}
		return &net.IPNet{IP: ip, Mask: n.Mask}
	}
	for _, tt := range []struct {
		addrs string
		ipv6  bool
		want  string
	}{
		{"127.0.0.1/8 ::1/128", true, "127.0.0.1"},
		{"127.0.0.1/8 192.0.2.7/24 192.0.2.8/24", true, "192.0.2.7 192.0.2.8"},
		{"fe80::1/64 2001:db8::1/64 192.0.2.7/24", true, "192.0.2.7 2001:db8::1"},
		{"fe80::1/64 2001:db8::1/64 fd00::2/64", true, "2001:db8::1 fd00::2"},
		{"2001:db8::1/64 192.0.2.7/24", false, "192.0.2.7"}, // a socket of IPv4
		{"2001:db8::1/64", false, "127.0.0.1"},
		{"169.254.0.1/16", true, "127.0.0.1"},
	} {
		var addrs []net.Addr
		for s := range strings.FieldsSeq(tt.addrs) {
			addrs = append(addrs, cidr(s))
		}
		if got := strings.Join(addressesForOthers(addrs, tt.ipv6), " "); got != tt.want {
			t.Errorf("of %v they are %s, want %s", tt.addrs, got, tt.want)
		}
	}
}

// Each address has a line, but of very many only some have.
func TestAlsoAt(t *testing.T) {
	for n, want := range map[int]string{
		1:  "",
		3:  "  also at     u1\n  also at     u2\n",
		20: "  also at     u1\n  also at     u2\n  also at     u3\n  also at     u4\n  also at     u5\n  also at     u6\n  also at     u7\n  also at     12 more addresses of this machine\n",
	} {
		var urls []string
		for i := range n {
			urls = append(urls, fmt.Sprintf("u%d", i))
		}
		if got := alsoAt(urls); got != want {
			t.Errorf("%d URLs: %q, want %q", n, got, want)
		}
	}
}
