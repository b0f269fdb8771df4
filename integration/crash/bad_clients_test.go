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

// badClients are clients that do not behave, or only read. What they write is in /broken.
var badClients = []func(*crashHarness, *rand.Rand){
	// An upload that breaks off.
	func(a *crashHarness, r *rand.Rand) {
		a.hangUp(r, fmt.Sprintf("PUT /broken/%d HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n%s", r.IntN(100),
			strings.Repeat("x", r.IntN(199_999))))
	},
	// One of which nobody knew how long it was to be.
	func(a *crashHarness, r *rand.Rand) {
		a.hangUp(r, fmt.Sprintf("PUT /broken/%d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", r.IntN(100)))
	},
	// Clients that vanish in the middle of a question, or before the answer.
	func(a *crashHarness, r *rand.Rand) {
		questions := []string{
			"PROPFIND / HTTP/1.1\r\nHost: h\r\nDepth: infinity\r\nContent-Length: 0\r\n\r\n",
			"PROPPATCH /large HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n<propertyupdate xmlns=\"DAV:\">",
			"LOCK /large HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n<lockinfo",
			"GET /large HTTP/1.1\r\nHost: h\r\n\r\n",
			"COPY / HTTP/1.1\r\nHost: h\r\nDestination: /broken/copy\r\n\r\n",
			"OPTIONS * HTTP/1.1\r\nHo",
		}
		a.hangUp(r, questions[r.IntN(len(questions))])
	},
	// A slow reader, who has had enough at some time.
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
	// Locks that nobody gives back.
	func(a *crashHarness, _ *rand.Rand) {
		got := a.answered("LOCK", "/broken/held", harness.ExclusiveLock, "Timeout", "Second-1")
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
			if got := a.answered(q.method, q.name, "", "Depth", q.depth); !slices.Contains(q.want, got) {
				a.Errorf("%s %s = %d, want one of %v", q.method, q.name, got, q.want)
			}
		}
		time.Sleep(10 * time.Millisecond)
	},
}

// answered returns the status of the answer to a request.
func (a *crashHarness) answered(method, name, body string, header ...string) int {
	if header[1] == "" {
		header = nil
	}
	answer, err := a.server.Try(method, name, strings.NewReader(body), header...)
	if err != nil {
		a.Errorf("%s %s: %v", method, name, err)
	}
	return answer.Status
}

// hangUp sends something and closes the connection, at once or a moment later.
func (a *crashHarness) hangUp(r *rand.Rand, what string) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.server.URL, "http://"))
	if err != nil {
		a.Error(err)
		return
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, what); err != nil { // it may have answered, and closed
		return
	}
	time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
}
