package rfc4918

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
)

// A client that is still sending its body must receive the answer of a refused request, and not a
// reset connection (RFC 9112 §9.6). That holds with and without "Expect: 100-continue" (RFC 9110
// §10.1.1). The client here sends everything before it reads.
func TestRefusedBodiesAreAnswered(t *testing.T) {
	const size = 8 << 20
	sized, chunked := fmt.Sprintf("Content-Length: %d", size), "Transfer-Encoding: chunked"
	for _, tt := range []struct {
		rule, request string
		wait          bool // the client waits for 100 (Continue), which it gets
		status        int
	}{
		{"no room, found after 100 Continue", "PUT /full | Expect: 100-continue | " + sized, true, 507},
		{"no room, found after 100 Continue", "PUT /full | Expect: 100-continue | " + chunked, true, 507},
		{"no room", "PUT /full | " + sized, false, 507},
		{"no room", "PUT /full | " + chunked, false, 507},
		{"a condition, of a client that does not wait", "PUT /f | Expect: 100-continue | If-None-Match: * | " + sized, false, 412},
		{"a condition, of a client that does not wait", "PUT /f | Expect: 100-continue | If-None-Match: * | " + chunked, false, 412},
		{"a condition", "PUT /f | If-None-Match: * | " + sized, false, 412},
		{"not as announced", "PUT /f | Expect: 100-continue | X-Expected-Entity-Length: 9 | " + chunked, true, 400},
		{"XML that is too large", "PROPFIND /f | " + sized, false, 413},
		{"XML that is too large", "PROPFIND /f | " + chunked, false, 413},
		{"XML that is too large, found after 100 Continue", "PROPPATCH /f | Expect: 100-continue | " + chunked, true, 413},
		{"XML that is too large", "LOCK /f | Expect: 100-continue | " + sized, false, 413},
		{"a body without meaning", "MKCOL /c | " + sized, false, 415},
		{"a body without meaning, found after 100 Continue", "DELETE /f | Expect: 100-continue | " + chunked, true, 415},
		{"a body without meaning", "UNLOCK /f | " + chunked, false, 415},
		{"an unknown method", "BREW /f | " + sized, false, 501},
		{"a URL that names nothing", "PUT /%00 | " + chunked, false, 400},
	} {
		t.Run(harness.NoSlash(tt.rule+" "+tt.request), func(t *testing.T) {
			t.Parallel()
			inner, _ := harness.Backends[0].Open(t)
			files := faultfs.New(inner)
			files.Fail(faultfs.Write, "/full", syscall.ENOSPC)
			s := harness.Serve(t, files, nil)
			s.Want(201, "PUT", "/f", "old")
			conn := s.Dial()
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(30 * time.Second))
			answers := bufio.NewReader(conn)
			parts := strings.Split(tt.request, " | ")
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", parts[0], strings.Join(parts[1:], "\r\n"))
			if tt.wait {
				if line, err := answers.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
					t.Fatalf("= %q, %v, want 100 Continue", line, err)
				}
				answers.ReadString('\n')
			}
			// The second write to a connection that the server has closed fails with a reset at the
			// latest.
			piece := strings.Repeat("x", 64<<10)
			for range size / len(piece) {
				if strings.Contains(tt.request, chunked) {
					fmt.Fprintf(conn, "%x\r\n", len(piece))
				}
				if _, err := io.WriteString(conn, piece); err != nil {
					t.Fatalf("sending the body: %v", err)
				}
				if strings.Contains(tt.request, chunked) {
					io.WriteString(conn, "\r\n")
				}
			}
			if strings.Contains(tt.request, chunked) {
				io.WriteString(conn, "0\r\n\r\n")
			}
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("the answer is lost: %v", err)
			}
			defer resp.Body.Close()
			if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != tt.status {
				t.Errorf("= %s, %v, want %d", resp.Status, err, tt.status)
			}
		})
	}
}
