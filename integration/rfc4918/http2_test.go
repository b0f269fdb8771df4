package rfc4918

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"dav207/integration/harness"
	"dav207/server"
)

// rawHTTP2 is a client that sends single frames, so that a test controls their order.
type rawHTTP2 struct {
	testing.TB
	conn   *tls.Conn
	framer *http2.Framer
	stream uint32
}

func dialHTTP2(t testing.TB, srv *httptest.Server) *rawHTTP2 {
	t.Helper()
	conn, err := tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &rawHTTP2{TB: t, conn: conn, framer: http2.NewFramer(conn, conn), stream: 1}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	c.ok(c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}))
	return c
}

func (c *rawHTTP2) ok(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// open sends the headers of a request with a body.
func (c *rawHTTP2) open(method, name string, header ...string) {
	c.Helper()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for i, fields := 0, append([]string{":method", method, ":scheme", "https", ":path", name, ":authority", "x"}, header...); i < len(fields); i += 2 {
		c.ok(enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	c.ok(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: block.Bytes(), EndHeaders: true}))
}

// read reads frames until the answer ends. It returns the status, and whether the stream was reset,
// or os.ErrDeadlineExceeded after wait.
func (c *rawHTTP2) read(wait time.Duration) (status string, reset bool, err error) {
	c.Helper()
	c.conn.SetReadDeadline(time.Now().Add(wait))
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return status, false, err
		}
		ended := false
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.ok(c.framer.WriteSettingsAck())
			}
		case *http2.MetaHeadersFrame:
			status, ended = f.PseudoValue("status"), f.StreamEnded()
		case *http2.DataFrame:
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			return status, true, nil
		case *http2.GoAwayFrame:
			return status, true, fmt.Errorf("GOAWAY: %v", f.ErrCode)
		}
		if ended {
			return status, false, nil
		}
	}
}

// The server must not end its answer before the end of the request. Otherwise it sends RST_STREAM
// (RFC 9113 §8.1), and libsoup 3.2 treats the frame with which it then ends its request as a
// failure of the connection. A request may end with an empty DATA frame after all announced bytes.
func TestHTTP2AnswersEndLast(t *testing.T) {
	for _, tt := range []struct {
		request, body string
		header        []string
		status        string
	}{
		{"PUT /new", "content", nil, "201"},
		{"PUT /old", "content", nil, "204"},
		{"PUT /empty", "", nil, "201"},
		{"PUT /large", strings.Repeat("x", 65<<10), nil, "201"},
		{"PUT /none/f", "content", nil, "409"},
		{"PUT /locked", "content", nil, "423"},
		{"PUT /locked", strings.Repeat("x", 65<<10), nil, "423"},
		{"PUT /old", "content", []string{"if-none-match", "*"}, "412"},
		{"PUT /%00", "content", nil, "400"},
		{"PROPFIND /", `<propfind xmlns="DAV:"><allprop/></propfind>`, []string{"depth", "1"}, "207"},
		{"PROPFIND /", "", []string{"depth", "0"}, "207"},
		{"PROPFIND /", "no XML", nil, "400"},
		{"PROPFIND /none", `<propfind xmlns="DAV:"><allprop/></propfind>`, nil, "404"},
		{"PROPFIND /", strings.Repeat(" ", 65<<10) + `<propfind xmlns="DAV:"><allprop/></propfind>`, []string{"depth", "0"}, "207"},
		{"PROPPATCH /old", harness.SetColour, nil, "207"},
		{"LOCK /old", harness.SharedLock, nil, "200"},
		{"COPY /old", "", []string{"destination", "/copy"}, "201"},
		{"COPY /old", `<propertybehavior xmlns="DAV:"/>`, []string{"destination", "/copy"}, "201"},
		{"MOVE /old", "", []string{"destination", "/moved"}, "201"},
		{"MKCOL /c", "", nil, "201"},
		{"MKCOL /c", "body", nil, "415"},
		{"DELETE /old", "", nil, "204"},
		{"UNLOCK /old", "", []string{"lock-token", "<urn:uuid:1>"}, "409"},
		{"GET /old", "", nil, "200"},
		{"GET /old", "body", nil, "200"},
		{"HEAD /old", "", nil, "200"},
		{"OPTIONS /", "", nil, "200"},
		{"POST /old", "body", nil, "405"},
	} {
		for _, b := range harness.Backends {
			for _, announced := range []bool{true, false} {
				t.Run(harness.NoSlash(fmt.Sprint(tt.request, " ", len(tt.body), " ", tt.status, " ", announced, " ", b.Name)), func(t *testing.T) {
					t.Parallel()
					files, _ := b.Open(t)
					srv := httptest.NewUnstartedServer(server.New(files, nil))
					srv.EnableHTTP2 = true
					srv.StartTLS()
					defer srv.Close()
					s := &harness.Site{TB: t, URL: srv.URL, Client: srv.Client()}
					s.Want(201, "PUT", "/old", "old")
					s.Want(201, "PUT", "/locked", "old")
					s.Lock("/locked", "0")

					c := dialHTTP2(t, srv)
					method, name, _ := strings.Cut(tt.request, " ")
					header := tt.header
					if announced {
						header = append([]string{"content-length", fmt.Sprint(len(tt.body))}, header...)
					}
					c.open(method, name, header...)
					for rest := tt.body; rest != ""; {
						n := min(len(rest), 16<<10)
						c.ok(c.framer.WriteData(c.stream, false, []byte(rest[:n])))
						rest = rest[n:]
					}
					if status, reset, err := c.read(100 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatalf("the answer is %s (reset: %v) before the end of the request: %v", status, reset, err)
					}
					c.ok(c.framer.WriteData(c.stream, true, nil))
					status, reset, err := c.read(10 * time.Second)
					if err != nil || reset || status != tt.status {
						t.Errorf("%s = %s, reset: %v, %v, want %s", tt.request, status, reset, err, tt.status)
					}
				})
			}
		}
	}
}
