package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"dav207/cmd/dav207/serve"
)

// The URL that clients use behind a proxy stands in hrefs, in Destination, and in what is printed
// for people.
func TestServePublicURL(t *testing.T) {
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0",
		"--public-url", "https://example.com/my files/$", "--public-url", "http://intern.example/my%20files/$/")
	do(t, "PUT", s.base+"f", "content")
	if code, body := do(t, "PROPFIND", s.base, "", "Depth", "1"); code != 207 || !strings.Contains(body, "<D:href>/my%20files/$/f</D:href>") {
		t.Errorf("PROPFIND = %d %s, want the path of the public URL in the hrefs", code, body)
	}
	for _, tt := range []struct {
		destination string
		want        int
	}{
		{"https://example.com/my%20files/$/g", 201},
		{"http://intern.example/my%20files/$/h", 201},
		{s.base + "i", 201}, // a client that comes directly
		{"https://example.com/g", 502},
		{"https://example.net/my%20files/$/g", 502},
	} {
		if code, body := do(t, "COPY", s.base+"f", "", "Destination", tt.destination); code != tt.want {
			t.Errorf("COPY to %s = %d %s, want %d (§9.8.5)", tt.destination, code, body, tt.want)
		}
	}
	const public = "https://example.com/my%20files/%24/"
	out := s.stdout.String()
	if want := " at " + s.base + ", behind a proxy at " + public + "\n" + serve.MountHints(public); !strings.HasSuffix(out, want) {
		t.Errorf("stdout = %q, want %q at its end", out, want)
	}
}

// Forwarded and its relatives count when they come from the addresses given, and only then.
func TestServeTrustedProxy(t *testing.T) {
	for _, tt := range []struct {
		proxies []string
		want    int
	}{
		{nil, 502},
		{[]string{"--trusted-proxy", "192.0.2.1", "--trusted-proxy", "2001:db8::/32"}, 502},
		{[]string{"--trusted-proxy", "192.0.2.1", "--trusted-proxy", "127.0.0.1"}, 201},
		{[]string{"--trusted-proxy", "::ffff:127.0.0.1"}, 201},
		{[]string{"--trusted-proxy", "127.0.0.9/8"}, 201},
	} {
		t.Run(strings.Join(tt.proxies, " "), func(t *testing.T) {
			s := startCommand(t, append([]string{"serve", "--memory", "--addr", "127.0.0.1:0"}, tt.proxies...)...)
			do(t, "PUT", s.base+"f", "content")
			for _, headers := range [][]string{
				{"Forwarded", "for=192.0.2.7;host=example.com;proto=https", "X-Forwarded-Prefix", "/files", "Destination", "https://example.com/files/g"},
				{"X-Forwarded-Host", "example.com", "X-Forwarded-Prefix", "/files", "Destination", "https://example.com/files/h"},
			} {
				if code, body := do(t, "COPY", s.base+"f", "", headers...); code != tt.want {
					t.Errorf("COPY with %q = %d %s, want %d (§9.8.5)", headers, code, body, tt.want)
				}
			}
		})
	}
}

// A proxy that ends TLS may pass a request-target on as a URL with the scheme that it was asked
// by: the ways that are documented to put one in front have it served, with the Destination (RFC
// 9110 §7.4).
func TestServeTargetsOfTheProxy(t *testing.T) {
	for _, tt := range []struct {
		args, headers string
		want          int
	}{
		{"--public-url https://dav.example.com/", "", 201},
		{"--trusted-proxy 127.0.0.1", "X-Forwarded-Host: dav.example.com\r\n", 201},
		{"--trusted-proxy 127.0.0.1", "X-Forwarded-Host: dav.example.com\r\nX-Forwarded-Proto: https\r\n", 201},
		{"--trusted-proxy 127.0.0.1", "Forwarded: host=dav.example.com;proto=https\r\n", 201},
		{"--trusted-proxy 127.0.0.1", "X-Forwarded-Proto: https\r\n", 421}, // a page's own name could lead here
		{"--trusted-proxy 192.0.2.1", "X-Forwarded-Host: dav.example.com\r\nX-Forwarded-Proto: https\r\n", 421},
		{"--public-url https://other.example.com/", "", 421},
	} {
		s := startCommand(t, append([]string{"serve", "--memory", "--addr", "127.0.0.1:0"}, strings.Fields(tt.args)...)...)
		do(t, "PUT", s.base+"f", "content")
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.base, "http://"), "/"))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "COPY https://dav.example.com/f HTTP/1.1\r\nHost: dav.example.com\r\n"+tt.headers+
			"Destination: https://dav.example.com/g\r\nConnection: close\r\n\r\n")
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if want := fmt.Sprintf("HTTP/1.1 %d ", tt.want); !strings.HasPrefix(string(answer), want) {
			t.Errorf("%s, %q: COPY = %.60q, want %d", tt.args, tt.headers, answer, tt.want)
		}
	}
}
