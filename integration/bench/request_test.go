package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"dav207/integration/harness"
	"dav207/server"
	"dav207/server/davpath"
	"dav207/server/locks"
)

// BenchmarkRequest calls the handlers with small requests on a disk: GET, PUT of a new and of an
// existing file, and LOCK, PUT with If and UNLOCK. It compares dav207, x/net, and dav207 with
// 100,000 locks elsewhere.
func BenchmarkRequest(b *testing.B) {
	content := bytes.Repeat([]byte("x"), 1024)
	held := contestant{"dav207-100000-locks", func(t testing.TB, dir string) http.Handler {
		table := locks.New(&locks.Options{MaxLocks: 1_000_000, MaxLocksPerPrincipal: 1_000_000})
		for i := range 100_000 {
			if _, err := table.Create(locks.Lock{Root: davpath.Must(fmt.Sprintf("/held/%d", i))}); err != nil {
				t.Fatal(err)
			}
		}
		return server.New(harness.DiskTree(t, dir, nil), &server.Options{Locks: table})
	}}
	for _, c := range append(slices.Clone(contestants), held) {
		prepared := func(b *testing.B) (do func(want int, method, target string, body []byte, header ...string) *discard) {
			h := c.handler(b, b.TempDir())
			serve(b, h, 201, "MKCOL", "/a", "")
			serve(b, h, 201, "PUT", "/a/file.txt", string(content))
			r := httptest.NewRequest("GET", "/a/file.txt", nil)
			b.ReportAllocs()
			return func(want int, method, target string, body []byte, header ...string) *discard {
				r := r.WithContext(r.Context())
				r.Method, r.URL.Path = method, target
				r.Header = http.Header{}
				for i := 0; i < len(header); i += 2 {
					r.Header[header[i]] = header[i+1 : i+2]
				}
				r.Body, r.ContentLength = http.NoBody, int64(len(body))
				if body != nil {
					r.Body = io.NopCloser(bytes.NewReader(body))
				}
				w := &discard{header: http.Header{}}
				h.ServeHTTP(w, r)
				if w.status != want {
					b.Fatalf("%s %s = %d, want %d", method, target, w.status, want)
				}
				return w
			}
		}
		b.Run("get/"+c.name, func(b *testing.B) {
			do := prepared(b)
			for b.Loop() {
				do(200, "GET", "/a/file.txt", nil)
			}
		})
		b.Run("put-new/"+c.name, func(b *testing.B) {
			do := prepared(b)
			for i := 0; b.Loop(); i++ {
				do(201, "PUT", fmt.Sprintf("/a/%d", i), content)
			}
		})
		b.Run("put-over/"+c.name, func(b *testing.B) {
			do := prepared(b)
			over := 204
			if c.name == "xnet" {
				over = 201 // not 204 as RFC 4918 §9.7.1 has it
			}
			for b.Loop() {
				do(over, "PUT", "/a/file.txt", content)
			}
		})
		b.Run("lock/"+c.name, func(b *testing.B) {
			do := prepared(b)
			over := 204
			if c.name == "xnet" {
				over = 201
			}
			for b.Loop() {
				token := do(200, "LOCK", "/a/file.txt", []byte(harness.LockBody), "Depth", "0", "Timeout", "Second-3600").header.Get("Lock-Token")
				do(over, "PUT", "/a/file.txt", content, "If", "("+token+")")
				do(204, "UNLOCK", "/a/file.txt", nil, "Lock-Token", token)
			}
		})
	}
}
