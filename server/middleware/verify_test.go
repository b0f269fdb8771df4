package middleware

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"dav207/server/forwarded"
)

func TestRemember(t *testing.T) {
	d := newDoor(t, "ann", "secret", "bob", "secret")
	for _, step := range []struct {
		rule, name, password string
		after                time.Duration
		status, hashes       int
	}{
		{"the first is hashed", "ann", "secret", 0, 200, 1},
		{"the next is not", "ann", "secret", 0, 200, 0},
		{"a wrong one is", "ann", "wrong", 0, 401, 1},
		{"somebody else's is", "bob", "secret", 0, 200, 1},
		{"use makes it last", "ann", "secret", remember - time.Second, 200, 0},
		{"still", "ann", "secret", remember - time.Second, 200, 0},
		{"it ends", "ann", "secret", remember, 200, 1},
	} {
		d.advance(step.after)
		if got := d.knock(home, step.name, step.password).Code; got != step.status {
			t.Errorf("%s: %d, want %d", step.rule, got, step.status)
		}
		if n := d.hashes(); n != step.hashes {
			t.Errorf("%s: %d hashes, want %d", step.rule, n, step.hashes)
		}
	}

	// What is remembered ends with the hash that it was good for.
	writeUsers(t, d.file, "ann", "changed", "bob", "secret")
	d.advance(lookEvery)
	if got := d.knock(home, "ann", "secret").Code; got != 401 {
		t.Errorf("the old password: %d, want 401", got)
	}
	if got := d.knock(home, "ann", "changed").Code; got != 200 {
		t.Errorf("the new password: %d, want 200", got)
	}
	writeUsers(t, d.file, "bob", "secret")
	d.advance(lookEvery)
	if got := d.knock(home, "ann", "changed").Code; got != 401 {
		t.Errorf("a user who is gone: %d, want 401", got)
	}
}

func TestRememberIsBounded(t *testing.T) {
	v := newVerifier(nil)
	now := time.Now()
	for i := range maxGood + 100 {
		v.remember(v.digest(fmt.Sprint(i)), now)
	}
	last := v.digest(fmt.Sprint(maxGood + 99))
	if _, ok := v.good[last]; len(v.good) != maxGood || !ok {
		t.Errorf("%d are remembered, want %d with the last", len(v.good), maxGood)
	}
}

// A client opens many connections at once: one hash is enough for all.
func TestEqualOnesAreHashedOnce(t *testing.T) {
	for password, want := range map[string]int{"secret": 200, "wrong": 401} {
		d := newDoor(t, "ann", "secret")
		compare, release := d.compare, make(chan struct{})
		d.compare = func(hash, password []byte) error {
			<-release
			return compare(hash, password)
		}
		var done sync.WaitGroup
		for range 50 {
			done.Go(func() {
				if got := d.knock(home, "ann", password).Code; got != want {
					t.Errorf("%s: %d, want %d", password, got, want)
				}
			})
		}
		time.Sleep(50 * time.Millisecond) // not needed for the result, but most of them are waiting then
		close(release)
		done.Wait()
		if n := d.hashes(); n != 1 {
			t.Errorf("%s: %d hashes for 50 requests, want 1", password, n)
		}
	}
}

