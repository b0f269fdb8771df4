package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestBrokenUpload ends connections in the middle of a body. The old content stays, nothing partial shows, and nothing is
// left over on the disk.
func TestBrokenUpload(t *testing.T) {
	part := strings.Repeat("x", 64<<10)
	for _, tt := range []struct{ what, header, body string }{
		{"announced length", "Content-Length: 1000000\r\n", part},
		{"chunked, within a chunk", "Transfer-Encoding: chunked\r\n", "186A0\r\n" + part},
		{"chunked, between chunks", "Transfer-Encoding: chunked\r\n", "10000\r\n" + part + "\r\n"},
		{"chunked, a broken chunk", "Transfer-Encoding: chunked\r\n", "10000\r\n" + part + "no chunk\r\n"},
		{"macOS: fewer bytes than expected", "Transfer-Encoding: chunked\r\nX-Expected-Entity-Length: 100000\r\n", "10000\r\n" + part + "\r\n0\r\n\r\n"},
	} {
		for _, b := range backends {
			t.Run(tt.what+" "+b.name, func(t *testing.T) {
				files, dir := b.open(t)
				s := serve(t, files, nil)
				s.want(201, "PUT", "/f", "old")
				etag := s.want(200, "HEAD", "/f", "").Header.Get("ETag")
				for _, name := range []string{"/f", "/new"} {
					conn := s.dial()
					fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\n%s\r\n%s", name, tt.header, tt.body)
					// Half-closed: the server hears the end and can answer; what it says must not be a success.
					conn.(*net.TCPConn).CloseWrite()
					if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
						resp.Body.Close()
						if resp.StatusCode != http.StatusBadRequest {
							t.Errorf("PUT %s = %s, want 400", name, resp.Status)
						}
					}
					conn.Close()
				}
				// A client that is gone at once cannot be waited for by its answer.
				conn := s.dial()
				fmt.Fprintf(conn, "PUT /f HTTP/1.1\r\nHost: x\r\n%s\r\n%s", tt.header, tt.body[:100])
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
				s.client.CloseIdleConnections()
				if got := s.want(200, "GET", "/f", ""); got.Body != "old" || got.Header.Get("ETag") != etag {
					t.Errorf("/f = %.20q, want the old content", got.Body)
				}
				if got, want := s.tree("/"), []string{"/", "/f"}; !slices.Equal(got, want) {
					t.Errorf("tree = %q, want %q", got, want)
				}
				waitFor(t, func() bool { return asides(t, dir) == 0 })
				noAsides(t, dir)
			})
		}
	}
}

// waitFor waits for what a server does after its client has left.
func waitFor(t *testing.T, done func() bool) {
	for start := time.Now(); !done() && time.Since(start) < 10*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
}

// TestUploadOvertaken changes the collection of an upload while its body is on the way. The order that explains what
// happens is that the upload came last; and nothing of it may be left over wherever its collection is by then.
func TestUploadOvertaken(t *testing.T) {
	for _, tt := range []struct {
		what           string
		method, target string
		header         []string
		between        int // the status of that
		upload         int
		left           []string
	}{
		{"the collection was moved", "MOVE", "/c", []string{"Destination", "dest:/d"}, 201, 409, []string{"/", "/d/", "/d/old"}},
		{"the collection was deleted", "DELETE", "/c", nil, 204, 409, []string{"/"}},
		{"the collection was replaced", "COPY", "/e", []string{"Destination", "dest:/c"}, 204, 201, []string{"/", "/c/", "/c/new"}},
		{"a collection came to be there", "MKCOL", "/c/new", nil, 201, 405, []string{"/", "/c/", "/c/new/", "/c/old"}},
		{"a file came to be there", "PUT", "/c/new", nil, 201, 204, []string{"/", "/c/", "/c/new", "/c/old"}},
		{"it was locked", "LOCK", "/c/new", nil, 201, 423, []string{"/", "/c/", "/c/new", "/c/old"}},
	} {
		for _, b := range backends {
			t.Run(tt.what+" "+b.name, func(t *testing.T) {
				files, _ := b.open(t)
				s := serve(t, files, nil)
				s.want(201, "MKCOL", "/c", "")
				s.want(201, "PUT", "/c/old", "old")
				if tt.method == "COPY" {
					s.want(201, "MKCOL", "/e", "")
				}
				body, feed := io.Pipe()
				answered := make(chan answer, 1)
				go func() {
					a, err := s.try("PUT", "/c/new", body)
					if err != nil {
						t.Error(err)
					}
					answered <- a
				}()
				// Once that much was taken the server has begun to store it.
				if _, err := feed.Write(make([]byte, 1<<20)); err != nil {
					t.Fatal(err)
				}
				content := ""
				if tt.method == "LOCK" {
					content = lockBody
				}
				s.want(tt.between, tt.method, tt.target, content, tt.header...)
				io.WriteString(feed, "end")
				feed.Close()
				if a := <-answered; a.Status != tt.upload {
					t.Errorf("PUT = %d, want %d\n%s", a.Status, tt.upload, a.Body)
				}
				if tt.method == "COPY" {
					s.want(204, "DELETE", "/e", "")
				}
				x := &storm{site: s}
				if got := x.walk(files, "/"); !slices.Equal(got, tt.left) {
					t.Errorf("there are %q, want %q", got, tt.left)
				}
			})
		}
	}
}
