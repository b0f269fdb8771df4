package bench

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dav207/integration/harness"
	"dav207/server"
)

// growing is a request whose cost is measured while something grows.
type growing struct {
	name  string
	thing string // unit of the cost: "member", or "request" if it should not depend on the members
	most  int    // the largest n; more takes too long
	setup func(b *testing.B, n int) (run, undo func())
}

// BenchmarkGrowth measures how the cost of a request grows with the members of a collection, the
// properties in the store or the locks. n starts at 100 and grows tenfold, up to 10,000 with
// -short. A figure that stays the same from line to line means linear growth (per member) or
// constant cost (per request). On a busy machine the processor time is the more reliable figure.
// "bare" is the file system alone.
func BenchmarkGrowth(b *testing.B) {
	const million = 1_000_000
	for _, g := range []growing{
		{"PROPFIND", "member", million, growListing(false)},
		{"PROPFIND/bare", "member", million, growBareListing},
		{"PROPFIND/properties", "member", million / 10, growListing(true)},
		{"COPY", "member", million / 10, growCopy(false)},
		{"COPY/properties", "member", million / 10, growCopy(true)},
		{"MOVE", "request", million / 10, growMove(false)},
		{"MOVE/properties", "member", million / 10, growMove(true)},
		{"MOVE/locked", "member", million / 10, growMoveLocked},
		{"DELETE", "member", million / 10, growDelete(false, false)},
		{"DELETE/bare", "member", million / 10, growBareDelete},
		{"DELETE/properties", "member", million / 10, growDelete(true, false)},
		{"DELETE/locked", "member", million / 10, growDelete(false, true)},
		{"PROPPATCH", "request", million, growPatch},
		{"LOCK/elsewhere", "request", million, growLocksElsewhere},
		{"LOCK/collection", "request", million / 10, growLockedCollection},
		{"LOCK/refused", "member", million / 10, growLocksBelow},
	} {
		for n := 100; n <= g.most; n *= 10 {
			if n > 10_000 && testing.Short() {
				break
			}
			b.Run(fmt.Sprintf("%s/n=%d", g.name, n), func(b *testing.B) {
				run, undo := g.setup(b, n)
				run() // warm up, not measured
				undo()
				b.ReportAllocs()
				var worked time.Duration
				for b.Loop() {
					before := processorTime()
					run()
					worked += processorTime() - before
					b.StopTimer()
					undo()
					b.StartTimer()
				}
				things := float64(b.N) * requestsPerRun
				if g.thing == "member" {
					things = float64(b.N) * float64(n)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/things, "ns/"+g.thing)
				if worked > 0 {
					b.ReportMetric(float64(worked.Nanoseconds())/things, "cpu-ns/"+g.thing)
				}
			})
		}
	}
}

// requestsPerRun is the number of requests in a run whose cost is per request. A single one would
// be too short to measure.
const requestsPerRun = 20

// grown serves a directory with n files in /files as the command does.
type grown struct {
	*server.Handler
	b   *testing.B
	dir string
	n   int
	o   *server.Options
}

func growFiles(b *testing.B, n int, properties bool) *grown {
	b.Helper()
	g := &grown{b: b, dir: manyFiles(b, n), n: n, o: durableState(b)}
	g.Handler = server.New(harness.DiskTree(b, g.dir, nil), g.o)
	if properties {
		g.setProperties("/files")
	}
	return g
}

// setProperties sets two properties on each member.
func (g *grown) setProperties(dir string) { setTwo(g.b, g.o.Props, dir, g.n) }

// lock locks one member, so that the server has to check the locks of all, and returns an If header
// with the token.
func (g *grown) lock() string {
	name := "/files/" + memberName(0)
	return "<" + name + "> (" + serve(g.b, g, 200, "LOCK", name, harness.LockBody, "Timeout", "Second-3600").header.Get("Lock-Token") + ")"
}

func growListing(properties bool) func(*testing.B, int) (run, undo func()) {
	return func(b *testing.B, n int) (run, undo func()) {
		g := growFiles(b, n, properties)
		return func() { serve(b, g, 207, "PROPFIND", "/files/", "", "Depth", "1") }, func() {}
	}
}

