package crash

import (
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"dav207/integration/harness"
	"dav207/server"
)

var soak = flag.Duration("soak", 0, "how long TestSoak and TestHostile take (0: the one is skipped, the other takes ten seconds)")

// soakSamples is the number of samples in each half of the test.
const soakSamples = 15

// TestSoak runs good and bad clients for a long time. Now and then it pauses them and measures the
// resources of the server; a resource that only grows is a leak. In the first half the server is
// the command; in the second half it is in this process, so that goroutines and heap can be
// measured.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("only with -soak=1h or another time")
	}
	t.Run("command", func(t *testing.T) {
		a := newCrashHarness(t, t.TempDir(), uint64(time.Now().UnixNano()))
		a.server = harness.Launch(t, a.dir)
		pid := a.server.Cmd.Process.Pid
		a.soak([]gauge{
			{"handles", 4, func() int { return count(t, fmt.Sprintf("/proc/%d/fd", pid)) }},
			{"threads", 8, func() int { return count(t, fmt.Sprintf("/proc/%d/task", pid)) }},
			{"RSS KiB", 16 << 10, func() int { return harness.ResidentKiB(pid) }},
			{"state KiB", 1 << 10, func() int { return size(t, filepath.Join(a.dir, ".dav207")) >> 10 }},
		})
		a.server.Stop()
	})
	t.Run("in process", func(t *testing.T) {
		a := newCrashHarness(t, t.TempDir(), uint64(time.Now().UnixNano()))
		log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
		a.server = &harness.Process{Site: harness.Serve(t, harness.DiskTree(t, a.dir, nil), &server.Options{Logger: log})}
		a.soak([]gauge{
			{"goroutines", 4, runtime.NumGoroutine},
			{"handles", 4, func() int { return count(t, "/proc/self/fd") }},
			{"heap KiB", 4 << 10, func() int {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				return int(m.HeapAlloc >> 10)
			}},
		})
	})
}

// gauge is a resource that is measured. It may grow by slack from one third of the time to the
// next.
type gauge struct {
	name  string
	slack int
	read  func() int
}

func (a *crashHarness) soak(gauges []gauge) {
	if err := os.Mkdir(filepath.Join(a.dir, "broken"), 0o777); err != nil {
		a.Fatal(err)
	}
	a.server.Want(201, "PUT", "/large", contentOf("large:1500000"))
	a.server.Client.Transport = &http.Transport{MaxIdleConnsPerHost: 16}
	samples := make([][]int, len(gauges))
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "after\trequests\t")
	for _, g := range gauges {
		fmt.Fprint(w, g.name, "\t")
	}
	fmt.Fprintln(w)
	start := time.Now()
	for n := 0; n <= soakSamples && !a.Failed(); n++ {
		a.runFor(*soak / 2 / (soakSamples + 1))
		requests := 0
		for _, l := range a.histories() {
			requests += l.sent
			l.past = nil // the test itself must not grow
		}
		fmt.Fprintf(w, "%v\t%d\t", time.Since(start).Round(time.Second), requests)
		for i, g := range gauges {
			samples[i] = append(samples[i], settled(g, samples[i]))
			fmt.Fprint(w, samples[i][n], "\t")
		}
		fmt.Fprintln(w)
		a.ended = time.Now()
		a.compare(durability{state: true})
		harness.NoTemps(a, a.dir)
	}
	w.Flush()
	a.Logf("resources of the idle server:\n%s", table.String())
	for i, g := range gauges {
		if third := thirds(samples[i]); onlyGrows(third, g.slack) {
			a.Errorf("%s only grow: medians of the thirds are %v", g.name, third)
		}
	}
	if got := a.server.Tree("/broken"); len(got) > 2 {
		a.Errorf("broken uploads left %v", got)
	}
}

// settled reads a gauge repeatedly, until the server has noticed that its clients disconnected.
func settled(g gauge, before []int) int {
	least := g.read()
	for wait := 0; wait < 120 && len(before) > 0 && least > slices.Min(before)+g.slack/2; wait++ {
		time.Sleep(100 * time.Millisecond)
		least = min(least, g.read())
	}
	return least
}

// thirds returns the medians of the thirds of the samples, without the first sample, which is the
// warm-up.
func thirds(samples []int) (third [3]int) {
	samples = samples[min(1, len(samples)):]
	for i := range third {
		part := slices.Clone(samples[i*len(samples)/3 : (i+1)*len(samples)/3])
		slices.Sort(part)
		if len(part) > 0 {
			third[i] = part[len(part)/2]
		}
	}
	return third
}

func onlyGrows(third [3]int, slack int) bool {
	return third[1]-third[0] > slack && third[2]-third[1] > slack
}

// TestOnlyGrows tests that a leak is found.
func TestOnlyGrows(t *testing.T) {
	leak, steady, warm := make([]int, 16), make([]int, 16), make([]int, 16)
	for i := range leak {
		leak[i], steady[i], warm[i] = 100+3*i, 100+i%3, 100+min(i, 5)*10
	}
	for _, tt := range []struct {
		what    string
		samples []int
		want    bool
	}{{"one more for each sample", leak, true}, {"up and down", steady, false}, {"until it is warm", warm, false}, {"none", nil, false}} {
		if got := onlyGrows(thirds(tt.samples), 4); got != tt.want {
			t.Errorf("%s: %v, %v", tt.what, thirds(tt.samples), got)
		}
	}
}

// runFor runs all clients, good and bad, for a time.
func (a *crashHarness) runFor(d time.Duration) {
	var f killPlan
	var wg sync.WaitGroup
	for i := range a.own {
		wg.Go(func() { a.client(i, load{most: 1 << 20}, &f, nil) })
	}
	for i, bad := range badClients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(a.seed, uint64(a.rounds*100+i)))
			for !f.ended.Load() {
				bad(a, r)
			}
		})
	}
	time.Sleep(d)
	f.ended.Store(true)
	wg.Wait()
	a.server.Client.CloseIdleConnections()
	a.rounds++
}

// count returns the number of entries of a directory.
func count(t testing.TB, dir string) int {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	return len(entries)
}

// size returns the total size of the files below a directory, or 0 if it does not exist.
func size(t testing.TB, dir string) (total int) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += int(info.Size())
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	return total
}
