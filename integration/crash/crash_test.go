package crash

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dav207/integration/harness"
	"dav207/server/resource"
)

var (
	crashes   = flag.Int("crash", 0, "how often TestCrash kills the server (0: 20 times, with -short 5 times)")
	crashSeed = flag.Uint64("crash-seed", 0, "which requests TestCrash makes (0: others each time)")
)

// TestCrash kills the command while clients are at work, again and again on one directory, and
// compares what is there afterwards with what was answered. Six clients have a collection each, and
// two more that they share.
func TestCrash(t *testing.T) {
	rounds := *crashes
	switch {
	case rounds > 0:
	case testing.Short():
		rounds = 5
	default:
		rounds = 20
	}
	seed := *crashSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-crash=%d -crash-seed=%d", rounds, seed)
	a := newCrashHarness(t, t.TempDir(), seed)
	for a.rounds < rounds && !t.Failed() {
		a.restart(lockLate)
		m := a.killPoint()
		a.runClients(load{most: 3 << 20, favour: m.favour}, &m)
	}
	if !t.Failed() {
		a.restart(lockLate)
		a.runClients(load{most: 3 << 20}, nil)
		a.restart(0) // it had time to write all of it down
		a.server.Stop()
	}
	n := 0
	for _, l := range a.histories() {
		n += l.sent
	}
	t.Logf("%d requests, %d of them without an answer", n, a.unanswered)
}

// crashHarness is a directory that the command serves, with what its clients know of it.
type crashHarness struct {
	testing.TB
	dir     string
	seed    uint64
	r       *rand.Rand
	strace  string
	own     []*history // of one client each
	shared  []*history
	durable bool // the command keeps dead properties and locks

	server *harness.Process
	rounds int
	ended  time.Time // the server lived until then, or longer

	unanswered int
}

func newCrashHarness(t testing.TB, dir string, seed uint64) *crashHarness {
	a := &crashHarness{TB: t, dir: dir, seed: seed, r: rand.New(rand.NewPCG(seed, 0)), durable: keepsState(t), strace: findStrace(t)}
	for i := range 6 {
		a.own = append(a.own, newHistory(fmt.Sprint("/c", i), seed, uint64(1+i)))
	}
	for i := range 2 {
		a.shared = append(a.shared, newHistory(fmt.Sprint("/shared", i), seed, uint64(100+i)))
	}
	for _, l := range a.histories() {
		if err := os.Mkdir(filepath.Join(dir, l.dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a *crashHarness) histories() []*history {
	return append(append([]*history{}, a.own...), a.shared...)
}

// keepsState reports whether the command has a state file.
func keepsState(t testing.TB) bool {
	path, err := harness.Program()
	if err != nil {
		t.Fatal(err)
	}
	help, err := exec.Command(path, "help", "serve").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(help), "--state")
}

// restart starts the server on what the last one left, and compares.
func (a *crashHarness) restart(late time.Duration) {
	for a.r.IntN(4) == 0 { // killed before it was quite there
		a.age()
		p := prepare(a.TB, a.dir)
		if err := p.Cmd.Start(); err != nil {
			a.Fatal(err)
		}
		time.Sleep(time.Duration(a.r.IntN(100)) * time.Millisecond)
		p.Kill()
	}
	a.age()
	a.server = harness.Launch(a.TB, a.dir)
	a.server.Client.Transport = &http.Transport{MaxIdleConnsPerHost: 16}
	a.server.Client.Timeout = time.Minute
	for wait := 0; harness.CountTemps(a, a.dir) > 0; wait++ { // it cleans up while it serves
		if wait == 500 {
			harness.NoTemps(a, a.dir)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	a.compare(durability{state: a.durable, late: late})
}

// age makes the temp files of the last server older than a minute: younger ones are not removed.
func (a *crashHarness) age() {
	old := time.Now().Add(-time.Hour)
	err := filepath.Walk(a.dir, func(name string, info os.FileInfo, err error) error {
		if err == nil && resource.Aside(info.Name()) {
			err = os.Chtimes(name, old, old)
		}
		return err
	})
	if err != nil {
		a.Fatal(err)
	}
}

// compare fails the test if what is there is not what clients can expect.
func (a *crashHarness) compare(k durability) {
	all, err := a.look("/")
	if err != nil {
		a.Fatal(err)
	}
	for dir, f := range all {
		for _, l := range a.histories() {
			if l.dir != dir {
				continue
			}
			if name, problem := l.checkHistory(f, a.ended, k); problem != "" {
				a.Errorf("after crash %d %s%s %s\n%s", a.rounds, dir, name, problem, l.opsOn(name))
			}
			if l.open != nil {
				a.unanswered++
			}
			l.adopt(f)
			a.useLocks(l)
		}
	}
}

// useLocks makes sure that locks are of use to who has their token, and to nobody else.
func (a *crashHarness) useLocks(l *history) {
	for token, h := range l.locks {
		name := l.dir + h.root
		if got := a.server.Do("PROPPATCH", name, setDead("")).Status; got != http.StatusLocked {
			a.Errorf("after crash %d PROPPATCH of %s without the token = %d, want 423\n%s", a.rounds, name, got, l.opsOn(h.root))
		}
		if got := a.server.Do("LOCK", name, "", "If", "(<"+token+">)", "Timeout", "Second-3600").Status; got != http.StatusOK {
			a.Errorf("after crash %d refreshing %s of %s = %d, want 200\n%s", a.rounds, token, name, got, l.opsOn(h.root))
		}
	}
}

// client makes requests for a collection of its own, and now and then for one that it shares.
func (a *crashHarness) client(i int, w load, f *killPlan, sending func(method string)) {
	r := rand.New(rand.NewPCG(a.seed, uint64(i)<<32|uint64(a.rounds)))
	for l := a.own[i]; l.sendNext(a.server.Site, a.rounds, w, f, sending); {
		if l = a.own[i]; r.IntN(4) == 0 {
			l = a.shared[r.IntN(len(a.shared))]
		}
	}
}

// prepare is launch without starting anything.
func prepare(t testing.TB, args ...string) *harness.Process {
	t.Helper()
	return harness.PrepareUnder(t, nil, args...)
}