func growBareListing(b *testing.B, n int) (run, undo func()) {
	dir := filepath.Join(manyFiles(b, n), "files")
	return func() {
		if err := statAll(dir); err != nil {
			b.Fatal(err)
		}
	}, func() {}
}

func growCopy(properties bool) func(*testing.B, int) (run, undo func()) {
	return func(b *testing.B, n int) (run, undo func()) {
		g := growFiles(b, n, properties)
		return func() { serve(b, g, 201, "COPY", "/files/", "", "Destination", "/copy/") },
			func() { serve(b, g, 204, "DELETE", "/copy/", "") }
	}
}

func growMove(properties bool) func(*testing.B, int) (run, undo func()) {
	return func(b *testing.B, n int) (run, undo func()) {
		g := growFiles(b, n, properties)
		there := func() { serve(b, g, 201, "MOVE", "/files/", "", "Destination", "/moved/") }
		back := func() { serve(b, g, 201, "MOVE", "/moved/", "", "Destination", "/files/") }
		if properties {
			return there, back
		}
		return func() {
			for range requestsPerRun / 2 {
				there()
				back()
			}
		}, func() {}
	}
}

func growMoveLocked(b *testing.B, n int) (run, undo func()) {
	g := growFiles(b, n, false)
	token := g.lock()
	return func() { serve(b, g, 201, "MOVE", "/files/", "", "Destination", "/moved/", "If", token) },
		func() {
			serve(b, g, 201, "MOVE", "/moved/", "", "Destination", "/files/")
			token = g.lock()
		}
}

func growDelete(properties, locked bool) func(*testing.B, int) (run, undo func()) {
	return func(b *testing.B, n int) (run, undo func()) {
		g := growFiles(b, n, properties)
		var header []string
		lock := func() {
			if locked {
				header = []string{"If", g.lock()}
			}
		}
		lock()
		return func() { serve(b, g, 204, "DELETE", "/files/", "", header...) },
			func() {
				fillWithEmpty(b, filepath.Join(g.dir, "files"), n)
				if properties {
					g.setProperties("/files")
				}
				lock()
			}
	}
}

func growBareDelete(b *testing.B, n int) (run, undo func()) {
	dir := filepath.Join(manyFiles(b, n), "files")
	return func() {
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
	}, func() { fillWithEmpty(b, dir, n) }
}

// growPatch changes the properties of some members; all members have properties.
func growPatch(b *testing.B, n int) (run, undo func()) {
	g := growFiles(b, n, true)
	value := 0
	return func() {
		for range requestsPerRun {
			value++
			serve(b, g, 207, "PROPPATCH", "/files/"+memberName(value*7919%n), twoProperties(value))
		}
	}, func() {}
}

func growLocksElsewhere(b *testing.B, n int) (run, undo func()) {
	g := growFiles(b, 1, false)
	lockElsewhere(b, g.o, n)
	return lockAndUnlock(b, g, "/files/"+memberName(0), "0"), func() {}
}

// growLockedCollection locks a collection with all its members, none of which is locked.
func growLockedCollection(b *testing.B, n int) (run, undo func()) {
	return lockAndUnlock(b, growFiles(b, n, false), "/files/", "infinity"), func() {}
}

func lockAndUnlock(b *testing.B, h http.Handler, target, depth string) func() {
	return func() {
		for range requestsPerRun {
			token := serve(b, h, 200, "LOCK", target, harness.LockBody, "Depth", depth).header.Get("Lock-Token")
			serve(b, h, 204, "UNLOCK", target, "", "Lock-Token", token)
		}
	}
}

// growLocksBelow sends a LOCK for a collection whose members are all locked. The answer is a 207
// that names each.
func growLocksBelow(b *testing.B, n int) (run, undo func()) {
	g := growFiles(b, n, false)
	lockAll(b, g.o, n, func(i int) string { return "/files/" + memberName(i) })
	return func() { serve(b, g, 207, "LOCK", "/files/", harness.LockBody) }, func() {}
}

// fillWithEmpty creates a directory of n empty files.
func fillWithEmpty(b *testing.B, dir string, n int) {
	b.Helper()
	if err := os.Mkdir(dir, 0o777); err != nil {
		b.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, memberName(i)), nil, 0o666); err != nil {
			b.Fatal(err)
		}
	}
}