// Whoever has no password must not learn who is a user from the time that it takes: the work is the same, whatever the cost of
// the user's hash. bcrypt's work doubles with each step of the cost.
func TestWorkDoesNotTell(t *testing.T) {
	d := &door{file: usersFile(t, "cheap", "1")}
	text, err := os.ReadFile(d.file)
	if err != nil {
		t.Fatal(err)
	}
	for name, cost := range map[string]int{"dear": 7, "middle": 5} {
		if text, err = SetUser(text, name, hash(t, "1", cost)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(d.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	d.now = time.Now()
	d.open(t)
	for _, name := range []string{"cheap", "middle", "dear", "nobody"} {
		if got := d.knock(home, name, "wrong").Code; got != 401 {
			t.Errorf("%s: %d, want 401", name, got)
		}
		work := 0
		for _, h := range d.hashed {
			var cost int
			fmt.Sscan(h, &cost)
			work += 1 << cost
		}
		if work != 1<<7 {
			t.Errorf("%s: %v are %d of work, want %d", name, d.hashed, work, 1<<7)
		}
		d.hashes()
	}
	if err := bcrypt.CompareHashAndPassword(decoy(4), []byte("x")); err != bcrypt.ErrMismatchedHashAndPassword {
		t.Errorf("a decoy: %v, want it to be a hash that does not match", err)
	}
}

// Hashes are bounded by the processors, and what one address makes others wait for by a number.
func TestHashingIsBounded(t *testing.T) {
	d := newDoor(t, "ann", "secret")
	d.slots = make(chan struct{}, 2)
	var running, most atomic.Int32
	release := make(chan struct{})
	d.compare = func(_, password []byte) error {
		if n := running.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		running.Add(-1)
		return bcrypt.ErrMismatchedHashAndPassword
	}
	counts := map[int]int{}
	var mu sync.Mutex
	var done, begun sync.WaitGroup
	for i := range 2 * maxWaiting {
		begun.Add(1)
		done.Go(func() {
			begun.Done()
			rec := d.knock(home, fmt.Sprint("name", i), "x")
			mu.Lock()
			counts[rec.Code]++
			mu.Unlock()
			if rec.Code == 429 && rec.Header().Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
		})
	}
	begun.Wait()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		mu.Lock()
		refused := counts[429]
		mu.Unlock()
		if refused == maxWaiting {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d are refused, want %d", refused, maxWaiting)
		}
	}
	// Who gives up leaves nothing behind.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	r.RemoteAddr = other
	r.SetBasicAuth("ann", "secret")
	d.wrap(who).ServeHTTP(httptest.NewRecorder(), r)
	v := d.verifier
	v.mu.Lock()
	if n := v.waiting[oneClient(netip.MustParseAddr("192.0.2.2"))]; n != 0 {
		t.Errorf("%d wait, want none", n)
	}
	v.mu.Unlock()

	close(release)
	done.Wait()
	if most.Load() > 2 || counts[401] != maxWaiting {
		t.Errorf("%d at once, answers %v, want 2 and %d times 401", most.Load(), counts, maxWaiting)
	}
	if len(v.waiting) != 0 || len(v.running) != 0 || len(v.bad) != maxWaiting {
		t.Errorf("left: %d waiting, %d running, %d in the back-off, want none but %d", len(v.waiting), len(v.running), len(v.bad), maxWaiting)
	}
}

// Whoever waits for the hash of another takes over when that one gives up.
func TestGivingUpIsNoVerdict(t *testing.T) {
	d := newDoor(t, "ann", "secret")
	d.slots = make(chan struct{}, 1)
	d.slots <- struct{}{} // somebody else hashes
	ctx, cancel := context.WithCancel(t.Context())
	from := oneClient(netip.MustParseAddr("192.0.2.1"))
	first, second := make(chan error), make(chan verdict)
	go func() {
		_, err := d.verify(ctx, from, "ann", "secret")
		first <- err
	}()
	for leading := false; !leading; time.Sleep(time.Millisecond) {
		v := d.verifier
		v.mu.Lock()
		leading = len(v.running) == 1
		v.mu.Unlock()
	}
	go func() {
		v, _ := d.verify(t.Context(), from, "ann", "secret")
		second <- v
	}()
	cancel()
	if err := <-first; err != context.Canceled {
		t.Errorf("the first: %v, want context.Canceled", err)
	}
	<-d.slots
	if v := <-second; !v.ok {
		t.Errorf("the second = %+v, want it let in", v)
	}
	if len(d.bad) != 0 {
		t.Errorf("the back-off holds %d, want none", len(d.bad))
	}
}

func TestBackoff(t *testing.T) {
	d := newDoor(t, "ann", "secret", "bob", "secret")
	if got := d.knock(home, "ann", "secret").Code; got != 200 {
		t.Fatalf("= %d, want 200", got)
	}
	guess := 0
	wrong := func(from, name string) (int, string) {
		guess++
		rec := d.knock(from, name, fmt.Sprint("guess", guess))
		return rec.Code, rec.Header().Get("Retry-After")
	}
	for i := range freeTries {
		if code, _ := wrong(home, "ann"); code != 401 {
			t.Fatalf("wrong password %d: %d, want 401", i+1, code)
		}
	}
	d.hashes()
	for _, name := range []string{"ann", `X\ann`, `Y\ann`} { // a domain makes no other user
		if code, after := wrong(home, name); code != 429 || after != "1" {
			t.Errorf("one more for %s: %d, Retry-After %q, want 429 and 1", name, code, after)
		}
	}
	if n := d.hashes(); n != 0 {
		t.Errorf("%d hashes for what is refused", n)
	}
	if got := d.knock(home, "ann", fmt.Sprint("guess", freeTries)).Code; got != 401 {
		t.Errorf("the last wrong one again: %d, want 401, so that the client asks for another", got)
	}
	if got := d.knock(home, "ann", "secret").Code; got != 200 {
		t.Errorf("who is in: %d, want 200", got)
	}
	if got := d.knock(home, "bob", "secret").Code; got != 200 {
		t.Errorf("another user: %d, want 200", got)
	}
	if code, _ := wrong(other, "ann"); code != 401 {
		t.Errorf("another address: %d, want 401", code)
	}

	// It gets longer, up to a minute.
	for _, want := range []string{"2", "4", "8", "16", "32", "60", "60"} {
		d.advance(longWait)
		if code, _ := wrong(home, "ann"); code != 401 {
			t.Fatalf("after the wait: %d, want 401", code)
		}
		if code, after := wrong(home, "ann"); code != 429 || after != want {
			t.Errorf("one more: %d, Retry-After %q, want 429 and %s", code, after, want)
		}
	}
	// The right one ends it, and it is forgotten in the end.
	d.advance(remember + time.Second)
	if got := d.knock(home, "ann", "secret").Code; got != 200 {
		t.Errorf("the right password after the wait: %d, want 200", got)
	}
	if code, _ := wrong(home, "ann"); code != 401 {
		t.Errorf("a wrong one after a right one: %d, want 401", code)
	}
}

// A client that goes on with an old password makes no guesses: nobody waits for it, and it costs nothing.
func TestBackoffOfOnePassword(t *testing.T) {
	d := newDoor(t, "ann", "secret")
	for range 100 {
		if got := d.knock(home, "ann", "old").Code; got != 401 {
			t.Fatalf("= %d, want 401", got)
		}
	}
	if n := d.hashes(); n != 1 {
		t.Errorf("%d hashes, want 1", n)
	}
	if got := d.knock(home, "ann", "secret").Code; got != 200 {
		t.Errorf("the right password: %d, want 200", got)
	}
	// Unless it is the right one in the meantime.
	d.knock(home, "ann", "new")
	writeUsers(t, d.file, "ann", "new")
	d.advance(lookEvery)
	if got := d.knock(home, "ann", "new").Code; got != 200 {
		t.Errorf("a password that has become right: %d, want 200", got)
	}
}

// Many guesses at once are not one.
func TestBackoffAtOnce(t *testing.T) {
	d := newDoor(t, "ann", "secret")
	var done sync.WaitGroup
	for i := range 30 {
		done.Go(func() { d.knock(home, "ann", fmt.Sprint(i)) })
	}
	done.Wait()
	if n := d.hashes(); n != freeTries {
		t.Errorf("%d hashes, want %d", n, freeTries)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	v := newVerifier(nil)
	now := time.Now()
	for i := range maxBackoff + 10 {
		now = now.Add(time.Millisecond)
		v.bad.begin(v.digest(fmt.Sprint(i)), now)
	}
	if len(v.bad) != maxBackoff || v.bad[v.digest("0")] != nil || v.bad[v.digest(fmt.Sprint(maxBackoff))] == nil {
		t.Errorf("%d entries, want %d without the oldest", len(v.bad), maxBackoff)
	}
	v.bad.begin(v.digest("x"), now.Add(forget+time.Second))
	if len(v.bad) != 1 {
		t.Errorf("%d entries, want 1: the others are forgotten", len(v.bad))
	}
}

func TestClientAddr(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tt := range []struct {
		rule, remote string
		forwarded    []string
		want         string
	}{
		{"directly", "192.0.2.1:5", nil, "192.0.2.1/32"},
		{"what a client says of itself", "192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1/32"},
		{"what a proxy says", "10.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9/32"},
		{"what the client said before it", "10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9/32"},
		{"in lines of their own", "10.0.0.1:5", []string{"1.1.1.1", "203.0.113.9"}, "203.0.113.9/32"},
		{"two proxies", "10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9/32"},
		{"a proxy that says nothing", "10.0.0.1:5", nil, "10.0.0.1/32"},
		{"a proxy that says nonsense", "10.0.0.1:5", []string{"203.0.113.9, unknown"}, "10.0.0.1/32"},
		{"IPv6: who has one address has the network", "[2001:db8:1:2:3::4]:5", nil, "2001:db8:1:2::/64"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:5", nil, "192.0.2.1/32"},
		{"a zone", "[fe80::1%eth0]:5", nil, "fe80::/64"},
		{"no address", "@", nil, "invalid Prefix"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.remote
		r.Header["X-Forwarded-For"] = tt.forwarded
		if got := oneClient(forwarded.Client(r, trusted)).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.rule, got, tt.want)
		}
	}
	if !strings.HasPrefix(httptest.NewRequest("GET", "/", nil).RemoteAddr, "192.0.2.1:") {
		t.Error("httptest has another address")
	}
}
