package bench

import (
	"fmt"
	"path/filepath"
	"testing"

	"dav207/fsbackend/memory"
	"dav207/integration/harness"
	"dav207/server"
)

const sixNamed = `<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/><getetag/><getcontenttype/><displayname/></prop></propfind>`

// queries are the bodies of PROPFIND.
var queries = []struct{ name, body string }{{"allprop", ""}, {"named", sixNamed}}

// BenchmarkPropfind lists a collection with Depth 1 without a connection, with dav207 and x/net on
// the same directory.
func BenchmarkPropfind(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		onDisk := filled(b, n, false)
		for _, tree := range []string{"disk", "memory"} {
			for _, query := range queries {
				for _, c := range contestants {
					b.Run(fmt.Sprintf("%d/%s/%s/%s", n, tree, query.name, c.name), func(b *testing.B) {
						if n > 1000 && testing.Short() {
							b.Skip("10,000 files")
						}
						dir := ""
						if tree == "disk" {
							dir = onDisk()
						}
						h := c.handler(b, dir)
						if tree == "memory" {
							fill(b, h, n, false)
						}
						b.ReportAllocs()
						var bytes int64
						for b.Loop() {
							bytes = serve(b, h, 207, "PROPFIND", "/files/", query.body, "Depth", "1").bytes
						}
						b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n+1), "ns/entry")
						b.ReportMetric(float64(bytes)/float64(n+1), "B/entry")
					})
				}
			}
		}
	}
}

// BenchmarkFormats lists a collection of 1000 files as JSON and as XML: in memory without a
// connection, where the difference is the largest, and on a disk over one.
func BenchmarkFormats(b *testing.B) {
	formats := []string{"application/xml", "application/json"}
	for _, query := range queries {
		b.Run("memory/"+query.name, func(b *testing.B) {
			h := server.New(memory.New(nil).Backend(), nil)
			fill(b, h, 1000, false)
			compareFormats(b, func(i int) error {
				serve(b, h, 207, "PROPFIND", "/files/", query.body, "Depth", "1", "Accept", formats[i])
				return nil
			})
		})
		b.Run("disk/"+query.name, func(b *testing.B) {
			c := dial(b, durable(b, filled(b, 1000, false)()), 1)[0]
			compareFormats(b, func(i int) error {
				_, err := c.do("PROPFIND", "/files/", query.body, "Depth", "1", "Accept", formats[i])
				return err
			})
		})
	}
}

// compareFormats contests a listing of 1000 files in both formats.
func compareFormats(b *testing.B, list func(format int) error) {
	contest(b, "entry", 1000,
		side{name: "xml", run: func() error { return list(0) }},
		side{name: "json", run: func() error { return list(1) }})
}

// BenchmarkListing lists a collection with Depth 1 over 1 and 4 connections: dav207 with durable
// state, x/net, and bare readdir and stat calls.
func BenchmarkListing(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		onDisk := filled(b, n, false)
		for _, query := range queries {
			for _, conns := range []int{1, 4} {
				b.Run(fmt.Sprintf("%d/%s/conns=%d", n, query.name, conns), func(b *testing.B) {
					if n > 1000 && testing.Short() {
						b.Skip("10,000 files")
					}
					dir := onDisk()
					ours, theirs := dial(b, durable(b, dir), conns), dial(b, xnet(dir), conns)
					times := max(1, 1000/n) // one listing of 100 files would be too short to measure
					list := func(c *conn, _, _ int) error {
						_, err := c.do("PROPFIND", "/files/", query.body, "Depth", "1")
						return err
					}
					contest(b, "entry", n*times*conns,
						side{name: "dav207", run: func() error { return parallel(ours, times, list) }},
						side{name: "xnet", run: func() error { return parallel(theirs, times, list) }},
						side{name: "bare", bare: true, run: func() error {
							return parallel(ours, times, func(*conn, int, int) error { return statAll(filepath.Join(dir, "files")) })
						}})
				})
			}
		}
	}
}

// BenchmarkDeadProperties lists 1,000 files with durable state: without dead properties, and with
// two on each file.
func BenchmarkDeadProperties(b *testing.B) {
	const n = 1000
	dir := manyFiles(b, n)
	files, state := harness.DiskTree(b, dir, nil), durableState(b)
	setTwo(b, state.Props, "/files", n)
	without, with := durable(b, dir), server.New(files, state)
	list := func(conns []*conn) func() error {
		return func() error {
			return parallel(conns, 1, func(c *conn, _, _ int) error {
				_, err := c.do("PROPFIND", "/files/", "", "Depth", "1")
				return err
			})
		}
	}
	contest(b, "entry", n, side{name: "none", run: list(dial(b, without, 1))}, side{name: "two", run: list(dial(b, with, 1))})
}
