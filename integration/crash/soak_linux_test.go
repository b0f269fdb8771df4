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
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"dav207/integration/harness"
	"dav207/server"
)

var soak = flag.Duration("soak", 0, "how long TestSoak takes (0: it is skipped)")

// soakSamples is how often is looked at what the server uses, in each half of the test.
const soakSamples = 15

// TestSoak has well-behaved and other clients work for a long time, and looks now and then, when
// all are silent, at what the server uses. What only ever grows is a leak. For the first half that
// is the command, from outside; for the second half the server is in this process, where its
// goroutines and its heap can be counted.
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
			{"RSS KiB", 16 << 10, func() int { return resident(t, pid) }},
			{"state KiB", 1 << 10, func() int { return size(t, filepath.Join(a.dir, ".dav207")) >> 10 }},
		})
		a.server.Stop()
	})
	t.Run("in process", func(t *testing.T) {
		a := newCrashHarness(t, t.TempDir(), uint64(time.Now().UnixNano()))
		log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
		a.server = &harness.Process{Site: harness.Serve(t, harness.DiskTree(t, a.dir), &server.Options{Logger: log})}
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

// gauge is something that is looked at. It may grow by slack from one third of the time to the
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
		a.work(*soak / 2 / (soakSamples + 1))
		requests := 0
		for _, l := range a.histories() {
			requests += l.sent
			l.past = nil // the test itself is not to grow
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
	a.Logf("what the server uses when nobody asks for anything:\n%s", table.String())
	for i, g := range gauges {
		if third := thirds(samples[i]); onlyGrows(third, g.slack) {
			a.Errorf("%s only grow: %v at the start, in the middle, and at the end", g.name, third)
		}
	}
	if got := a.server.Tree("/broken"); len(got) > 2 {
		a.Errorf("of uploads that were broken off there is %v", got)
	}
}

// settled reads a gauge when the server has noticed that its clients have gone.
func settled(g gauge, before []int) int {
	least := g.read()
	for wait := 0; wait < 120 && len(before) > 0 && least > slices.Min(before)+g.slack/2; wait++ {
		time.Sleep(100 * time.Millisecond)
		least = min(least, g.read())
	}
	return least
}

// thirds returns the medians of the thirds of some samples, of which the first is left out: the
// server is warming up.
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

// TestOnlyGrows makes sure that a leak is seen.
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

// work has all clients at work for a time.
func (a *crashHarness) work(d time.Duration) {
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

// resident returns the memory that a process has, in KiB.
func resident(t testing.TB, pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Error(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest + " 0")[0])
	if err != nil {
		t.Error(err)
	}
	return n
}

// size returns how large the files below a directory are, which need not be there.
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
