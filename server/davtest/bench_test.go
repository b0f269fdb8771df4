package davtest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"dav207/server/davtest"
)

// BenchmarkNew starts a server and ends it.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		t := &fakeTB{}
		davtest.New(t, nil)
		for _, f := range t.cleanups {
			f()
		}
	}
}

// BenchmarkReset resets a server with 100 files.
func BenchmarkReset(b *testing.B) {
	var tree strings.Builder
	for i := range 100 {
		fmt.Fprintf(&tree, "-- /c/%03d --\nx\n", i)
	}
	srv := davtest.New(b, &davtest.Options{Tree: tree.String()})
	b.ReportAllocs()
	for b.Loop() {
		srv.Reset()
	}
}

// BenchmarkPropfind lists 1,000 members. "server" calls the handler directly; "client" sends the
// request over a connection and discards the body of the answer.
func BenchmarkPropfind(b *testing.B) {
	srv := filled(b, 1000)
	b.Run("server", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := httptest.NewRequest("PROPFIND", "/c/", http.NoBody)
			r.Header.Set("Depth", "1")
			w := &discard{header: http.Header{}}
			srv.Config.Handler.ServeHTTP(w, r)
			if w.status != http.StatusMultiStatus {
				b.Fatalf("PROPFIND = %d", w.status)
			}
		}
	})
	b.Run("client", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			req, err := http.NewRequest("PROPFIND", srv.URL+"/c/", http.NoBody)
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Depth", "1")
			resp, err := srv.Client().Do(req)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusMultiStatus {
				b.Fatalf("PROPFIND = %d, %v", resp.StatusCode, err)
			}
			resp.Body.Close()
		}
	})
}

// BenchmarkCopy copies a collection of 1,000 files.
func BenchmarkCopy(b *testing.B) {
	srv := filled(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		if r := srv.Do("COPY", "/c/", "Destination: /d/"); r.StatusCode != http.StatusCreated {
			b.Fatalf("COPY = %v", r)
		}
		b.StopTimer()
		srv.Remove("/d")
		b.StartTimer()
	}
}

// filled starts a server with n files in /c.
func filled(b *testing.B, n int) *davtest.Server {
	srv := davtest.New(b, nil)
	for i := range n {
		srv.Put(fmt.Sprintf("/c/file-%06d.txt", i))
	}
	return srv
}

// discard is a ResponseWriter that keeps only the status.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(n int)           { d.status = n }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
