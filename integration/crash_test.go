package integration

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

	"dav207/server/resource"
)

var (
	crashes   = flag.Int("crash", 0, "how often TestCrash kills the server (0: 20 times, with -short 5 times)")
	crashSeed = flag.Uint64("crash-seed", 0, "which requests TestCrash makes (0: others each time)")
)

// TestCrash kills the command while clients are at work, again and again on one directory, and compares what is there
// afterwards with what was answered. Six clients have a collection each, and two more that they share.
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
	a := newArena(t, t.TempDir(), seed)
	for a.rounds < rounds && !t.Failed() {
		a.restart(lockLate)
		m := a.moment()
		a.play(load{most: 3 << 20, favour: m.favour}, &m)
	}
	if !t.Failed() {
		a.restart(lockLate)
		a.play(load{most: 3 << 20}, nil)
		a.restart(0) // it had time to write all of it down
		a.server.stop()
	}
	n := 0
	for _, l := range a.ledgers() {
		n += l.sent
	}
	t.Logf("%d requests, %d of them without an answer", n, a.unanswered)
}

// arena is a directory that the command serves, with what its clients know of it.
type arena struct {
	testing.TB
	dir     string
	seed    uint64
	r       *rand.Rand
	strace  string
	own     []*ledger // of one client each
	shared  []*ledger
	durable bool // the command keeps dead properties and locks

	server *process
	rounds int
	ended  time.Time // the server lived until then, or longer

	unanswered int
}

func newArena(t testing.TB, dir string, seed uint64) *arena {
	a := &arena{TB: t, dir: dir, seed: seed, r: rand.New(rand.NewPCG(seed, 0)), durable: keepsState(t), strace: findStrace(t)}
	for i := range 6 {
		a.own = append(a.own, newLedger(fmt.Sprint("/c", i), seed, uint64(1+i)))
	}
	for i := range 2 {
		a.shared = append(a.shared, newLedger(fmt.Sprint("/shared", i), seed, uint64(100+i)))
	}
	for _, l := range a.ledgers() {
		if err := os.Mkdir(filepath.Join(dir, l.dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a *arena) ledgers() []*ledger { return append(append([]*ledger{}, a.own...), a.shared...) }

// keepsState reports whether the command has a state file.
func keepsState(t testing.TB) bool {
	path, err := program()
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
func (a *arena) restart(late time.Duration) {
	for a.r.IntN(4) == 0 { // killed before it was quite there
		a.age()
		p := prepare(a.TB, a.dir)
		if err := p.cmd.Start(); err != nil {
			a.Fatal(err)
		}
		time.Sleep(time.Duration(a.r.IntN(100)) * time.Millisecond)
		p.kill()
	}
	a.age()
	a.server = launch(a.TB, a.dir)
	a.server.client.Transport = &http.Transport{MaxIdleConnsPerHost: 16}
	a.server.client.Timeout = time.Minute
	for wait := 0; asides(a, a.dir) > 0; wait++ { // it cleans up while it serves
		if wait == 500 {
			noAsides(a, a.dir)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	a.compare(keeps{state: a.durable, late: late})
}

// age makes what the last server left aside older than a minute: until then it is let alone.
func (a *arena) age() {
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
func (a *arena) compare(k keeps) {
	all, err := a.look("/")
	if err != nil {
		a.Fatal(err)
	}
	for dir, f := range all {
		for _, l := range a.ledgers() {
			if l.dir != dir {
				continue
			}
			if name, problem := l.judge(f, a.ended, k); problem != "" {
				a.Errorf("after crash %d %s%s %s\n%s", a.rounds, dir, name, problem, l.history(name))
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
func (a *arena) useLocks(l *ledger) {
	for token, h := range l.locks {
		name := l.dir + h.root
		if got := a.server.do("PROPPATCH", name, setDead("")).Status; got != http.StatusLocked {
			a.Errorf("after crash %d PROPPATCH of %s without the token = %d, want 423\n%s", a.rounds, name, got, l.history(h.root))
		}
		if got := a.server.do("LOCK", name, "", "If", "(<"+token+">)", "Timeout", "Second-3600").Status; got != http.StatusOK {
			a.Errorf("after crash %d refreshing %s of %s = %d, want 200\n%s", a.rounds, token, name, got, l.history(h.root))
		}
	}
}

// client makes requests for a collection of its own, and now and then for one that it shares.
func (a *arena) client(i int, w load, f *fate, sending func(method string)) {
	r := rand.New(rand.NewPCG(a.seed, uint64(i)<<32|uint64(a.rounds)))
	for l := a.own[i]; l.trade(a.server.site, a.rounds, w, f, sending); {
		if l = a.own[i]; r.IntN(4) == 0 {
			l = a.shared[r.IntN(len(a.shared))]
		}
	}
}
