package middleware

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"time"

	"dav207/server/password"
)

// verifier checks names and passwords. It remembers correct passwords for a while, hashes once for
// equal concurrent attempts, and bounds the number of hashes. It is safe for concurrent use.
type verifier struct {
	users     *Users
	compare   func(hash password.Hash, text string) bool
	now       func() time.Time
	key       []byte        // random, for mac
	hashSlots chan struct{} // a semaphore

	mu       sync.Mutex
	verified map[mac]time.Time // by attempt.password: when it is forgotten
	failures backoff
	running  map[attempt]*check
	pending  map[netip.Prefix]int // by client: the number of running checks
}

// mac is a keyed hash of a name, a password or an address. Because of the key the time of a
// comparison reveals nothing. It stays in memory, so nobody can extend what was hashed: the key
// needs no HMAC, whose allocations each request would pay for.
type mac [sha256.Size]byte

const (
	rememberFor = 15 * time.Minute // since the last use
	maxVerified = 4096
	// maxPending bounds how long one client can block the hash slots for others.
	maxPending = 32
	// maxSentName bounds the name as sent, with a Windows domain before it.
	maxSentName = 4 * maxName
)

// attempt is a password that was sent for a user from an address.
type attempt struct{ from, password mac }

// check is an attempt that is being hashed. result is valid once done is closed and decided is
// true.
type check struct {
	done chan struct{}
	result
	decided bool // false if the request that ran it was cancelled: another has to run it
}

// result is the result for a name and a password.
type result struct {
	user       string // the name, "" if there is no such user
	ok         bool
	wait       time.Duration // above 0: the password was not compared; try again after this time
	newFailure bool          // the password was compared and is wrong
}

func newVerifier(users *Users) *verifier {
	v := &verifier{
		users:   users,
		compare: password.Hash.Matches,
		now:     time.Now,
		key:     make([]byte, 32),
		// Half of the processors: the other half serves authenticated requests.
		hashSlots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		verified:  make(map[mac]time.Time),
		failures:  make(backoff),
		running:   make(map[attempt]*check),
		pending:   make(map[netip.Prefix]int),
	}
	rand.Read(v.key)
	return v
}

// verify returns the result for a name and a password that a client at from sent. The error is that
// of ctx, if it ended before the password was compared.
func (v *verifier) verify(ctx context.Context, from netip.Prefix, sent, text string) (result, error) {
	if len(sent) > maxSentName || len(text) > password.MaxBytes || strings.IndexByte(text, 0) >= 0 {
		return result{}, nil // no user has these, so this is not counted as a guess
	}
	users := v.users.current()
	name, hash := users.find(sent)
	// The mac covers the hash, so a changed hash invalidates what is remembered.
	secret := v.mac("password", name, hash.String(), text)
	a := attempt{v.mac("from", from.String(), name), secret}
	known := ""
	if hash != (password.Hash{}) {
		known = name
	}
	for {
		r, c, started := v.begin(from, a, known)
		if c == nil {
			return r, nil
		}
		if started {
			return v.run(ctx, from, a, c, func() bool { return v.equal(users, hash, text) })
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return result{}, ctx.Err()
		}
		if c.decided {
			return c.result, nil
		}
	}
}

// begin returns the result of an attempt that needs no hashing, with a nil check. Otherwise it
// returns the check of the attempt. If started is true the caller must call run with it, else the
// caller waits for it. user is the name, or "" if there is no such user.
func (v *verifier) begin(from netip.Prefix, a attempt, user string) (r result, c *check, started bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	r.user = user
	if until, ok := v.verified[a.password]; ok && now.Before(until) {
		v.verified[a.password] = now.Add(rememberFor)
		r.ok = true
		return r, nil, false
	}
	if c := v.running[a]; c != nil {
		return result{}, c, false
	}
	if f := v.failures.find(a.from, now); f != nil {
		if f.last == a.password {
			return r, nil, false // the client repeats a stored password, which is not a guess
		}
		r.wait = max(0, f.wait(now))
	}
	if r.wait == 0 && v.pending[from] >= maxPending {
		r.wait = time.Second
	}
	if r.wait > 0 {
		return r, nil, false
	}
	v.failures.add(a.from, now)
	v.pending[from]++
	c = &check{done: make(chan struct{}), result: r}
	v.running[a] = c
	return r, c, true
}

// run calls equal when a hash slot is free, and completes the check.
func (v *verifier) run(ctx context.Context, from netip.Prefix, a attempt, c *check, equal func() bool) (result, error) {
	defer v.finish(from, a, c)
	select {
	case v.hashSlots <- struct{}{}:
		defer func() { <-v.hashSlots }()
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
	c.ok = equal()
	c.decided = true
	mine := c.result
	mine.newFailure = !c.ok
	return mine, nil
}

// finish records the result of a check and wakes the requests that wait for it.
func (v *verifier) finish(from netip.Prefix, a attempt, c *check) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	switch {
	case !c.decided:
		v.failures.cancel(a.from)
	case c.ok:
		v.remember(a.password, now)
		delete(v.failures, a.from)
	default:
		v.failures.setLast(a.from, a.password, now)
	}
	if v.pending[from]--; v.pending[from] == 0 {
		delete(v.pending, from)
	}
	delete(v.running, a)
	close(c.done)
}

// equal compares a password with the hash of a user. A wrong password takes the same time for each
// user and for none (see password.Work), so that it does not reveal which users exist.
func (v *verifier) equal(t *table, hash password.Hash, text string) bool {
	if hash != (password.Hash{}) && v.compare(hash, text) {
		return true
	}
	for _, decoy := range t.work.Decoys(hash) {
		v.compare(decoy, text)
	}
	return false
}

// session is a login by Digest. secret stands for the user, the password and the nonce.
type session struct {
	from, secret mac
	user         string // "" if there is no such user
}

// check returns the result for a response of Digest, which is right if equal returns true. It
// counts wrong ones together with the passwords of Basic. A session that was remembered need not
// wait. If the response is right the caller may call succeed.
func (v *verifier) check(s session, equal func() bool) result {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	r := result{user: s.user}
	if until, ok := v.verified[s.secret]; !ok || !now.Before(until) {
		if f := v.failures.find(s.from, now); f != nil {
			r.wait = max(0, f.wait(now))
		}
		if r.wait > 0 {
			return r
		}
	}
	if r.ok = equal(); !r.ok {
		r.newFailure = true
		v.failures.add(s.from, now)
	}
	return r
}

// succeed remembers a session and forgets the wrong passwords before it.
func (v *verifier) succeed(s session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.remember(s.secret, v.now())
	delete(v.failures, s.from)
}

// renew remembers the session with which a client goes on that must use a new nonce.
func (v *verifier) renew(s session, secret mac) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if until, ok := v.verified[s.secret]; ok && v.now().Before(until) {
		v.remember(secret, v.now())
	}
}

// remember stores a correct password. If there are too many it drops the expired ones, then any.
func (v *verifier) remember(password mac, now time.Time) {
	if len(v.verified) >= maxVerified {
		for d, until := range v.verified {
			if !now.Before(until) {
				delete(v.verified, d)
			}
		}
	}
	for d := range v.verified {
		if len(v.verified) < maxVerified {
			break
		}
		delete(v.verified, d)
	}
	v.verified[password] = now.Add(rememberFor)
}

// mac returns the keyed hash of parts. Different parts have different ones.
func (v *verifier) mac(parts ...string) mac {
	b := append(make([]byte, 0, 512), v.key...)
	for _, s := range parts {
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(s))), s...)
	}
	return sha256.Sum256(b)
}
