package crash

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"dav207/integration/harness"
)

// badClients are clients that break the protocol or only read. They write to /broken only.
var badClients = []func(*crashHarness, *rand.Rand){
	// An upload that ends before its Content-Length.
	func(a *crashHarness, r *rand.Rand) {
		a.hangUp(r, fmt.Sprintf("PUT /broken/%d HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n%s", r.IntN(100),
			strings.Repeat("x", r.IntN(199_999))))
	},
	// A chunked upload that ends before its last chunk.
	func(a *crashHarness, r *rand.Rand) {
		a.hangUp(r, fmt.Sprintf("PUT /broken/%d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", r.IntN(100)))
	},
	// Clients that disconnect in the middle of a request, or before the answer.
	func(a *crashHarness, r *rand.Rand) {
		requests := []string{
			"PROPFIND / HTTP/1.1\r\nHost: h\r\nDepth: infinity\r\nContent-Length: 0\r\n\r\n",
			"PROPPATCH /large HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n<propertyupdate xmlns=\"DAV:\">",
			"LOCK /large HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n<lockinfo",
			"GET /large HTTP/1.1\r\nHost: h\r\n\r\n",
			"COPY / HTTP/1.1\r\nHost: h\r\nDestination: /broken/copy\r\n\r\n",
			"OPTIONS * HTTP/1.1\r\nHo",
		}
		a.hangUp(r, requests[r.IntN(len(requests))])
	},
	// A slow reader, which disconnects at some time.
	func(a *crashHarness, r *rand.Rand) {
		resp, err := a.server.Client.Get(a.server.At("/large"))
		if err != nil {
			a.Error(err)
			return
		}
		defer resp.Body.Close()
		for range r.IntN(50) {
			if _, err := io.CopyN(io.Discard, resp.Body, 8<<10); err != nil {
				a.Error(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	},
	// Locks without an UNLOCK.
	func(a *crashHarness, _ *rand.Rand) {
		got := a.status("LOCK", "/broken/held", harness.ExclusiveLock, "Timeout", "Second-1")
		if !slices.Contains([]int{200, 201, 423}, got) {
			a.Errorf("LOCK = %d", got)
		}
		time.Sleep(100 * time.Millisecond)
	},
	// Readers.
	func(a *crashHarness, r *rand.Rand) {
		dir := a.histories()[r.IntN(8)].dir
		for _, q := range []struct {
			method, name, depth string
			want                []int
		}{
			{"OPTIONS", dir, "", []int{200, 204}},
			{"GET", dir + "/", "", []int{200}},
			{"HEAD", dir + "/a", "", []int{200, 404}},
			{"GET", dir + "/b", "", []int{200, 404}},
			{"PROPFIND", dir, "1", []int{207}},
			{"PROPFIND", "/", "infinity", []int{207}},
			{"POST", dir, "", []int{405}},
			{"REPORT", dir, "", []int{501}},
		} {
			if got := a.status(q.method, q.name, "", "Depth", q.depth); !slices.Contains(q.want, got) {
				a.Errorf("%s %s = %d, want one of %v", q.method, q.name, got, q.want)
			}
		}
		time.Sleep(10 * time.Millisecond)
	},
}

// status sends a request and returns the status of the answer.
func (a *crashHarness) status(method, name, body string, header ...string) int {
	if header[1] == "" {
		header = nil
	}
	answer, err := a.server.Try(method, name, strings.NewReader(body), header...)
	if err != nil {
		a.Errorf("%s %s: %v", method, name, err)
	}
	return answer.Status
}

// hangUp sends a text and closes the connection, at once or up to 20 ms later.
func (a *crashHarness) hangUp(r *rand.Rand, what string) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.server.URL, "http://"))
	if err != nil {
		a.Error(err)
		return
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, what); err != nil { // the server may have answered and closed the connection
		return
	}
	time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
}
