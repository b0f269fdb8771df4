package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/webdav"

	"dav207/integration/harness"
	"dav207/props/boltprops"
	"dav207/server"
	"dav207/server/locks"
)

// side is one of the servers or programs that contest compares.
type side struct {
	name    string
	prepare func() error // before each run, not measured; may be nil
	run     func() error
	undo    func() error // after each run, not measured; may be nil
	bare    bool         // not a server in this process; its allocations are not reported
}

// contest runs the sides in turn, so that other load on the machine affects all of them alike. A
// run does n things. For each side contest reports the median time and the allocations per thing;
// the allocations are those of this process, including the client. For all sides but the first it
// also reports the ratio of their time to that of the first, as "xnet/dav207", and that of the
// processor time, which other load affects less.
func contest(b *testing.B, thing string, n int, sides ...side) {
	b.Helper()
	times, processor, allocs := make([][]float64, len(sides)), make([][]float64, len(sides)), make([][]float64, len(sides))
	once := func(i int) {
		s := sides[i]
		if s.prepare != nil {
			if err := s.prepare(); err != nil {
				b.Fatalf("%s: %v", s.name, err)
			}
		}
		before := allocated()
		used, start := processorTime(), time.Now()
		err := s.run()
		times[i] = append(times[i], float64(time.Since(start).Nanoseconds()))
		processor[i] = append(processor[i], float64(processorTime()-used))
		allocs[i] = append(allocs[i], float64(allocated()-before))
		if err == nil && s.undo != nil {
			err = s.undo()
		}
		if err != nil {
			b.Fatalf("%s: %v", s.name, err)
		}
	}
	for i := range sides { // warm up, not measured
		once(i)
		times[i], processor[i], allocs[i] = nil, nil, nil
	}
	for b.Loop() {
		for i := range sides {
			once(i)
		}
	}
	b.ReportMetric(0, "ns/op") // hide the sum over all sides
	for i, s := range sides {
		b.ReportMetric(median(times[i])/float64(n), s.name+"-ns/"+thing)
		if !s.bare {
			b.ReportMetric(median(allocs[i])/float64(n), s.name+"-allocs/"+thing)
		}
		if i > 0 {
			b.ReportMetric(median(times[i])/median(times[0]), s.name+"/"+sides[0].name)
		}
		if cpu := median(processor[0]); i > 0 && cpu > 0 && !s.bare && !sides[0].bare {
			b.ReportMetric(median(processor[i])/cpu, s.name+"/"+sides[0].name+"-cpu")
		}
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return (of[(len(of)-1)/2] + of[len(of)/2]) / 2
}

// allocated returns the number of objects that this process has allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m) // runtime/metrics is cheaper, but does not count the latest objects
	return m.Mallocs
}

// durable serves a directory as the command does, with dead properties and locks in a file outside
// of the directory.
func durable(b *testing.B, dir string) *server.Handler {
	b.Helper()
	return server.New(harness.DiskTree(b, dir, nil), durableState(b))
}

func durableState(b *testing.B) *server.Options {
	b.Helper()
	state, err := boltprops.Open(filepath.Join(b.TempDir(), "state"), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { state.Close() })
	const many = 1 << 21
	return &server.Options{Props: state, Locks: locks.New(&locks.Options{Journal: state, MaxLocks: many, MaxLocksPerPrincipal: many})}
}

// xnet serves a directory with the Handler of golang.org/x/net/webdav.
func xnet(dir string) http.Handler {
	return &webdav.Handler{FileSystem: webdav.Dir(dir), LockSystem: webdav.NewMemLS()}
}

// conn is a client connection. It is used instead of http.Client, whose own cost would dominate the
// figures.
type conn struct {
	net.Conn
	r       *bufio.Reader
	url     string
	request []byte
	body    []byte
}

// dial serves h and returns connections to it.
func dial(b *testing.B, h http.Handler, conns int) []*conn {
	b.Helper()
	s := harness.ServeHandler(b, h, "")
	all := make([]*conn, conns)
	for i := range all {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close() })
		all[i] = &conn{Conn: c, r: bufio.NewReaderSize(c, 64<<10), url: s.URL, body: make([]byte, 256<<10)}
	}
	return all
}

// do sends a request and reads the answer. It returns an error if the status is not 2xx.
func (c *conn) do(method, target, body string, header ...string) (http.Header, error) {
	return c.send(method, target, strings.NewReader(body), int64(len(body)), header...)
}

// send is do with a body from a Reader.
func (c *conn) send(method, target string, body io.Reader, size int64, header ...string) (http.Header, error) {
	c.request = fmt.Appendf(c.request[:0], "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, target, c.RemoteAddr(), size)
	for i := 0; i < len(header); i += 2 {
		c.request = fmt.Appendf(c.request, "%s: %s\r\n", header[i], header[i+1])
	}
	c.request = append(c.request, '\r', '\n')
	if r, ok := body.(*strings.Reader); ok { // headers and body in one write
		for r.Len() > 0 {
			n, _ := r.Read(c.body)
			c.request = append(c.request, c.body[:n]...)
		}
	}
	if _, err := c.Write(c.request); err != nil {
		return nil, err
	}
	if _, err := io.CopyBuffer(writerOnly{c}, body, c.body); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if _, err := io.CopyBuffer(writerOnly{io.Discard}, resp.Body, c.body); err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s = %s", method, target, resp.Status)
	}
	return resp.Header, nil
}

// writerOnly hides io.ReaderFrom, so that io.CopyBuffer uses the buffer given.
type writerOnly struct{ io.Writer }

// parallel calls do so many times for each connection, all connections at once.
func parallel(conns []*conn, times int, do func(c *conn, of, i int) error) error {
	errs := make([]error, len(conns))
	var all sync.WaitGroup
	for n, c := range conns {
		all.Go(func() {
			for i := 0; i < times && errs[n] == nil; i++ {
				errs[n] = do(c, n, i)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
