package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend"
	"dav207/server"
)

// The benchmarks call handlers directly: what they measure is the server's work, without net/http's and a client's.

// discard is a ResponseWriter that counts and forgets.
type discard struct {
	header http.Header
	status int
	bytes  int64
	write  func() // called at every Write, unless nil
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(n int)   { d.status = n }
func (d *discard) Write(b []byte) (int, error) {
	if d.status == 0 {
		d.status = http.StatusOK
	}
	if d.write != nil {
		d.write()
	}
	d.bytes += int64(len(b))
	return len(b), nil
}

// bench makes one request and fails the benchmark where its status is not the one wanted.
func bench(b *testing.B, h http.Handler, want int, method, target, body string, header ...string) *discard {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := &discard{header: http.Header{}}
	h.ServeHTTP(w, r)
	if w.status != want {
		b.Fatalf("%s %s = %d, want %d", method, target, w.status, want)
	}
	return w
}

// contestant is one of the two servers.
type contestant struct {
	name    string
	handler func(testing.TB, string) http.Handler // over a directory, or in memory if that is ""
}

var contestants = []contestant{
	{"dav207", func(t testing.TB, dir string) http.Handler {
		if dir == "" {
			return server.New(fsbackend.New(fsbackend.Memory()), nil)
		}
		return server.New(diskTree(t, dir), nil)
	}},
	{"xnet", func(_ testing.TB, dir string) http.Handler {
		if dir == "" {
			return &webdav.Handler{FileSystem: webdav.NewMemFS(), LockSystem: webdav.NewMemLS()}
		}
		return &webdav.Handler{FileSystem: webdav.Dir(dir), LockSystem: webdav.NewMemLS()}
	}},
}

// fill puts n files of 4 KiB into the collection /files, a thousand in each of its collections if there are more than that and
// spread says so.
func fill(b *testing.B, h http.Handler, n int, spread bool) {
	content := strings.Repeat("0123456789abcdef", 256)
	bench(b, h, 201, "MKCOL", "/files", "")
	dir := "/files"
	for i := range n {
		if spread && i%1000 == 0 {
			dir = fmt.Sprintf("/files/%03d", i/1000)
			bench(b, h, 201, "MKCOL", dir, "")
		}
		bench(b, h, 201, "PUT", fmt.Sprintf("%s/file-%06d.txt", dir, i), content)
	}
}

// filled returns a function that returns a directory of the disk with n files as fill makes them. It is made when it is
// first asked for, and removed with the benchmark b.
func filled(b *testing.B, n int, spread bool) func() string {
	return sync.OnceValue(func() string {
		dir := b.TempDir()
		fill(b, contestants[0].handler(b, dir), n, spread)
		return dir
	})
}

// BenchmarkPropfind lists a collection with Depth 1, ours and x/net's on the same directory.
func BenchmarkPropfind(b *testing.B) {
	const named = `<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/><getetag/><getcontenttype/><displayname/></prop></propfind>`
	for _, n := range []int{1000, 10_000} {
		onDisk := filled(b, n, false)
		for _, tree := range []string{"disk", "memory"} {
			for _, query := range []struct{ name, body string }{{"allprop", ""}, {"named", named}} {
				for _, c := range contestants {
					b.Run(fmt.Sprintf("%d/%s/%s/%s", n, tree, query.name, c.name), func(b *testing.B) {
						if n > 1000 && testing.Short() {
							b.Skip("10,000 files")
						}
						var h http.Handler
						if tree == "disk" {
							h = c.handler(b, onDisk())
						} else {
							h = c.handler(b, "")
							fill(b, h, n, false)
						}
						b.ReportAllocs()
						var bytes int64
						for b.Loop() {
							bytes = bench(b, h, 207, "PROPFIND", "/files/", query.body, "Depth", "1").bytes
						}
						b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n+1), "ns/entry")
						b.ReportMetric(float64(bytes)/float64(n+1), "B/entry")
					})
				}
			}
		}
	}
}

// BenchmarkListingMemory lists 100,000 members of one collection and reports by how much the heap grows at most
// meanwhile: only the names may be held (1,000 members with -short).
func BenchmarkListingMemory(b *testing.B) {
	n := 100_000
	if testing.Short() {
		n = 1000
	}
	onDisk := sync.OnceValue(func() string { return manyFiles(b, n) })
	for _, c := range contestants {
		b.Run(c.name, func(b *testing.B) {
			h := c.handler(b, onDisk())
			var peak uint64
			for b.Loop() {
				runtime.GC()
				before := liveHeap()
				r := httptest.NewRequest("PROPFIND", "/files/", nil)
				r.Header.Set("Depth", "1")
				w := &discard{header: http.Header{}}
				var looked int64
				w.write = func() {
					if w.bytes-looked < int64(n)*16 {
						return
					}
					looked = w.bytes
					runtime.GC() // leaves what is really held
					if now := liveHeap(); now > before {
						peak = max(peak, now-before)
					}
				}
				h.ServeHTTP(w, r)
				if w.status != 207 {
					b.Fatalf("PROPFIND = %d", w.status)
				}
			}
			b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
			b.ReportMetric(float64(peak)/float64(n), "peak-B/entry")
		})
	}
}

