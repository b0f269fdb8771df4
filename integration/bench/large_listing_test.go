package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"
)

// BenchmarkLargeListing lists a tree with Depth infinity (100,000 files in 1,000 collections) and
// one collection with Depth 1 (1,000,000 files); with -short both have 1,000 files. It reports the
// time to the first byte and the largest growth of the heap: the server may hold only the names of
// a large collection. The second request is measured, so that buffers kept from the first are not
// counted.
func BenchmarkLargeListing(b *testing.B) {
	large, flat := 100_000, 1_000_000
	if testing.Short() {
		large, flat = 1000, 1000
	}
	for _, tt := range []struct {
		name, depth string
		n           int
		dir         func() string
	}{
		{"infinity", "infinity", large, sync.OnceValue(func() string { return newTree(b, large) })},
		{"one", "1", flat, sync.OnceValue(func() string { return manyFiles(b, flat) })},
	} {
		for _, c := range contestants {
			if c.name == "xnet" && tt.n > large {
				continue // half a minute each
			}
			b.Run(tt.name+"/"+c.name, func(b *testing.B) {
				h := c.handler(b, tt.dir())
				if c.name == "dav207" {
					h = durable(b, tt.dir())
				}
				watch := func(often int64) *watched { return watchListing(b, h, tt.depth, often) }
				watch(0) // warm up, not measured
				b.ReportAllocs()
				var first time.Duration
				for b.Loop() {
					first = watch(0).first
				}
				perEntry := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(tt.n)
				held := watch(int64(tt.n) * 16).peak
				b.ReportMetric(perEntry, "ns/entry")
				b.ReportMetric(float64(first.Microseconds())/1000, "first-byte-ms")
				b.ReportMetric(float64(held)/(1<<20), "peak-MiB")
				b.ReportMetric(float64(held)/float64(tt.n), "peak-B/entry")
			})
		}
	}
}

// watched is the measurement of a listing.
type watched struct {
	first time.Duration
	peak  uint64 // bytes above the heap before the request
}

// watchListing lists /files and measures the live heap, after a garbage collection, each time the
// server has written so many bytes; never if often is 0.
func watchListing(b *testing.B, h http.Handler, depth string, often int64) *watched {
	r := httptest.NewRequest("PROPFIND", "/files/", nil)
	r.Header.Set("Depth", depth)
	w, seen := &discard{header: http.Header{}}, &watched{}
	runtime.GC()
	before, start := liveHeap(), time.Now()
	var looked int64
	w.write = func() {
		if seen.first == 0 {
			seen.first = time.Since(start)
		}
		if often == 0 || w.bytes-looked < often {
			return
		}
		looked = w.bytes
		runtime.GC()
		if now := liveHeap(); now > before {
			seen.peak = max(seen.peak, now-before)
		}
	}
	h.ServeHTTP(w, r)
	if w.status != http.StatusMultiStatus {
		b.Fatalf("PROPFIND = %d", w.status)
	}
	return seen
}

func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// manyFiles creates a directory with n empty files in /files.
func manyFiles(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	fillWithEmpty(b, filepath.Join(dir, "files"), n)
	return dir
}

func memberName(i int) string { return fmt.Sprintf("file-%07d.txt", i) }
