package middleware

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dav207/server/forwarded"
	pw "dav207/server/password"
)

func TestRemember(t *testing.T) {
	d := newTestBasic(t, "ann", "secret", "bob", "secret")
	for _, step := range []struct {
		rule, name, password string
		after                time.Duration
		status, hashes       int
	}{
		{"the first is hashed", "ann", "secret", 0, 200, 1},
		{"the next is not", "ann", "secret", 0, 200, 0},
		{"a wrong one is", "ann", "wrong", 0, 401, 1},
		{"somebody else's is", "bob", "secret", 0, 200, 1},
		{"use makes it last", "ann", "secret", rememberFor - time.Second, 200, 0},
		{"still", "ann", "secret", rememberFor - time.Second, 200, 0},
		{"it ends", "ann", "secret", rememberFor, 200, 1},
	} {
		d.advance(step.after)
		if got := d.request(home, step.name, step.password).Code; got != step.status {
			t.Errorf("%s: %d, want %d", step.rule, got, step.status)
		}
		if n := d.hashes(); n != step.hashes {
			t.Errorf("%s: %d hashes, want %d", step.rule, n, step.hashes)
		}
	}

	// A remembered password is invalid when the hash changes.
	writeUsers(t, d.file, "ann", "changed", "bob", "secret")
	d.advance(checkInterval)
	if got := d.request(home, "ann", "secret").Code; got != 401 {
		t.Errorf("the old password: %d, want 401", got)
	}
	if got := d.request(home, "ann", "changed").Code; got != 200 {
		t.Errorf("the new password: %d, want 200", got)
	}
	writeUsers(t, d.file, "bob", "secret")
	d.advance(checkInterval)
	if got := d.request(home, "ann", "changed").Code; got != 401 {
		t.Errorf("a removed user: %d, want 401", got)
	}
}

func TestRememberIsBounded(t *testing.T) {
	v := newVerifier(nil)
	now := time.Now()
	for i := range maxVerified + 100 {
		v.remember(v.mac(fmt.Sprint(i)), now)
	}
	last := v.mac(fmt.Sprint(maxVerified + 99))
	if _, ok := v.verified[last]; len(v.verified) != maxVerified || !ok {
		t.Errorf("%d remembered, want %d with the last", len(v.verified), maxVerified)
	}
}

// Equal passwords on many connections at once are hashed once.
func TestConcurrentAttemptsHashOnce(t *testing.T) {
	for password, want := range map[string]int{"secret": 200, "wrong": 401} {
		d := newTestBasic(t, "ann", "secret")
		compare, release := d.compare, make(chan struct{})
		d.compare = func(hash pw.Hash, text string) bool {
			<-release
			return compare(hash, text)
		}
		var done sync.WaitGroup
		for range 50 {
			done.Go(func() {
				if got := d.request(home, "ann", password).Code; got != want {
					t.Errorf("%s: %d, want %d", password, got, want)
				}
			})
		}
		time.Sleep(50 * time.Millisecond) // lets most of them wait for the first
		close(release)
		done.Wait()
		if n := d.hashes(); n != 1 {
			t.Errorf("%s: %d hashes for 50 requests, want 1", password, n)
		}
	}
}

// The work for a wrong password is the same whatever the hash of the user, and for an unknown user
// (threat 15): the time must not reveal which users exist. What is compared adds up to the same.
func TestUnknownUserTakesSameTime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	text := "cheap:" + hash(t, "1", 4) + "\ndear:" + hash(t, "1", 7) + "\nmiddle:" + hash(t, "1", 5) +
		"\napache:$apr1$bNmlxCkM$wqjkW0jIqClfUS1xwYKod0" +
		"\nsha:$6$NDWfi2EbpIYyibf0$/CFQXSIHmGIgLq/2z3qLhF08Gc7ZvKq5U5WXqfX.UizPaDkolB7OQT5.dxFoFx9lv8O4nb92FqZYSG6leO4Qz0" +
		"\nmore:$6$rounds=2000$mkpasswdsalt$882VqaQYMz0W2kZTiyTKeTkBFnjWH9bK1GBJhsp5IgBXFSj.3L.1wGUbYr6HWEQQ0hbp9ezYJlkD.LI.C8Cmj0\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &testBasic{file: file}
	d.now = time.Now()
	d.reopen(t)
	work := func() string {
		bcrypts, md5s, rounds := 0, 0, 0
		for _, h := range d.hashed {
			var n int
			switch text := h.String(); {
			case strings.HasPrefix(text, "$2"):
				fmt.Sscan(text[4:6], &n)
				bcrypts += 1 << n
			case strings.HasPrefix(text, "$apr1$"):
				md5s++
			case strings.HasPrefix(text, "$6$rounds="):
				fmt.Sscan(strings.Split(text[10:], "$")[0], &n)
				rounds += n
			default:
				rounds += 5000
			}
		}
		return fmt.Sprint(bcrypts, md5s, rounds)
	}
	for _, name := range []string{"cheap", "middle", "dear", "apache", "sha", "more", "nobody"} {
		if got := d.request(home, name, "wrong").Code; got != 401 {
			t.Errorf("%s: %d, want 401", name, got)
		}
		if got, want := work(), "128 1 6000"; got != want {
			t.Errorf("%s: the work is %s, want %s", name, got, want)
		}
		d.hashes()
	}
	for _, name := range []string{"apache", "sha", "more"} {
		if rec := d.request(home, name, "secret"); rec.Code != 200 || rec.Body.String() != name {
			t.Errorf("%s with the right password: %d", name, rec.Code)
		}
	}
}