// manyFiles is a directory with n empty files in /files.
func manyFiles(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "files"), 0o777); err != nil {
		b.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, "files", fmt.Sprintf("file-%06d.txt", i)), nil, 0o666); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// BenchmarkFile is what a client does with one file of 1 KiB.
func BenchmarkFile(b *testing.B) {
	content := strings.Repeat("x", 1024)
	for _, tree := range []string{"disk", "memory"} {
		for _, c := range contestants {
			setup := func(b *testing.B) http.Handler {
				dir := ""
				if tree == "disk" {
					dir = b.TempDir()
				}
				h := c.handler(b, dir)
				bench(b, h, 201, "PUT", "/f", content)
				b.ReportAllocs()
				return h
			}
			b.Run("GET/"+tree+"/"+c.name, func(b *testing.B) {
				h := setup(b)
				for b.Loop() {
					if w := bench(b, h, 200, "GET", "/f", ""); w.bytes != 1024 {
						b.Fatalf("%d bytes", w.bytes)
					}
				}
			})
			b.Run("PUT/"+tree+"/"+c.name, func(b *testing.B) {
				h := setup(b)
				replaced := 204
				if c.name == "xnet" {
					replaced = 201
				}
				for b.Loop() {
					bench(b, h, replaced, "PUT", "/f", content)
				}
			})
			b.Run("LOCK+UNLOCK/"+tree+"/"+c.name, func(b *testing.B) {
				h := setup(b)
				for b.Loop() {
					w := bench(b, h, 200, "LOCK", "/f", lockBody, "Depth", "0", "Timeout", "Second-600")
					bench(b, h, 204, "UNLOCK", "/f", "", "Lock-Token", w.header.Get("Lock-Token"))
				}
			})
		}
	}
}

// BenchmarkWire is what clients do over a connection: a listing of 1,000 files, a file of 1 KiB read, replaced, made, and replaced
// under a lock, three collections below the root.
func BenchmarkWire(b *testing.B) {
	const dir = "/files/a/b"
	content := strings.Repeat("x", 1024)
	onDisk := sync.OnceValue(func() string {
		dir := filled(b, 1000, false)()
		if err := os.MkdirAll(filepath.Join(dir, "files", "a", "b"), 0o777); err != nil {
			b.Fatal(err)
		}
		return dir
	})
	for _, request := range []struct {
		name string
		send func(c *wire, i int)
	}{
		{"PROPFIND", func(c *wire, _ int) { c.do("PROPFIND", "/files/", "", "Depth", "1") }},
		{"PROPFIND0", func(c *wire, _ int) { c.do("PROPFIND", dir+"/f", "", "Depth", "0") }},
		{"GET", func(c *wire, _ int) { c.do("GET", dir+"/f", "") }},
		{"HEAD", func(c *wire, _ int) { c.do("HEAD", dir+"/f", "") }},
		{"PUT", func(c *wire, _ int) { c.do("PUT", dir+"/f", content) }},
		{"PUTnew", func(c *wire, i int) { c.do("PUT", fmt.Sprintf("%s/new-%d", dir, i), content) }},
		{"LOCK+PUT+UNLOCK", func(c *wire, _ int) {
			token := c.do("LOCK", dir+"/f", lockBody, "Timeout", "Second-600").Get("Lock-Token")
			c.do("PUT", dir+"/f", content, "If", "("+token+")")
			c.do("UNLOCK", dir+"/f", "", "Lock-Token", token)
		}},
	} {
		for _, contestant := range contestants {
			b.Run(request.name+"/"+contestant.name, func(b *testing.B) {
				c := &wire{b: b, s: serveHandler(b, contestant.handler(b, onDisk()), "")}
				c.do("PUT", dir+"/f", content)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					request.send(c, i)
				}
			})
		}
	}
}

// wire is a client of a benchmark.
type wire struct {
	b *testing.B
	s *site
}

// do makes a request that must succeed, reads the answer, and returns its header.
func (c *wire) do(method, target, body string, header ...string) http.Header {
	r, err := http.NewRequestWithContext(context.Background(), method, c.s.url+target, strings.NewReader(body))
	if err != nil {
		c.b.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.s.client.Do(r)
	if err != nil {
		c.b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode >= 300 {
		c.b.Fatalf("%s %s = %d, %v", method, target, resp.StatusCode, err)
	}
	return resp.Header
}
