package rfc4918

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"dav207/fsbackend/faultfs"
	"dav207/integration/harness"
	"dav207/server"
)

// logBuffer is a log that a test reads while the server writes it.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// check fails the test if the server logged a warning or an error.
func (l *logBuffer) check(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		if !strings.Contains(line, "level=DEBUG") || strings.Contains(line, "status=5") {
			t.Errorf("logged: %s", line)
		}
	}
}

// A body that ends too early is an error of the client (RFC 9110 §15.5.1): the answer is 400 if the
// client still reads, and the log has nothing above Debug.
func TestBrokenBodies(t *testing.T) {
	const propfind, update = `<propfind xmlns="DAV:">`, `<propertyupdate xmlns="DAV:">`
	for _, tt := range []struct{ rule, request, body string }{
		{"a small one", "PUT /f | Content-Length: 10", "12345"},
		{"a small one, nothing of it", "PUT /f | Content-Length: 10", ""},
		{"a small one, of a new file", "PUT /new | Content-Length: 10", "12345"},
		{"a small one, after 100 Continue", "PUT /f | Content-Length: 10 | Expect: 100-continue", "12345"},
		{"a large one", "PUT /f | Content-Length: 1000000", strings.Repeat("x", 70<<10)},
		{"a large one, nothing of it", "PUT /f | Content-Length: 1000000", ""},
		{"chunked", "PUT /f | Transfer-Encoding: chunked", "5\r\n12345\r\n"},
		{"chunked, nothing of it", "PUT /f | Transfer-Encoding: chunked", ""},
		{"chunked, within a chunk", "PUT /f | Transfer-Encoding: chunked", "10\r\n12345"},
		{"chunked, its length announced", "PUT /f | Transfer-Encoding: chunked | X-Expected-Entity-Length: 10", "5\r\n12345\r\n"},
		{"PROPFIND", "PROPFIND /f | Content-Length: 100", propfind},
		{"PROPFIND, chunked", "PROPFIND /f | Transfer-Encoding: chunked", "100\r\n" + propfind},
		{"PROPPATCH", "PROPPATCH /f | Content-Length: 100", update},
		{"LOCK", "LOCK /f | Content-Length: 100", "<lockinfo"},
		{"LOCK of a new file", "LOCK /new | Content-Length: 100", "<lockinfo"},
		{"COPY", "COPY /f | Destination: /new | Content-Length: 100", "<propertybehavior"},
		{"MOVE", "MOVE /f | Destination: /new | Transfer-Encoding: chunked", "100\r\n<propertybehavior"},
		{"DELETE", "DELETE /f | Transfer-Encoding: chunked", ""},
		{"MKCOL", "MKCOL /new | Transfer-Encoding: chunked", "1"},
		{"UNLOCK", "UNLOCK /f | Transfer-Encoding: chunked", ""},
	} {
		for _, b := range harness.Backends {
			t.Run(harness.NoSlash(tt.rule+" "+b.Name), func(t *testing.T) {
				t.Parallel()
				files, dir := b.Open(t)
				log := &logBuffer{}
				s := harness.Serve(t, files, &server.Options{Logger: log.logger()})
				s.Want(201, "PUT", "/f", "old")
				parts := strings.Split(tt.request, " | ")
				head := parts[0] + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(parts[1:], "\r\n") + "\r\n\r\n"

				conn := s.Dial()
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				answers := bufio.NewReader(conn)
				fmt.Fprint(conn, head+tt.body)
				conn.(*net.TCPConn).CloseWrite()
				resp, err := http.ReadResponse(answers, nil)
				if err == nil && resp.StatusCode == http.StatusContinue {
					resp, err = http.ReadResponse(answers, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusBadRequest {
					t.Errorf("= %s, want 400", resp.Status)
				}

				gone := s.Dial()
				gone.SetDeadline(time.Now().Add(10 * time.Second))
				fmt.Fprint(gone, head+tt.body)
				gone.(*net.TCPConn).SetLinger(0)
				gone.Close()
				harness.WaitFor(t, func() bool { return strings.Count(log.String(), `msg="request failed"`) == 2 })
				log.check(t)
				if got := s.Tree("/"); fmt.Sprint(got) != "[/ /f]" || s.Want(200, "GET", "/f", "").Body != "old" {
					t.Errorf("tree = %q, want the old file", got)
				}
				harness.NoTemps(t, dir)
			})
		}
	}
}

// TestBrokenBodiesHTTP2 is TestBrokenBodies with HTTP/2: a stream that is reset, a stream that ends
// early, and a connection that is closed.
func TestBrokenBodiesHTTP2(t *testing.T) {
	for _, tt := range []struct{ method, length string }{
		{"PUT", "10"}, {"PUT", "1000000"}, {"PUT", ""}, {"PROPFIND", "100"}, {"PROPFIND", ""}, {"PROPPATCH", "100"}, {"LOCK", "100"},
	} {
		for _, how := range []string{"reset", "end", "close"} {
			if tt.length == "" && how == "end" {
				continue // the connection is closed
			}
			t.Run(tt.method+" "+tt.length+" "+how, func(t *testing.T) {
				t.Parallel()
				files, _ := harness.Backends[0].Open(t)
				log := &logBuffer{}
				srv := httptest.NewUnstartedServer(server.New(files, &server.Options{Logger: log.logger()}))
				srv.EnableHTTP2 = true
				srv.StartTLS()
				defer srv.Close()
				s := &harness.Site{TB: t, URL: srv.URL, Client: srv.Client()}
				s.Want(201, "PUT", "/f", "old")
				c := dialHTTP2(t, srv)
				var header []string
				if tt.length != "" {
					header = []string{"content-length", tt.length}
				}
				c.open(tt.method, "/f", header...)
				c.ok(c.framer.WriteData(c.stream, how == "end", []byte("<part")))
				switch how {
				case "reset":
					c.ok(c.framer.WriteRSTStream(c.stream, http2.ErrCodeCancel))
				case "close":
					c.conn.Close()
				case "end":
					// net/http resets the stream of a body that is shorter than announced.
					if status, _, err := c.read(10 * time.Second); err != nil || status != "" && status != "400" {
						t.Errorf("= %s, %v, want 400", status, err)
					}
				}
				harness.WaitFor(t, func() bool { return strings.Contains(log.String(), `msg="request failed"`) })
				log.check(t)
				if got := s.Want(200, "GET", "/f", "").Body; got != "old" {
					t.Errorf("the content of the file = %q", got)
				}
			})
		}
	}
}

// A client that disconnects while its request waits for another request is no error of the server.
func TestDisconnectWhileWaiting(t *testing.T) {
	const update = `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="x:"/></prop></set></propertyupdate>`
	for _, tt := range []struct{ request, body string }{
		{"PUT /c/new", "content"},
		{"PROPPATCH /c/", update},
		{"LOCK /c/", harness.SharedLock},
		{"LOCK /c/new", harness.SharedLock},
		{"DELETE /c/", ""},
		{"MKCOL /c/new", ""},
		{"COPY /c/ | Destination: /d/", ""},
		{"MOVE /c/ | Destination: /d/", ""},
	} {
		t.Run(harness.NoSlash(fmt.Sprint(tt.request, len(tt.body))), func(t *testing.T) {
			t.Parallel()
			inner, _ := harness.Backends[0].Open(t)
			files := faultfs.New(inner)
			log := &logBuffer{}
			s := harness.Serve(t, files, &server.Options{Logger: log.logger()})
			s.Want(201, "MKCOL", "/c", "")
			s.Want(201, "PUT", "/c/f", "old")
			begun, wait := make(chan struct{}), make(chan struct{})
			files.Fail(faultfs.Rename, "/c", nil).Do(func(context.Context) { close(begun); <-wait })
			done := make(chan struct{})
			go func() {
				defer close(done)
				if a, err := s.Try("MOVE", "/c/", nil, "Destination", "dest:/e/"); err != nil || a.Status != 201 {
					t.Errorf("the other request = %d, %v, want 201", a.Status, err)
				}
			}()
			<-begun
			parts := strings.Split(tt.request, " | ")
			conn := s.Dial()
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s", parts[0], len(tt.body),
				strings.Join(append(parts[1:], ""), "\r\n"), tt.body)
			conn.(*net.TCPConn).CloseWrite()
			if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 400 {
				t.Errorf("= %v, %v, want 400", resp, err)
			}
			close(wait)
			<-done
			log.check(t)
		})
	}
}

// A client that disconnects while its request runs is no error of the server.
func TestDisconnectWhileRunning(t *testing.T) {
	for _, tt := range []struct {
		request string
		op      faultfs.Op
		at      string
	}{
		{"DELETE /c/", faultfs.Remove, "/c/5"},
		{"COPY /c/ | Destination: /d/", faultfs.Open, "/c/5"},
		{"COPY /c/ | Destination: /d/", faultfs.Commit, "/d/5"},
		{"COPY /c/5 | Destination: /d", faultfs.Open, "/c/5"},
		{"COPY /c/ | Destination: /old/", faultfs.Commit, "/old/5"},
		{"PROPFIND / | Depth: infinity", faultfs.Stat, "/c/5"},
		{"GET /c/", faultfs.Stat, "/c/5"},
	} {
		t.Run(harness.NoSlash(fmt.Sprint(tt.request, tt.op)), func(t *testing.T) {
			t.Parallel()
			inner, _ := harness.Backends[0].Open(t)
			files := faultfs.New(inner)
			log := &logBuffer{}
			s := harness.Serve(t, files, &server.Options{Logger: log.logger()})
			for _, c := range []string{"/c/", "/old/"} {
				s.Want(201, "MKCOL", c, "")
				for i := range 10 {
					s.Want(201, "PUT", fmt.Sprint(c, i), strings.Repeat("x", 40<<10))
				}
			}
			conn := s.Dial()
			defer conn.Close()
			reached := make(chan struct{})
			files.Fail(tt.op, tt.at, nil).Times(1).Do(func(ctx context.Context) {
				conn.Close()
				select {
				case <-ctx.Done():
				case <-time.After(10 * time.Second):
				}
				close(reached)
			})
			parts := strings.Split(tt.request, " | ")
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\n%s\r\n", parts[0], strings.Join(append(parts[1:], ""), "\r\n"))
			select {
			case <-reached:
			case <-time.After(20 * time.Second):
				t.Fatal("the request did not reach the operation in which the client disconnects")
			}
			s.Client.CloseIdleConnections()
			harness.WaitFor(t, func() bool { return s.Do("OPTIONS", "/", "").Status == 200 && log.String() != "" })
			time.Sleep(20 * time.Millisecond) // until the server has logged all
			log.check(t)
		})
	}
}
