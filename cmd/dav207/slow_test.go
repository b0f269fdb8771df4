package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestServeBoundsConnections: a client that sends no whole header is cut off, one that is too long
// is 431, and without TLS there is no HTTP/2, whose limits are those of its frames.
func TestServeBoundsConnections(t *testing.T) {
	t.Parallel()
	s := startCommand(t, "serve", "--memory", "--addr", "127.0.0.1:0")
	const cut = "" // without an answer
	for _, tt := range []struct{ rule, sent, want string }{
		{"a slow header", "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", cut},
		{"no header at all", "", cut},
		{"RFC 6585 §5 a long header", "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 80_000) + "\r\n\r\n", "HTTP/1.1 431 "},
		{"RFC 6585 §5 many fields", "GET / HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X: y\r\n", 12_000) + "\r\n", "HTTP/1.1 431 "},
		{"RFC 9113 §3.3 prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "HTTP/1.1 421 "},
		{"RFC 9112 §6.3 two lengths", "PUT /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "HTTP/1.1 400 "},
		{"RFC 9112 §5.1 a space before the colon", "PUT /f HTTP/1.1\r\nHost: localhost\r\nContent-Length : 1\r\n\r\nx", "HTTP/1.1 400 "},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.base, "http://"), "/"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(30 * time.Second))
			go fmt.Fprint(conn, tt.sent)
			answer, err := io.ReadAll(conn)
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() || !strings.HasPrefix(string(answer), tt.want) || tt.want == cut && len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 408") {
				t.Errorf("the answer is %.80q, %v, want %q and the end of the connection", answer, err, tt.want)
			}
		})
	}
}
