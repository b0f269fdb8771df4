package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/webdav"

	"dav207/fsbackend/memory"
	"dav207/integration/harness"
	"dav207/server"
)

// There are two kinds of benchmark. Without a connection, the allocations are those of the handler
// alone. Over connections, a contest compares servers; its ratios hold on a busy machine, too. No
// benchmark fails for being slow.

// discard is a ResponseWriter that counts the bytes of the body and discards them.
type discard struct {
	header http.Header
	status int
	bytes  int64
	write  func() // called at each Write, unless nil
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

// serve calls h with one request and fails the benchmark if the status is not the one wanted.
func serve(b *testing.B, h http.Handler, want int, method, target, body string, header ...string) *discard {
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

// contestant is a server to compare.
type contestant struct {
	name    string
	handler func(testing.TB, string) http.Handler // over a directory, or in memory if that is ""
}

var contestants = []contestant{
	{"dav207", func(t testing.TB, dir string) http.Handler {
		if dir == "" {
			return server.New(memory.New(nil).Backend(), nil)
		}
		return server.New(harness.DiskTree(t, dir, nil), nil)
	}},
	{"xnet", func(_ testing.TB, dir string) http.Handler {
		if dir == "" {
			return &webdav.Handler{FileSystem: webdav.NewMemFS(), LockSystem: webdav.NewMemLS()}
		}
		return &webdav.Handler{FileSystem: webdav.Dir(dir), LockSystem: webdav.NewMemLS()}
	}},
}

// fill puts n files of 4 KiB into the collection /files. If spread is true and n is above 1,000,
// they are in subcollections of a thousand.
func fill(b *testing.B, h http.Handler, n int, spread bool) {
	content := strings.Repeat("0123456789abcdef", 256)
	serve(b, h, 201, "MKCOL", "/files", "")
	dir := "/files"
	for i := range n {
		if spread && i%1000 == 0 {
			dir = fmt.Sprintf("/files/%03d", i/1000)
			serve(b, h, 201, "MKCOL", dir, "")
		}
		serve(b, h, 201, "PUT", fmt.Sprintf("%s/file-%06d.txt", dir, i), content)
	}
}

// filled returns a function that returns a directory with n files as fill creates them. The first
// call creates the directory; it is removed at the end of b.
func filled(b *testing.B, n int, spread bool) func() string {
	return sync.OnceValue(func() string {
		dir := b.TempDir()
		fill(b, contestants[0].handler(b, dir), n, spread)
		return dir
	})
}
