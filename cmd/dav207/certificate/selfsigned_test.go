package certificate

import (
	"crypto/tls"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A certificate is replaced long before it expires, and only once by concurrent processes.
func TestKeepSelfSigned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	file := filepath.Join(dir, "key")
	keep := func(now time.Time, must, may []string) string {
		t.Helper()
		if err := keepSelfSigned(dir, file, must, may, now); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	now := time.Now()
	first := keep(now, []string{"localhost"}, []string{"192.0.2.1"})
	if keep(now.Add(selfSignedLife-selfSignedRenew-time.Hour), []string{"localhost"}, []string{"127.0.0.1", "192.0.2.7", "192.0.2.1"}) != first {
		t.Error("one more address of this machine made another certificate")
	}
	if keep(now, []string{"localhost"}, []string{"127.0.0.1"}) != first {
		t.Error("a machine without a network made another certificate")
	}
	second := keep(now.Add(selfSignedLife-selfSignedRenew+time.Hour), []string{"localhost"}, []string{"192.0.2.7"})
	pair, err := tls.X509KeyPair([]byte(second), []byte(second))
	if err != nil {
		t.Fatal(err)
	}
	names := namesOf(pair.Leaf)
	slices.Sort(names)
	if want := []string{"192.0.2.1", "192.0.2.7", "localhost"}; second == first || !slices.Equal(names, want) {
		t.Errorf("near its end: names %v, want another certificate for %v", names, want)
	}
	if _, err := os.Stat(file + ".new"); !os.IsNotExist(err) {
		t.Errorf("something is left beside it: %v", err)
	}
}

func TestSelfSignedNames(t *testing.T) {
	public := []*url.URL{{Scheme: "https", Host: "DAV.example.com:443"}}
	for _, tt := range []struct{ addr, must string }{
		{"192.0.2.1:8443", "192.0.2.1"},
		{"[2001:db8::1%eth0]:8443", "2001:db8::1"},
		{"Files.Lan.:8443", "files.lan"},
		{"127.0.0.1:0", "localhost"},
		{":8443", "dav.example.com"},
	} {
		must, may := selfSignedNames(tt.addr, public)
		if !slices.Contains(must, tt.must) {
			t.Errorf("%s: %v, want %s", tt.addr, must, tt.must)
		}
		if (len(may) > 0) != strings.HasPrefix(tt.addr, ":") {
			t.Errorf("%s: besides %v, want the addresses of this machine where it listens on all", tt.addr, may)
		}
		for _, n := range append(must, may...) {
			if net.ParseIP(n) == nil && n != strings.ToLower(n) {
				t.Errorf("%s: %q", tt.addr, n)
			}
		}
	}
	if got := UsableNames([]string{"ü.example", "a b", "", "::ffff:192.0.2.1", "192.0.2.1", "x_y"}); !slices.Equal(got, []string{"192.0.2.1", "x_y"}) {
		t.Errorf("usable = %q", got)
	}
}
