package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"dav207/integration/harness"
)

// TestHostile runs the command with a configuration for several people. Clients attack it in every
// way that we know, the configuration changes all the time, and now and then it is wrong. Meanwhile
// one user works: each of her answers must be right and come in time. When the attackers have left,
// memory, handles, temp files and goroutines are what they were, and a restart has lost nothing
// that she was answered. It takes ten seconds, or as long as -soak says.
func TestHostile(t *testing.T) {
	long := *soak
	if long == 0 {
		long = 10 * time.Second
	}
	t.Run("plain", func(t *testing.T) { hostileSoak(t, false, long/2) })
	t.Run("TLS", func(t *testing.T) { hostileSoak(t, true, long/2) })
}

// hostile is a running command with its attackers.
type hostile struct {
	*harness.Process
	dir     string
	tls     bool
	long    time.Duration // the attack
	seed    uint64
	ctx     context.Context // ends with the attack, and cuts all connections of the attackers
	end     func()
	answers answers
	faults  atomic.Int32
}

// Errorf fails the test. Of many faults the first ones are logged.
func (h *hostile) Errorf(format string, args ...any) {
	h.Helper()
	if h.faults.Add(1) <= 50 {
		h.Process.Errorf(format, args...)
	}
}

// hostilePasswords are those of the users.
var hostilePasswords = map[string]string{"ann": "Correct horse", "mallory": "m", "trudy": "t"}

func hostileSoak(t *testing.T, tls bool, long time.Duration) {
	h := &hostile{dir: t.TempDir(), tls: tls, long: long, seed: uint64(time.Now().UnixNano())}
	h.ctx, h.end = context.WithCancel(t.Context())
	t.Logf("seed %d", h.seed)
	h.prepare(t)
	h.launch(t)
	ann := newHonest(h)
	for range 50 { // warm up
		ann.step()
	}
	h.visit()
	gauges := h.gauges()
	begin := readAll(gauges)
	h.attack(ann, long)

	rest := time.Now().Add(min(max(long/30, 2*time.Second), time.Minute))
	for n := 0; time.Now().Before(rest) || n < 200; n++ {
		ann.step()
	}
	h.compare(ann, gauges, begin)
	t.Logf("%sthe most resident memory: %d MiB\nrequests of ann: %d, the slowest, %s, took %v\nanswers of the attackers:\n%s", h.table(gauges, begin), harness.MostResidentKiB(h.Cmd.Process.Pid)>>10, ann.sent, ann.slowestOne, ann.slowest, h.answers.String())
	harness.NoTemps(t, h.dir)
	ann.checkAll()
	h.dump()

	h.launch(t)
	ann.checkAll()
	for range 50 {
		ann.step()
	}
	h.Stop()
}

