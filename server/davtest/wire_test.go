package davtest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dav207/server/davtest"
)

// raw sends a request on a connection of its own and returns the bytes of the answer.
func raw(t *testing.T, srv *davtest.Server, method, path string) (answer string, err error) {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path)
	b, err := io.ReadAll(bufio.NewReader(conn))
	return string(b), err
}

// TestWire holds what faults do to an answer on the wire: to the bytes, and to the request.
func TestWire(t *testing.T) {
	for _, tt := range []struct {
		name, method, path string
		make               func(*davtest.Fault)
		head, body         string // parts of the answer; "" is none at all
		reset              bool
		left               string // the names afterwards
	}{
		{"cut", "GET", "/f", func(r *davtest.Fault) { r.Cut(1) }, "200 OK|Content-Length: 2", "/", false, "/ /f"},
		{"cut before the body", "GET", "/f", func(r *davtest.Fault) { r.Cut(0) }, "Content-Length: 2", "", false, "/ /f"},
		{"reset before", "DELETE", "/f", func(r *davtest.Fault) { r.Reset("before") }, "", "", true, "/ /f"},
		{"reset in", "GET", "/f", func(r *davtest.Fault) { r.Reset("in") }, "", "", true, "/ /f"},
		{"reset after", "DELETE", "/f", func(r *davtest.Fault) { r.Reset("after") }, "", "", true, "/"},
		{"malformed XML", "PROPFIND", "/f", func(r *davtest.Fault) { r.Malformed() }, "207 Multi-Status", "</D:response>", false, "/ /f"},
		{"malformed text", "GET", "/f", func(r *davtest.Fault) { r.Malformed() }, "Content-Length: 3", "/f<", false, "/ /f"},
		{"content length", "GET", "/f", func(r *davtest.Fault) { r.ContentLength(100) }, "Content-Length: 100", "/f", false, "/ /f"},
		{"content type", "GET", "/f", func(r *davtest.Fault) { r.ContentType("text/x") }, "Content-Type: text/x", "/f", false, "/ /f"},
		{"answer", "DELETE", "/f", func(r *davtest.Fault) { r.Answer(200, "all fine", "X-A: b") }, "200 OK|X-A: b|Content-Length: 8", "all fine", false, "/ /f"},
		{"challenge", "GET", "/f", func(r *davtest.Fault) { r.Challenge() }, "401 Unauthorized|Www-Authenticate: Basic", "Unauthorized\n", false, "/ /f"},
		{"redirect", "GET", "/f", func(r *davtest.Fault) { r.Redirect("/other") }, "302 Found|Location: /other", "", false, "/ /f"},
		{"unavailable", "PUT", "/f", func(r *davtest.Fault) { r.Unavailable(3 * time.Second) }, "503 Service|Retry-After: 3", "Service Unavailable\n", false, "/ /f"},
		{"trickle", "GET", "/f", func(r *davtest.Fault) { r.Trickle(20) }, "200 OK", "/f", false, "/ /f"},
		{"delay", "GET", "/f", func(r *davtest.Fault) { r.Delay(time.Millisecond) }, "200 OK", "/f", false, "/ /f"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := davtest.New(t, nil)
			srv.Put("/f")
			tt.make(srv.Wire(tt.method, tt.path))
			answer, err := raw(t, srv, tt.method, tt.path)
			if reset := errors.Is(err, syscall.ECONNRESET); reset != tt.reset {
				t.Errorf("error = %v, want reset %v", err, tt.reset)
			}
			head, body, _ := strings.Cut(answer, "\r\n\r\n")
			for part := range strings.SplitSeq(tt.head, "|") {
				if !strings.Contains(head, part) {
					t.Errorf("head = %q, want %q", head, part)
				}
			}
			if tt.head == "" && answer != "" && !strings.Contains(tt.name, "in") {
				t.Errorf("answer = %q, want none", answer)
			}
			if !tt.reset && !strings.HasSuffix(body, tt.body) {
				t.Errorf("body = %q, want %q", body, tt.body)
			}
			if got := srv.Names(); got != tt.left {
				t.Errorf("names = %q, want %q", got, tt.left)
			}
			e := srv.Journal().Last()
			if cut := tt.reset || strings.HasPrefix(tt.name, "cut") || tt.name == "content length"; (e.Broken != "") != cut || e.Status != 0 && !strings.HasPrefix(answer, "HTTP/1.1 "+strconv.Itoa(e.Status)) {
				t.Errorf("journal: %v, want broken %v", e, cut)
			}
		})
	}
}

