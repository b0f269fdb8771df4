package middleware

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// verifier finds out whether a name and a password belong together, and keeps the cost of that down: good ones are remembered
// for a while, equal ones that come at once are looked at once, and the rest is bounded. Safe for concurrent use.
type verifier struct {
	users   *Users
	compare func(hash, password []byte) error
	now     func() time.Time
	key     []byte        // of this process: a digest says nothing to others
	slots   chan struct{} // who hashes

	mu      sync.Mutex
	good    map[digest]time.Time // until when
	bad     backoff
	running map[flight]*check
	waiting map[netip.Prefix]int // checks for an address that hash or wait for it
}

// digest stands for a name, a password, an address. It is keyed, so how long it takes to compare two says nothing.
type digest [sha256.Size]byte

const (
	remember = 15 * time.Minute // after the last use
	maxGood  = 4096
	// maxWaiting bounds how long one address can make others wait for their hashes.
	maxWaiting = 32
	// maxSent is the length from which on what is sent as a name is none of a user, whatever domain is in front.
	maxSent = 4 * maxName
)

// flight is a password that is tried for a user from an address, check what became of it.
type flight struct{ from, password digest }

type check struct {
	done chan struct{}
	verdict
	settled bool // or given up, and somebody else must look at it
}

// verdict is what became of a name and a password.
type verdict struct {
	user string // the name if there is such a user, else ""
	ok   bool
	wait time.Duration // above 0: nothing was looked at; try again after it
	new  bool          // wrong, and not because the same was before
}

func newVerifier(users *Users) *verifier {
	v := &verifier{
		users:   users,
		compare: bcrypt.CompareHashAndPassword,
		now:     time.Now,
		key:     make([]byte, 32),
		// Half of the processors: the other half serves those who are in.
		slots:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		good:    make(map[digest]time.Time),
		bad:     make(backoff),
		running: make(map[flight]*check),
		waiting: make(map[netip.Prefix]int),
	}
	rand.Read(v.key)
	return v
}

// verify looks at a password. The error is that of ctx, which ended first.
func (v *verifier) verify(ctx context.Context, from netip.Prefix, sent, password string) (verdict, error) {
	if len(sent) > maxSent || len(password) > maxPassword || strings.IndexByte(password, 0) >= 0 {
		return verdict{}, nil // which no user has, so no guess was made
	}
	t := v.users.current()
	name, hash := t.find(sent)
	// The hash is in the digest of the password, so nothing is remembered beyond a change of it.
	secret := v.digest("password", name, hash, password)
	f := flight{v.digest("from", from.String(), name), secret}
	for {
		v.mu.Lock()
		now := v.now()
		if until, ok := v.good[secret]; ok && now.Before(until) {
			v.good[secret] = now.Add(remember)
			v.mu.Unlock()
			return verdict{user: name, ok: true}, nil
		}
		if c := v.running[f]; c != nil {
			v.mu.Unlock()
			select {
			case <-c.done:
			case <-ctx.Done():
				return verdict{}, ctx.Err()
			}
			if c.settled {
				return c.verdict, nil
			}
			continue
		}
		refused := verdict{}
		if hash != "" {
			refused.user = name
		}
		if t := v.bad.find(f.from, now); t != nil {
			if t.last == secret {
				v.mu.Unlock()
				return refused, nil // a client that goes on with what it has stored; it is no guess
			}
			refused.wait = max(0, t.wait(now))
		}
		if refused.wait == 0 && v.waiting[from] >= maxWaiting {
			refused.wait = time.Second
		}
		if refused.wait > 0 {
			v.mu.Unlock()
			return refused, nil
		}
		v.bad.begin(f.from, now)
		v.waiting[from]++
		c := &check{done: make(chan struct{}), verdict: refused}
		v.running[f] = c
		v.mu.Unlock()
		return v.settle(ctx, from, f, c, func() bool { return v.equal(t, hash, password) })
	}
}

// settle looks at a password that nobody else does, when its turn comes.
func (v *verifier) settle(ctx context.Context, from netip.Prefix, f flight, c *check, equal func() bool) (verdict, error) {
	defer v.finish(from, f, c)
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
	case <-ctx.Done():
		return verdict{}, ctx.Err()
	}
	c.ok = equal()
	c.settled = true
	mine := c.verdict
	mine.new = !c.ok
	return mine, nil
}

// finish notes what became of a check, and wakes those who wait for it.
func (v *verifier) finish(from netip.Prefix, f flight, c *check) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	switch {
	case !c.settled:
		v.bad.undo(f.from)
	case c.ok:
		v.remember(f.password, now)
		delete(v.bad, f.from)
	default:
		v.bad.wrong(f.from, f.password, now)
	}
	if v.waiting[from]--; v.waiting[from] == 0 {
		delete(v.waiting, from)
	}
	delete(v.running, f)
	close(c.done)
}

// equal compares a password with the hash of a user. That takes as long for who is no user, or has a hash of lower cost, as
// for the user whose hash costs most: the work doubles from one cost to the next, so all the lower ones together make up
// for what is missing.
func (v *verifier) equal(t *table, hash, password string) bool {
	if hash == "" {
		v.compare(decoy(t.cost), []byte(password))
		return false
	}
	if v.compare([]byte(hash), []byte(password)) == nil {
		return true
	}
	cost, err := bcrypt.Cost([]byte(hash))
	for ; err == nil && cost < t.cost; cost++ {
		v.compare(decoy(cost), []byte(password))
	}
	return false
}

// decoy returns a hash that is nobody's.
func decoy(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, strings.Repeat("e", 53))
}

// remember notes a good password. What is remembered is bounded by the number of users, but for those of the past.
func (v *verifier) remember(password digest, now time.Time) {
	if len(v.good) >= maxGood {
		for d, until := range v.good {
			if !now.Before(until) {
				delete(v.good, d)
			}
		}
	}
	for d := range v.good {
		if len(v.good) < maxGood {
			break
		}
		delete(v.good, d)
	}
	v.good[password] = now.Add(remember)
}

// digest returns a keyed hash of some strings, which no others have.
func (v *verifier) digest(parts ...string) digest {
	mac := hmac.New(sha256.New, v.key)
	for _, s := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(s)))
		mac.Write(size[:])
		mac.Write([]byte(s))
	}
	return digest(mac.Sum(nil))
}
