package serve

import (
	"net/netip"
	"testing"
)

// The values of the two flags read as they were given, an address as the network that it is.
func TestProxyFlags(t *testing.T) {
	var public publicURLs
	var trusted proxies
	for _, s := range []string{"https://h/a", "http://[2001:db8::1]:8080/a/"} {
		if err := public.Set(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"192.0.2.1", "192.0.2.77/24", "::1"} {
		if err := trusted.Set(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	if got, want := public.String(), "https://h/a http://[2001:db8::1]:8080/a/"; got != want {
		t.Errorf("public URLs = %s, want %s", got, want)
	}
	if got, want := trusted.String(), "192.0.2.1/32 192.0.2.0/24 ::1/128"; got != want {
		t.Errorf("proxies = %s, want %s", got, want)
	}
	if at := netip.MustParseAddr("192.0.2.200"); !trusted[1].Contains(at) {
		t.Errorf("%v does not hold %v", trusted[1], at)
	}
	if got, want := public.base("x"), "https://h/a/"; got != want {
		t.Errorf("base = %s, want %s", got, want)
	}
	if got, want := publicURLs(nil).base("http://127.0.0.1:8080/"), "http://127.0.0.1:8080/"; got != want {
		t.Errorf("base without a public URL = %s, want %s", got, want)
	}
}