// Concurrent hashes are bounded by hashSlots, and the checks of one client by maxPending.
func TestHashingIsBounded(t *testing.T) {
	d := newTestBasic(t, "ann", "secret")
	d.hashSlots = make(chan struct{}, 2)
	var running, most atomic.Int32
	release := make(chan struct{})
	d.compare = func(pw.Hash, string) bool {
		if n := running.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		running.Add(-1)
		return false
	}
	counts := map[int]int{}
	var mu sync.Mutex
	var done, begun sync.WaitGroup
	for i := range 2 * maxPending {
		begun.Add(1)
		done.Go(func() {
			begun.Done()
			rec := d.request(home, fmt.Sprint("name", i), "x")
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
		if refused == maxPending {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d requests are refused, want %d", refused, maxPending)
		}
	}
	// A cancelled request leaves no state.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	r.RemoteAddr = other
	r.SetBasicAuth("ann", "secret")
	d.wrap(principalHandler).ServeHTTP(httptest.NewRecorder(), r)
	v := d.verifier
	v.mu.Lock()
	if n := v.pending[forwarded.Network(netip.MustParseAddr("192.0.2.2"))]; n != 0 {
		t.Errorf("%d pending, want none", n)
	}
	v.mu.Unlock()

	close(release)
	done.Wait()
	if most.Load() > 2 || counts[401] != maxPending {
		t.Errorf("%d at once, answers %v, want 2 and %d times 401", most.Load(), counts, maxPending)
	}
	if len(v.pending) != 0 || len(v.running) != 0 || len(v.failures) != maxPending {
		t.Errorf("left: %d waiting, %d running, %d in the back-off, want none but %d", len(v.pending), len(v.running), len(v.failures), maxPending)
	}
}

// A request that waits for the check of another runs it if the other is cancelled.
func TestCancelledCheckIsRetried(t *testing.T) {
	d := newTestBasic(t, "ann", "secret")
	d.hashSlots = make(chan struct{}, 1)
	d.hashSlots <- struct{}{} // the slot is taken
	ctx, cancel := context.WithCancel(t.Context())
	from := forwarded.Network(netip.MustParseAddr("192.0.2.1"))
	first, second := make(chan error), make(chan result)
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
	<-d.hashSlots
	if v := <-second; !v.ok {
		t.Errorf("the second = %+v, want ok", v)
	}
	if len(d.failures) != 0 {
		t.Errorf("the back-off holds %d, want none", len(d.failures))
	}
}

func TestBackoff(t *testing.T) {
	d := newTestBasic(t, "ann", "secret", "bob", "secret")
	if got := d.request(home, "ann", "secret").Code; got != 200 {
		t.Fatalf("= %d, want 200", got)
	}
	guess := 0
	wrong := func(from, name string) (int, string) {
		guess++
		rec := d.request(from, name, fmt.Sprint("guess", guess))
		return rec.Code, rec.Header().Get("Retry-After")
	}
	for i := range freeAttempts {
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
		t.Errorf("%d hashes for refused requests", n)
	}
	if got := d.request(home, "ann", fmt.Sprint("guess", freeAttempts)).Code; got != 401 {
		t.Errorf("the last wrong one again: %d, want 401, so that the client asks for another", got)
	}
	if got := d.request(home, "ann", "secret").Code; got != 200 {
		t.Errorf("a remembered password: %d, want 200", got)
	}
	if got := d.request(home, "bob", "secret").Code; got != 200 {
		t.Errorf("another user: %d, want 200", got)
	}
	if code, _ := wrong(other, "ann"); code != 401 {
		t.Errorf("another address: %d, want 401", code)
	}

	// The wait doubles, up to a minute.
	for _, want := range []string{"2", "4", "8", "16", "32", "60", "60"} {
		d.advance(maxWait)
		if code, _ := wrong(home, "ann"); code != 401 {
			t.Fatalf("after the wait: %d, want 401", code)
		}
		if code, after := wrong(home, "ann"); code != 429 || after != want {
			t.Errorf("one more: %d, Retry-After %q, want 429 and %s", code, after, want)
		}
	}
	// The right password resets it.
	d.advance(rememberFor + time.Second)
	if got := d.request(home, "ann", "secret").Code; got != 200 {
		t.Errorf("the right password after the wait: %d, want 200", got)
	}
	if code, _ := wrong(home, "ann"); code != 401 {
		t.Errorf("a wrong one after a right one: %d, want 401", code)
	}
}

// Repeating one wrong password is not guessing: it causes no wait and no further hash.
func TestBackoffRepeatedPassword(t *testing.T) {
	d := newTestBasic(t, "ann", "secret")
	for range 100 {
		if got := d.request(home, "ann", "old").Code; got != 401 {
			t.Fatalf("= %d, want 401", got)
		}
	}
	if n := d.hashes(); n != 1 {
		t.Errorf("%d hashes, want 1", n)
	}
	if got := d.request(home, "ann", "secret").Code; got != 200 {
		t.Errorf("the right password: %d, want 200", got)
	}
	// It is hashed again when the file has changed.
	d.request(home, "ann", "new")
	writeUsers(t, d.file, "ann", "new")
	d.advance(checkInterval)
	if got := d.request(home, "ann", "new").Code; got != 200 {
		t.Errorf("a password that has become right: %d, want 200", got)
	}
}

// Concurrent guesses are all counted.
func TestBackoffConcurrent(t *testing.T) {
	d := newTestBasic(t, "ann", "secret")
	var done sync.WaitGroup
	for i := range 30 {
		done.Go(func() { d.request(home, "ann", fmt.Sprint(i)) })
	}
	done.Wait()
	if n := d.hashes(); n != freeAttempts {
		t.Errorf("%d hashes, want %d", n, freeAttempts)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	v := newVerifier(nil)
	now := time.Now()
	for i := range maxBackoff + 10 {
		now = now.Add(time.Millisecond)
		v.failures.add(v.mac(fmt.Sprint(i)), now)
	}
	if len(v.failures) != maxBackoff || v.failures[v.mac("0")] != nil || v.failures[v.mac(fmt.Sprint(maxBackoff))] == nil {
		t.Errorf("%d entries, want %d without the oldest", len(v.failures), maxBackoff)
	}
	v.failures.add(v.mac("x"), now.Add(forgetAfter+time.Second))
	if len(v.failures) != 1 {
		t.Errorf("%d entries, want 1: the others are expired", len(v.failures))
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
		{"the field of a client", "192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1/32"},
		{"the field of a proxy", "10.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9/32"},
		{"what the client said before it", "10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9/32"},
		{"in lines of their own", "10.0.0.1:5", []string{"1.1.1.1", "203.0.113.9"}, "203.0.113.9/32"},
		{"two proxies", "10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9/32"},
		{"a proxy without the field", "10.0.0.1:5", nil, "10.0.0.1/32"},
		{"a proxy with an invalid field", "10.0.0.1:5", []string{"203.0.113.9, unknown"}, "10.0.0.1/32"},
		{"IPv6: the network of the address", "[2001:db8:1:2:3::4]:5", nil, "2001:db8:1:2::/64"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:5", nil, "192.0.2.1/32"},
		{"a zone", "[fe80::1%eth0]:5", nil, "fe80::/64"},
		{"no address", "@", nil, "invalid Prefix"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.remote
		r.Header["X-Forwarded-For"] = tt.forwarded
		if got := forwarded.Network(forwarded.Client(r, trusted)).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.rule, got, tt.want)
		}
	}
	if !strings.HasPrefix(httptest.NewRequest("GET", "/", nil).RemoteAddr, "192.0.2.1:") {
		t.Error("httptest has another address")
	}
}
