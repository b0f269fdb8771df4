package middleware

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// RFC 9110 §15.5.20: 421 for a host that is not this server's, with any method.
func TestHosts(t *testing.T) {
	opts := HostsOptions{Names: []string{"192.0.2.7", "Dav.example.com"}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}
	open := opts
	open.Addresses = true
	for _, tt := range []struct {
		rule   string
		opts   HostsOptions
		host   string
		remote string
		header [2]string
		served bool
	}{
		{"loopback", opts, "127.0.0.1:8080", "", [2]string{}, true},
		{"all of its addresses", opts, "127.1.2.3", "", [2]string{}, true},
		{"of IPv6", opts, "[::1]:8080", "", [2]string{}, true},
		{"mapped", opts, "[::ffff:127.0.0.1]:8080", "", [2]string{}, true},
		{"by name, in any case", opts, "LocalHost:8080", "", [2]string{}, true},
		{"with the final dot of DNS", opts, "localhost.", "", [2]string{}, true},
		{"a name below it (RFC 6761 §6.3)", opts, "dav.localhost:1", "", [2]string{}, true},
		{"a name that was given", opts, "dav.example.com:8443", "", [2]string{}, true},
		{"an address that was given", opts, "192.0.2.7:8080", "", [2]string{}, true},
		{"HTTP/1.0 without a Host", opts, "HTTP/1.0", "", [2]string{}, true},
		{"HTTP/1.1 with an empty Host (RFC 9112 §3.2)", opts, "", "", [2]string{}, false},
		{"a name of somebody else", opts, "evil.example:8080", "", [2]string{}, false},
		{"below a name that was given", opts, "x.dav.example.com", "", [2]string{}, false},
		{"one that only begins like an address", opts, "127.0.0.1.evil.example", "", [2]string{}, false},
		{"one that only ends like loopback", opts, "evillocalhost", "", [2]string{}, false},
		{"another address", opts, "192.0.2.8:8080", "", [2]string{}, false},
		{"another address where all are its own", open, "192.0.2.8:8080", "", [2]string{}, true},
		{"another name there", open, "evil.example", "", [2]string{}, false},
		{"what is no host", opts, "a:b:c", "", [2]string{}, false},
		{"the field of a trusted proxy", opts, "inner", "192.0.2.1:1", [2]string{"X-Forwarded-Host", "www.example.com"}, true},
		{"as RFC 7239 §5.3 has it", opts, "inner", "192.0.2.1:1", [2]string{"Forwarded", `for=1;host="www.example.com"`}, true},
		{"a trusted proxy without the field", opts, "inner", "192.0.2.1:1", [2]string{}, false},
		{"the field of another client", opts, "evil.example", "192.0.2.2:1", [2]string{"X-Forwarded-Host", "localhost"}, false},
	} {
		for _, method := range []string{"GET", "OPTIONS", "PUT", "PROPFIND", "BREW"} {
			r := httptest.NewRequest(method, "/", nil)
			if r.Host = tt.host; tt.host == "HTTP/1.0" {
				r.Host, r.Proto, r.ProtoMajor, r.ProtoMinor = "", "HTTP/1.0", 1, 0
			}
			if tt.remote != "" {
				r.RemoteAddr = tt.remote
			}
			if tt.header[0] != "" {
				r.Header.Set(tt.header[0], tt.header[1])
			}
			w := httptest.NewRecorder()
			Hosts(tt.opts)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })).ServeHTTP(w, r)
			want := http.StatusMisdirectedRequest
			if tt.served {
				want = http.StatusTeapot
			}
			if w.Code != want {
				t.Errorf("%s: %s with Host %q = %d, want %d", tt.rule, method, tt.host, w.Code, want)
			}
		}
	}
}
