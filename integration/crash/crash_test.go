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
	"dav207/server/davpath"
)

var (
	crashes   = flag.Int("crash", 0, "how often TestCrash kills the server (0: 20 times, with -short 5 times)")
	crashSeed = flag.Uint64("crash-seed", 0, "which requests TestCrash makes (0: others each time)")
)

// TestCrash kills the command while clients send requests, repeatedly on one directory, and
// compares the tree after each restart with the answers. Six clients have a collection each, and
// share two more.
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
		a.restart(0) // after a clean stop no lock may be lost
		a.server.Stop()
	}
	n := 0
	for _, l := range a.histories() {
		n += l.sent
	}
	t.Logf("%d requests, %d of them without an answer", n, a.unanswered)
}

// crashHarness is a directory that the command serves, and the histories of its clients.
type crashHarness struct {
	testing.TB
	dir     string
	seed    uint64
	r       *rand.Rand
	strace  string
	own     []*history // of one client each
	shared  []*history
	durable bool // the command keeps dead properties and locks over a restart

	server *harness.Process
	rounds int
	ended  time.Time // when the last answer of the server came

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

// restart starts the server again and compares the tree with the histories.
func (a *crashHarness) restart(late time.Duration) {
	for a.r.IntN(4) == 0 { // kill it while it starts
		a.ageTemps()
		p := prepare(a.TB, a.dir)
		if err := p.Cmd.Start(); err != nil {
			a.Fatal(err)
		}
		time.Sleep(time.Duration(a.r.IntN(100)) * time.Millisecond)
		p.Kill()
	}
	a.ageTemps()
	a.server = harness.Launch(a.TB, a.dir)
	a.server.Client.Transport = &http.Transport{MaxIdleConnsPerHost: 16}
	a.server.Client.Timeout = time.Minute
	for wait := 0; harness.CountTemps(a, a.dir) > 0; wait++ { // the server cleans up in the background
		if wait == 500 {
			harness.NoTemps(a, a.dir)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	a.compare(durability{state: a.durable, late: late})
}

// ageTemps makes all temp files older than a minute, because the server keeps younger ones.
func (a *crashHarness) ageTemps() {
	old := time.Now().Add(-time.Hour)
	err := filepath.Walk(a.dir, func(name string, info os.FileInfo, err error) error {
		if err == nil && davpath.IsTemp(info.Name()) {
			err = os.Chtimes(name, old, old)
		}
		return err
	})
	if err != nil {
		a.Fatal(err)
	}
}

// compare fails the test if the tree and the locks contradict a history.
func (a *crashHarness) compare(k durability) {
	all, err := a.readTree("/")
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

// useLocks checks that a lock refuses requests without its token and can be refreshed with it.
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

// client sends requests for its own collection, and sometimes for a shared one.
func (a *crashHarness) client(i int, w load, f *killPlan, sending func(method string)) {
	r := rand.New(rand.NewPCG(a.seed, uint64(i)<<32|uint64(a.rounds)))
	for l := a.own[i]; l.sendNext(a.server.Site, a.rounds, w, f, sending); {
		if l = a.own[i]; r.IntN(4) == 0 {
			l = a.shared[r.IntN(len(a.shared))]
		}
	}
}

// prepare returns the command without starting it.
func prepare(t testing.TB, args ...string) *harness.Process {
	t.Helper()
	return harness.PrepareUnder(t, nil, args...)
}
