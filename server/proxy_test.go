package server

import (
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"dav207/fsbackend/memory"
)

// Behind a proxy the client uses other hosts and paths than the server. COPY and MOVE work without
// rewritten headers, and hrefs are those of the client.
func TestBehindProxy(t *testing.T) {
	public := func(s string) []*url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return []*url.URL{u}
	}
	proxy := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} // where httptest's requests come from
	other := []netip.Prefix{netip.MustParsePrefix("198.51.100.1/32")}
	for _, tt := range []struct {
		rule        string
		opts        Options
		host        string // of the request, as the proxy passes it on
		path        string // the request's, which names /a
		headers     string // of the proxy
		destination string
		status      int
		href        string // of /a
	}{
		{"no proxy", Options{}, "h", "/a", "", "http://h/b", 201, "/a"},
		{"TLS in front, host passed on", Options{}, "h", "/a", "", "https://h/b", 201, "/a"},
		{"host not passed on", Options{}, "127.0.0.1:8080", "/a", "", "https://h/b", 502, "/a"},
		{"public URL", Options{PublicURLs: public("https://h/")}, "127.0.0.1:8080", "/a", "", "https://h/b", 201, "/a"},
		{"public URL, a path taken away", Options{PublicURLs: public("https://h/files/")}, "127.0.0.1:8080", "/a", "", "https://h/files/b", 201, "/files/a"},
		{"the same, Destination as a path", Options{PublicURLs: public("https://h/files")}, "127.0.0.1:8080", "/a", "", "/files/b", 201, "/files/a"},
		{"the same, outside of the path", Options{PublicURLs: public("https://h/files")}, "127.0.0.1:8080", "/a", "", "https://h/b", 502, "/files/a"},
		{"public URL with another path than the prefix", Options{Prefix: "/dav", PublicURLs: public("https://h/files")}, "127.0.0.1:8080", "/dav/a", "", "https://h/files/b", 201, "/files/a"},
		{"a client that comes directly", Options{Prefix: "/dav", PublicURLs: public("https://h/files")}, "127.0.0.1:8080", "/dav/a", "", "http://127.0.0.1:8080/dav/b", 201, "/files/a"},
		{"another host than the public one", Options{PublicURLs: public("https://h/")}, "127.0.0.1:8080", "/a", "", "https://x/b", 502, "/a"},
		{"Forwarded of a trusted proxy", Options{TrustedProxies: proxy}, "127.0.0.1:8080", "/a", `Forwarded: for=1.2.3.4;Host="h";proto=https, host=x`, "https://h/b", 201, "/a"},
		{"X-Forwarded-Host of a trusted proxy", Options{TrustedProxies: proxy}, "127.0.0.1:8080", "/a", "X-Forwarded-Host: h, x", "https://h/b", 201, "/a"},
		{"X-Forwarded-Prefix of a trusted proxy", Options{TrustedProxies: proxy}, "127.0.0.1:8080", "/a", "X-Forwarded-Host: h\nX-Forwarded-Prefix: /fi%20les/", "https://h/fi%20les/b", 201, "/fi%20les/a"},
		{"with a prefix of our own", Options{Prefix: "/dav", TrustedProxies: proxy}, "h", "/dav/a", "X-Forwarded-Prefix: /files", "https://h/files/dav/b", 201, "/files/dav/a"},
		{"the same headers of somebody else", Options{TrustedProxies: other}, "127.0.0.1:8080", "/a", "X-Forwarded-Host: h\nX-Forwarded-Prefix: /files", "https://h/b", 502, "/a"},
		{"no proxy is trusted by default", Options{}, "127.0.0.1:8080", "/a", "Forwarded: host=h", "https://h/b", 502, "/a"},
		{"nonsense is passed over", Options{TrustedProxies: proxy}, "h", "/a", "X-Forwarded-Prefix: /../..\nForwarded: ;;=,", "https://h/b", 201, "/a"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			h := New(memory.New(nil).Backend(), &tt.opts)
			send := func(method, body string, headers ...string) (int, string) {
				r := httptest.NewRequest(method, tt.path, strings.NewReader(body))
				r.Host = tt.host
				for _, line := range strings.Split(tt.headers, "\n") {
					if name, value, ok := strings.Cut(line, ": "); ok {
						r.Header.Set(name, value)
					}
				}
				for i := 0; i < len(headers); i += 2 {
					r.Header.Set(headers[i], headers[i+1])
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				return w.Code, w.Body.String()
			}
			send("PUT", "x")
			if _, body := send("PROPFIND", "", "Depth", "0"); !strings.Contains(body, "<D:href>"+tt.href+"</D:href>") {
				t.Errorf("PROPFIND: %s, want href %s", body, tt.href)
			}
			status, lock := send("LOCK", `<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>`)
			if status != 200 || !strings.Contains(lock, "<D:lockroot><D:href>"+tt.href+"</D:href>") {
				t.Errorf("LOCK = %d %s, want lockroot %s", status, lock, tt.href)
			}
			if status, body := send("COPY", "", "Destination", tt.destination); status != tt.status {
				t.Errorf("COPY to %s = %d %s, want %d", tt.destination, status, body, tt.status)
			}
			if status, _ := send("DELETE", ""); status != 423 {
				t.Errorf("DELETE without the token = %d, want 423", status)
			}
		})
	}
}
