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

// growing is a request whose cost is watched while something grows.
type growing struct {
	name  string
	thing string // what the cost is given for: "member", or "request" where members should not matter
	most  int    // beyond it takes too long
	setup func(b *testing.B, n int) (run, undo func())
}

// BenchmarkGrowth shows how the cost of a request grows with the members of a collection, with the
// properties in the store or with the locks: from a hundred of them, ten times as many at a time,
// up to 10,000 with -short. A figure that stays the same from line to line is a curve that is
// linear (per member) or flat (per request). Where others use the machine, too, the processor time
// is the steadier one; "bare" is what the file system alone takes.
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
				run() // what is new is not measured
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

// requestsPerRun is how many requests a run makes whose cost is given for one: alone it would be
// too short to be measured.
const requestsPerRun = 20

// grown is a directory with n files in /files, served as the command does it.
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
	g.Handler = server.New(harness.DiskTree(b, g.dir), g.o)
	if properties {
		g.give("/files")
	}
	return g
}

// give gives the members two properties each.
func (g *grown) give(dir string) { giveTwo(g.b, g.o.Props, dir, g.n) }

// lock locks one member, so that each of them is asked about, and returns the If header with its
// token.
func (g *grown) lock() string {
	name := "/files/" + memberName(0)
	return "<" + name + "> (" + bench(g.b, g, 200, "LOCK", name, harness.LockBody, "Timeout", "Second-3600").header.Get("Lock-Token") + ")"
}

func growListing(properties bool) func(*testing.B, int) (run, undo func()) {
	return func(b *testing.B, n int) (run, undo func()) {
		g := growFiles(b, n, properties)
		return func() { bench(b, g, 207, "PROPFIND", "/files/", "", "Depth", "1") }, func() {}
	}
}

func growBareListing(b *testing.B, n int) (run, undo func()) {
	dir := filepath.Join(manyFiles(b, n), "files")
	return func() {
		if err := lookAtAll(dir); err != nil {
			b.Fatal(err)
		}
	}, func() {}
}

func growCopy(properties bool) func(*testing.B, int) (run, undo func()) {
	return func(b *testing.B, n int) (run, undo func()) {
		g := growFiles(b, n, properties)
		return func() { bench(b, g, 201, "COPY", "/files/", "", "Destination", "/copy/") },
			func() { bench(b, g, 204, "DELETE", "/copy/", "") }
	}
}

func growMove(properties bool) func(*testing.B, int) (run, undo func()) {
	return func(b *testing.B, n int) (run, undo func()) {
		g := growFiles(b, n, properties)
		there := func() { bench(b, g, 201, "MOVE", "/files/", "", "Destination", "/moved/") }
		back := func() { bench(b, g, 201, "MOVE", "/moved/", "", "Destination", "/files/") }
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
	return func() { bench(b, g, 201, "MOVE", "/files/", "", "Destination", "/moved/", "If", token) },
		func() {
			bench(b, g, 201, "MOVE", "/moved/", "", "Destination", "/files/")
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
		return func() { bench(b, g, 204, "DELETE", "/files/", "", header...) },
			func() {
				fillWithEmpty(b, filepath.Join(g.dir, "files"), n)
				if properties {
					g.give("/files")
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

// growPatch changes the properties of some members, while all have some.
func growPatch(b *testing.B, n int) (run, undo func()) {
	g := growFiles(b, n, true)
	value := 0
	return func() {
		for range requestsPerRun {
			value++
			bench(b, g, 207, "PROPPATCH", "/files/"+memberName(value*7919%n), twoProperties(value))
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
			token := bench(b, h, 200, "LOCK", target, harness.LockBody, "Depth", depth).header.Get("Lock-Token")
			bench(b, h, 204, "UNLOCK", target, "", "Lock-Token", token)
		}
	}
}

// growLocksBelow locks a collection all of whose members are locked, which is refused with the name
// of each.
func growLocksBelow(b *testing.B, n int) (run, undo func()) {
	g := growFiles(b, n, false)
	lockAll(b, g.o, n, func(i int) string { return "/files/" + memberName(i) })
	return func() { bench(b, g, 207, "LOCK", "/files/", harness.LockBody) }, func() {}
}

// fillWithEmpty makes a directory of n empty files.
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