// prepare makes the directories, the users and the first configuration.
func (h *hostile) prepare(t *testing.T) {
	if _, err := harness.Program(); err != nil { // before TMPDIR changes
		t.Fatal(err)
	}
	for _, name := range []string{"photos", "music", "home/ann", "home/mallory", "home/trudy", "drop", "extra", "tmp"} {
		if err := os.MkdirAll(filepath.Join(h.dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", filepath.Join(h.dir, "tmp"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(h.dir, "certificate"))
	if err := os.WriteFile(filepath.Join(h.dir, "music", "big"), []byte(contentOf(hostileBig)), 0o666); err != nil {
		t.Fatal(err)
	}
	var users strings.Builder
	for name, password := range hostilePasswords {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&users, "%s:%s\n", name, hash)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "users"), []byte(users.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h.configure(t, 1)
}

// hostileBig is the content of /music/big.
const hostileBig = "large:16000000"

// configure writes the configuration number n. Mounts, rules and quotas change; /photos and the
// rights of ann stay.
func (h *hostile) configure(t testing.TB, n int) {
	at := func(every int, yes, no string) string {
		if n%every == 0 {
			return yes
		}
		return no
	}
	text := "users: DIR/users\nstate: DIR/state.db\nguests: read\ndepth-infinity: allow\n" +
		map[bool]string{true: "tls-self-signed: true\n"}[h.tls] +
		"mounts:\n  /photos: DIR/photos\n" +
		"  /music: {dir: DIR/music" + at(3, ", read-only: true", "") + "}\n" +
		"  /home/{user}: {dir: \"DIR/home/{user}\", quota: " + at(2, "64MB", "65MB") + "}\n" +
		"  /drop: {dir: DIR/drop, quota: " + at(5, "24MB", "32MB") + "}\n" +
		at(2, "  /extra: DIR/extra\n", at(3, "  /photos/inner: DIR/extra\n", "")) +
		"groups:\n  family: [ann]\n  others: [mallory, trudy]\n" +
		"rules:\n  - {who: everybody, allow: read}\n" +
		"  - {who: '@family', allow: write, path: /photos/**}\n" +
		"  - {who: '@others', allow: all, path: /drop/**}\n" +
		at(7, "  - {who: mallory, deny: lock, path: /drop/**}\n", "") +
		at(4, "  - {who: guests, hide: true, path: /drop/**}\n", "")
	if n%10 == 9 {
		broken := []string{"unknown: key\n", "\t- :\n", "rules: []\n", "  - {who: '@none', allow: read}\n", "mounts: {/: DIR}\n"}
		text += broken[n/10%len(broken)]
	}
	text = strings.ReplaceAll(text, "DIR", h.dir)
	file := filepath.Join(h.dir, "conf.yaml")
	if err := os.WriteFile(file+"~", []byte(text), 0o600); err != nil {
		t.Error(err)
	}
	if err := os.Rename(file+"~", file); err != nil {
		t.Error(err)
	}
}

func (h *hostile) launch(t *testing.T) {
	h.Process = harness.Launch(t, "--config", filepath.Join(h.dir, "conf.yaml"), "--log-level", "warn")
}

// visit has each user open her tree, which takes a handle.
func (h *hostile) visit() {
	for i, user := range []string{"mallory", "trudy"} {
		c := h.client(200+i, user)
		c.name = "visit"
		c.do("PROPFIND", "/home/"+user+"/", nil, "Depth", "1")
		c.http.CloseIdleConnections()
	}
}

// attack runs the attackers, the honest user, and the changes of the configuration.
func (h *hostile) attack(ann *honest, long time.Duration) {
	var wg sync.WaitGroup
	end := time.Now().Add(long)
	for i, attack := range hostileAttacks {
		if attack.tls && !h.tls {
			continue
		}
		for k := range max(attack.times, 1) {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(h.seed, uint64(i*100+k)))
				c := h.client(2+i, []string{"mallory", "trudy", ""}[k%3])
				defer c.http.CloseIdleConnections()
				for h.ctx.Err() == nil {
					c.name = attack.name
					attack.run(c, r)
				}
			})
		}
	}
	wg.Go(func() {
		every := min(time.Second, long/50)
		for n := 2; time.Now().Before(end); n++ {
			h.configure(h, n)
			if err := h.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
				h.Error(err)
			}
			time.Sleep(every)
		}
		h.configure(h, 1)
		if err := h.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
			h.Error(err)
		}
	})
	for time.Now().Before(end) && h.faults.Load() < 100 {
		ann.step()
	}
	h.end()
	wg.Wait()
}

// gauges are what must be at the end what it was at the beginning.
func (h *hostile) gauges() []gauge {
	pid := h.Cmd.Process.Pid
	slack := 64
	if h.long < time.Minute {
		slack = 256 // the runtime gives memory back at its leisure
	}
	if harness.HasRaceDetector() {
		slack = 8 << 10 // which keeps what it has taken
	}
	return []gauge{
		{"handles", 4, func() int { return count(h, fmt.Sprintf("/proc/%d/fd", pid)) }},
		{"memory MiB", slack, func() int { return harness.AnonymousKiB(pid) >> 10 }},
		{"threads", 64, func() int { return count(h, fmt.Sprintf("/proc/%d/task", pid)) }},
		{"state MiB", 256, func() int { return size(h, filepath.Join(h.dir, "state.db")) >> 20 }},
		{"temp files", 0, func() int { return harness.CountTemps(h, h.dir) + count(h, filepath.Join(h.dir, "tmp")) }},
	}
}

func readAll(gauges []gauge) (values []int) {
	for _, g := range gauges {
		values = append(values, g.read())
	}
	return values
}

// compare waits until each gauge is back. Meanwhile ann works, which makes the runtime collect its
// garbage.
func (h *hostile) compare(ann *honest, gauges []gauge, begin []int) {
	for i, g := range gauges {
		now := g.read()
		for end := time.Now().Add(time.Minute); now > begin[i]+g.slack && time.Now().Before(end); now = g.read() {
			ann.step()
		}
		if now > begin[i]+g.slack {
			h.Errorf("%s: %d at the beginning, %d at the end", g.name, begin[i], now)
		}
	}
}

func (h *hostile) table(gauges []gauge, begin []int) string {
	var b strings.Builder
	for i, g := range gauges {
		fmt.Fprintf(&b, "%s: %d at the beginning, %d at the end\n", g.name, begin[i], g.read())
	}
	return b.String()
}

// hostileGoroutines is how many an idle server may have.
const hostileGoroutines = 40

var goroutineLine = regexp.MustCompile(`(?m)^goroutine \d+ `)

// dump kills the server, which prints its goroutines.
func (h *hostile) dump() {
	stacks := h.Quit()
	n := len(goroutineLine.FindAllString(stacks, -1))
	h.Logf("goroutines at the end: %d", n)
	if n == 0 || n > hostileGoroutines {
		h.Errorf("%d goroutines are left, want at most %d\n%.100000s", n, hostileGoroutines, stacks)
	}
}
