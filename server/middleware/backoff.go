package middleware

import "time"

// backoff makes whoever tries passwords of a user from an address wait, longer each time. It is bounded in memory; whoever
// would push others' entries out of it has to pay with a hash for each.
type backoff map[digest]*tries

// tries are the wrong passwords that came from an address for a user, those counted that are being looked at.
type tries struct {
	n    int
	at   time.Time // of the last
	last digest    // of the last that was found wrong
}

const (
	freeTries  = 5 // for those who mistype, and clients that try what they had stored
	firstWait  = time.Second
	longWait   = time.Minute
	forget     = 15 * time.Minute // after the last wrong password
	maxBackoff = 8192             // entries, of some 150 bytes
)

// wait returns how long it is until the next password may be tried.
func (t *tries) wait(now time.Time) time.Duration {
	if t.n < freeTries {
		return 0
	}
	wait := firstWait << min(t.n-freeTries, 16)
	return min(wait, longWait) - now.Sub(t.at)
}

// find returns an entry that is not to be forgotten, or nil.
func (b backoff) find(key digest, now time.Time) *tries {
	t := b[key]
	if t != nil && now.Sub(t.at) > forget {
		delete(b, key)
		return nil
	}
	return t
}

// begin counts a password before it is looked at: many at once must not pass for one.
func (b backoff) begin(key digest, now time.Time) {
	t := b.find(key, now)
	if t == nil {
		b.makeRoom(now)
		t = &tries{}
		b[key] = t
	}
	t.n++
	t.at = now
}

// undo takes back what begin did, for a password that was not looked at after all.
func (b backoff) undo(key digest) {
	t := b[key]
	if t == nil {
		return
	}
	if t.n--; t.n <= 0 {
		delete(b, key)
	}
}

// wrong notes which password was wrong.
func (b backoff) wrong(key, password digest, now time.Time) {
	if t := b[key]; t != nil {
		t.at, t.last = now, password
	}
}

// makeRoom forgets what is old, or the oldest.
func (b backoff) makeRoom(now time.Time) {
	if len(b) < maxBackoff {
		return
	}
	var oldest digest
	var at time.Time
	for key, t := range b {
		if now.Sub(t.at) > forget {
			delete(b, key)
		} else if at.IsZero() || t.at.Before(at) {
			oldest, at = key, t.at
		}
	}
	if len(b) >= maxBackoff {
		delete(b, oldest)
	}
}
