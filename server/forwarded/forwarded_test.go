package forwarded

import (
	"net/http"
	"net/netip"
	"testing"
)

// The parameters of the first element count, whatever is quoted in it.
func TestForwarded(t *testing.T) {
	for _, tt := range []struct {
		rule        string
		field       string
		other       string // X-Forwarded-Host, X-Forwarded-Proto
		host, proto string
	}{
		{"RFC 7239 §4 names are case-insensitive", `Host=a.example;PROTO=https`, "", "a.example", "https"},
		{"§4 values may be quoted", `for="[2001:db8::1]:4711";host="a.example:81";proto="https"`, "", "a.example:81", "https"},
		{"RFC 9110 §5.6.4 a quoted separator separates nothing", `by="x,y;host=evil.example";host=a.example`, "", "a.example", ""},
		{"§5.6.4 a quoted pair", `by="x\",host=evil.example;z=\"";host="a\.example"`, "", "a.example", ""},
		{"the first element is that of the first proxy", `host=a.example, host=b.example`, "", "a.example", ""},
		{"not that of another one", `for=192.0.2.1, host=b.example`, "c.example", "c.example", "c.example"},
		{"RFC 9110 §5.6.1.2 empty elements", ` , ;host=a.example`, "", "a.example", ""},
		{"white space", "\tfor=192.0.2.1 ; host = a.example\t", "", "a.example", ""},
		{"a quote that does not end", `host="a.example`, "", "", ""},
		{"a quote within a token", `host=a"b;c"`, "", "", ""},
		{"something after a quoted string", `host="a"b`, "", "", ""},
		{"no pair", `host;proto=https`, "", "", ""},
		{"nothing", ``, "c.example, d.example", "c.example", "c.example"},
	} {
		head := http.Header{"Forwarded": {tt.field}, "X-Forwarded-Host": {tt.other}, "X-Forwarded-Proto": {tt.other}}
		if host, proto := Host(head), Proto(head); host != tt.host || proto != tt.proto {
			t.Errorf("%s: %q: host, proto = %q, %q, want %q, %q", tt.rule, tt.field, host, proto, tt.host, tt.proto)
		}
	}
}

// The client is the last address that no trusted proxy has.
func TestClient(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for _, tt := range []struct {
		rule      string
		from      string
		xff       []string
		forwarded []string
		want      string
	}{
		{"RFC 7239 §5.2", "192.0.2.1:5", nil, []string{"for=198.51.100.7"}, "198.51.100.7"},
		{"§6 quoted, with a port", "192.0.2.1:5", nil, []string{`for="[2001:db8::1]:4711"`}, "2001:db8::1"},
		{"§6 quoted, without a port", "192.0.2.1:5", nil, []string{`proto=http;For="[2001:db8::1]"`}, "2001:db8::1"},
		{"§6 an obfuscated port", "192.0.2.1:5", nil, []string{`for="198.51.100.7:_x"`}, "198.51.100.7"},
		{"§6.3 an obfuscated identifier", "192.0.2.1:5", nil, []string{"for=_hidden"}, "192.0.2.1"},
		{"§6.2 unknown", "192.0.2.1:5", nil, []string{"for=198.51.100.7, for=unknown"}, "192.0.2.1"},
		{"what the client sends stands before", "192.0.2.1:5", nil, []string{"for=10.0.0.1", "for=198.51.100.7, for=192.0.2.2"}, "198.51.100.7"},
		{"a quoted comma forges nothing", "192.0.2.1:5", nil, []string{`for="x, for=10.0.0.1"`}, "192.0.2.1"},
		{"nor does a quote that does not end", "192.0.2.1:5", nil, []string{`for="x, for=10.0.0.1`}, "192.0.2.1"},
		{"which does not spoil the proxy's own line", "192.0.2.1:5", nil, []string{`for="x`, "for=198.51.100.7"}, "198.51.100.7"},
		{"X-Forwarded-For counts, not a Forwarded that the proxy has passed on", "192.0.2.1:5", []string{"198.51.100.7"}, []string{"for=10.0.0.1"}, "198.51.100.7"},
		{"X-Forwarded-For in several lines", "192.0.2.1:5", []string{"10.0.0.1", "198.51.100.7, 192.0.2.9"}, nil, "198.51.100.7"},
		{"with brackets", "192.0.2.1:5", []string{"[2001:db8::1]"}, nil, "2001:db8::1"},
		{"from elsewhere nothing counts", "203.0.113.1:5", []string{"10.0.0.1"}, []string{"for=10.0.0.1"}, "203.0.113.1"},
	} {
		r := &http.Request{RemoteAddr: tt.from, Header: http.Header{"X-Forwarded-For": tt.xff, "Forwarded": tt.forwarded}}
		if got := Remote(r, trusted); got != tt.want {
			t.Errorf("%s: %q, %q: the client is %s, want %s", tt.rule, tt.xff, tt.forwarded, got, tt.want)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add(`for="[::1]:1";host=a, by="\""`)
	f.Fuzz(func(t *testing.T, field string) {
		for _, element := range parse([]string{field}) {
			if _, named := element[""]; named {
				t.Errorf("%q has a parameter without a name", field)
			}
		}
	})
}
