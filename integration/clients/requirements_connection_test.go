package clients

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
)

// readAnswer reads one answer from a connection.
func readAnswer(t *testing.T, conn net.Conn) harness.Answer {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return harness.Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(b)}
}

// Requirement 30. TestExpectContinue has more.
func testExpect(t *testing.T) {
	files, _ := harness.Backends[0].Open(t)
	s := harness.Serve(t, files, nil)
	s.Want(201, "PUT", "/f", "old")
	s.Lock("/f", "0")
	s.Want(201, "PUT", "/free", "old")
	for header, want := range map[string]int{"/free If-None-Match: *": 412, "/free If: (<DAV:no-lock>)": 412, "/f X-Nothing: 0": 423} {
		conn := s.Dial()
		name, header, _ := strings.Cut(header, " ")
		fmt.Fprintf(conn, "PUT "+name+" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n%s\r\n\r\n", header)
		if a := readAnswer(t, conn); a.Status != want {
			t.Errorf("PUT with %s = %d before the body, want %d", header, a.Status, want)
		}
	}
	// Accepted and refused requests use the same connection.
	connections := 0
	trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused {
			connections++
		}
	}})
	s.Client.CloseIdleConnections()
	for _, request := range []string{"GET /f", "PROPFIND /", "GET /none", "DELETE /f", "MKCOL /c", "MKCOL /c", "OPTIONS /", "COPY /f"} {
		method, name, _ := strings.Cut(request, " ")
		r, err := http.NewRequestWithContext(trace, method, s.At(name), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if connections != 1 {
		t.Errorf("%d connections were needed, want 1", connections)
	}

	two := httptest.NewUnstartedServer(server.New(files, nil))
	two.EnableHTTP2 = true
	two.StartTLS()
	defer two.Close()
	resp, err := two.Client().Get(two.URL + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.ProtoMajor != 2 || resp.StatusCode != 200 || string(b) != "old" {
		t.Errorf("over HTTP/2: %s %s %q", resp.Proto, resp.Status, b)
	}
	over := &harness.Site{TB: t, URL: two.URL, Client: two.Client()}
	over.Want(207, "PROPFIND", "/", "", "Depth", "1")
	over.Want(201, "COPY", "/f", "", "Destination", "dest:/two")
}