// TestStall blocks until the server is closed, and Close does not wait for the client.
func TestStall(t *testing.T) {
	srv := davtest.New(t, nil)
	srv.Put("/f")
	srv.Wire("GET", "/f").Stall(1)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
	r := bufio.NewReader(conn)
	for line := ""; line != "\r\n" && err == nil; {
		line, err = r.ReadString('\n')
	}
	b, err := r.ReadByte()
	if err != nil || b != '/' {
		t.Fatalf("first byte = %q, %v", b, err)
	}
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := r.ReadByte(); !errors.Is(err, syscall.EAGAIN) && !isTimeout(err) {
		t.Errorf("after the stall: %v, want nothing", err)
	}
	srv.Close()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := r.ReadByte(); err == nil || isTimeout(err) {
		t.Errorf("after Close: %v, want the end", err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// TestFailOnTheWire has faults with a failure and an effect on the wire: an answer has the effect of
// the first one that fired, and no other byte is changed where none did.
func TestFailOnTheWire(t *testing.T) {
	srv := davtest.New(t, &davtest.Options{Lenient: true, Tree: "-- /c/1 --\none\n-- /c/2 --\n-- /c/3 --\n-- /d/1 --\n-- /d/2 --\n"})
	for _, tt := range []struct {
		name   string
		faults func()
		path   string
		want   []string // parts of the answer
	}{
		{"it fired", func() { srv.Fail("DELETE", "/c/1", 423).ContentType("text/a") }, "/c/", []string{"text/a", "Connection: close"}},
		{"it did not fire", func() { srv.Fail("DELETE", "/c/1", 423).ContentType("text/a") }, "/d/1", []string{"204 No Content"}},
		{"only the second fired", func() {
			srv.Fail("DELETE", "/none", 423).ContentType("text/a")
			srv.Fail("DELETE", "/c/2", 423).ContentType("text/b")
		}, "/c/", []string{"text/b"}},
		{"the first of two that fired", func() {
			srv.Fail("DELETE", "/c/2", 423).ContentType("text/a")
			srv.Fail("DELETE", "/c/1", 423).ContentType("text/b")
		}, "/c/", []string{"text/a"}},
		{"none fired, and one is only on the wire", func() {
			srv.Fail("DELETE", "/none", 423).ContentType("text/a")
			srv.Wire("DELETE", "/d/2").ContentType("text/b")
		}, "/d/2", []string{"204 No Content", "text/b"}},
		{"the request is not executed", func() {
			srv.Fail("DELETE", "/c/1", 423).ContentType("text/a")
			srv.Wire("DELETE", "/c").Answer(200, "all fine")
		}, "/c/", []string{"200 OK", "all fine"}},
	} {
		tt.faults()
		answer, _ := raw(t, srv, "DELETE", tt.path)
		for _, want := range tt.want {
			if !strings.Contains(answer, want) {
				t.Errorf("%s: DELETE %s = %q, want %q", tt.name, tt.path, answer, want)
			}
		}
		srv.Reset()
	}
	srv.Fail("GET", "/none", 404).Delay(time.Hour)
	for range 2 { // on one connection, which a fault on the wire would end
		if r := srv.Do("GET", "/c/1"); r.String() != "200" || r.Header.Get("Connection") != "" || r.Header.Get("Content-Length") != "4" {
			t.Errorf("GET = %v %v, want the answer without a fault", r, r.Header)
		}
	}
}

// TestWireWithoutBody has effects on answers that have no body, whose journal is what was sent.
func TestWireWithoutBody(t *testing.T) {
	for _, tt := range []struct {
		method string
		make   func(*davtest.Fault)
		want   []string // parts of the answer, which ends with its head
	}{
		{"DELETE", func(f *davtest.Fault) { f.Malformed() }, []string{"204 No Content"}},
		{"DELETE", func(f *davtest.Fault) { f.ContentLength(3) }, []string{"204 No Content", "Content-Length: 3"}},
		{"HEAD", func(f *davtest.Fault) { f.Malformed() }, []string{"200 OK", "Content-Length: 2"}},
		{"HEAD", func(f *davtest.Fault) { f.Answer(200, "hello") }, []string{"200 OK", "Content-Length: 5"}},
		{"HEAD", func(f *davtest.Fault) { f.Answer(204, "") }, []string{"204 No Content"}},
		{"HEAD", func(f *davtest.Fault) { f.Answer(503, "").ContentLength(4) }, []string{"503 Service", "Content-Length: 4"}},
	} {
		srv := davtest.New(t, nil)
		srv.Put("/f")
		tt.make(srv.Wire(tt.method, "/f"))
		answer, err := raw(t, srv, tt.method, "/f")
		for _, want := range tt.want {
			if err != nil || !strings.Contains(answer, want) || !strings.HasSuffix(answer, "\r\n\r\n") || strings.Contains(answer, "204") && strings.Count(answer, "Content-Length") != len(tt.want)-1 {
				t.Errorf("%s = %q, %v, want %q", tt.method, answer, err, want)
			}
		}
		if got := srv.Journal().Last(); len(got.ResponseBody) != 0 {
			t.Errorf("journal: %s, body %q", got, got.ResponseBody)
		}
	}
}

// TestWireExpect: an answer in place of the server's does not ask for a body that the client holds
// back (RFC 9110 §10.1.1).
func TestWireExpect(t *testing.T) {
	srv := davtest.New(t, nil)
	srv.Wire("PUT", "/f").Challenge()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, "PUT /f HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if line != "HTTP/1.1 401 Unauthorized\r\n" {
		t.Errorf("the answer begins with %q, %v, want 401", line, err)
	}
}
