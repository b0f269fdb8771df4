package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"dav207/fsbackend"
	"dav207/fsbackend/memory"
)

// A response to a request that expects 100 Continue and gets none ends its connection (RFC 9110
// §10.1.1), soon, also where the body has no meaning: the client need not send it any more, and
// may wait for the end (RFC 9112 §9.6).
func TestExpectEndsConnection(t *testing.T) {
	srv := httptest.NewServer(New(fsbackend.New(memory.New(nil)), nil))
	t.Cleanup(srv.Close)
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "DELETE"} {
		for _, framing := range []string{"Content-Length: 5", "Transfer-Encoding: chunked"} {
			t.Run(method+" "+framing, func(t *testing.T) {
				t.Parallel()
				c, err := net.Dial("tcp", srv.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(5 * time.Second))
				fmt.Fprintf(c, "%s / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n%s\r\n\r\n", method, framing)
				r := bufio.NewReader(c)
				res, err := http.ReadResponse(r, &http.Request{Method: method})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil {
					t.Fatal(err)
				}
				if !res.Close {
					t.Error("the response does not say that the connection ends")
				}
				if _, err := r.ReadByte(); err != io.EOF {
					t.Errorf("after %s the connection has %v", res.Status, err)
				}
			})
		}
	}
}
