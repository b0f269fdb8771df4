package middleware

import "time"

// backoff makes a client wait after wrong passwords, longer each time. The key is the digest of an
// address and a user. It has at most maxBackoff entries; a client that wants to displace entries of
// others pays a hash for each.
type backoff map[mac]*failedAttempts

// failedAttempts counts wrong passwords, and those that are being compared, from an address for a
// user.
type failedAttempts struct {
	n    int
	at   time.Time // of the last attempt
	last mac       // the last wrong password
}

const (
	freeAttempts = 5 // without a wait: for typing errors and outdated stored passwords
	minWait      = time.Second
	maxWait      = time.Minute
	forgetAfter  = 15 * time.Minute // after the last wrong password
	maxBackoff   = 8192             // entries of about 150 bytes
)

// wait returns the time until the next password may be tried. It may be negative.
func (t *failedAttempts) wait(now time.Time) time.Duration {
	if t.n < freeAttempts {
		return 0
	}
	wait := minWait << min(t.n-freeAttempts, 16)
	return min(wait, maxWait) - now.Sub(t.at)
}

// find returns the entry for key, or nil. It deletes an entry older than forgetAfter.
func (b backoff) find(key mac, now time.Time) *failedAttempts {
	t := b[key]
	if t != nil && now.Sub(t.at) > forgetAfter {
		delete(b, key)
		return nil
	}
	return t
}

// add counts a password before it is compared, so that concurrent guesses are all counted.
func (b backoff) add(key mac, now time.Time) {
	t := b.find(key, now)
	if t == nil {
		b.makeRoom(now)
		t = &failedAttempts{}
		b[key] = t
	}
	t.n++
	t.at = now
}

// cancel reverts add for a password that was not compared.
func (b backoff) cancel(key mac) {
	t := b[key]
	if t == nil {
		return
	}
	if t.n--; t.n <= 0 {
		delete(b, key)
	}
}

// setLast stores a password that was wrong.
func (b backoff) setLast(key, password mac, now time.Time) {
	if t := b[key]; t != nil {
		t.at, t.last = now, password
	}
}

// makeRoom deletes expired entries, or the oldest, if the map is full.
func (b backoff) makeRoom(now time.Time) {
	if len(b) < maxBackoff {
		return
	}
	var oldest mac
	var at time.Time
	for key, t := range b {
		if now.Sub(t.at) > forgetAfter {
			delete(b, key)
		} else if at.IsZero() || t.at.Before(at) {
			oldest, at = key, t.at
		}
	}
	if len(b) >= maxBackoff {
		delete(b, oldest)
	}
}
