package locks

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"dav207/server/davpath"
)

// Table holds locks. It is safe for concurrent use. Each call first removes the expired locks;
// there is no goroutine to stop.
type Table struct {
	now                        func() time.Time
	maxTimeout, defaultTimeout time.Duration
	maxLocks, maxPerPrincipal  int
	maxOwnerBytes              int
	journal                    Journal
	random                     io.Reader

	mu           sync.Mutex
	roots        []*root // in path order
	byRoot       map[davpath.Path]*root
	byToken      map[string]*Lock
	perPrincipal map[string]int // the number of locks
	nextExpiry   time.Time      // no lock expires before
	undeleted    []string       // tokens of removed locks that the journal failed to delete
}

// New returns an empty table. o may be nil.
func New(o *Options) *Table {
	if o == nil {
		o = new(Options)
	}
	t := &Table{
		now:             o.Now,
		maxTimeout:      orDefault(o.MaxTimeout, 24*time.Hour),
		defaultTimeout:  orDefault(o.DefaultTimeout, time.Hour),
		maxLocks:        orDefault(o.MaxLocks, 100_000),
		maxPerPrincipal: orDefault(o.MaxLocksPerPrincipal, 1_000),
		maxOwnerBytes:   orDefault(o.MaxOwner, 2<<10),
		journal:         o.Journal,
		random:          cmp.Or[io.Reader](o.Random, rand.Reader),
	}
	if t.now == nil {
		t.now = time.Now
	}
	t.maxTimeout = min(max(t.maxTimeout.Truncate(time.Second), time.Second), maxSeconds*time.Second)
	t.reset()
	return t
}

func orDefault[T int | time.Duration](v, standard T) T {
	if v > 0 {
		return v
	}
	return standard
}

// reset empties the table and releases its memory: maps do not shrink.
func (t *Table) reset() {
	t.roots, t.byRoot = nil, make(map[davpath.Path]*root)
	t.byToken, t.perPrincipal = make(map[string]*Lock), make(map[string]int)
}

// newToken returns a random UUID (version 4) as a URN (RFC 4918 §6.5, RFC 9562 §5.4).
func (t *Table) newToken() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(t.random, b[:]); err != nil {
		return "", fmt.Errorf("lock token: %w", err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// Create grants a new lock and returns it with Token, Timeout and Expires set. It rounds l.Timeout
// up to whole seconds and clamps it to between one second and MaxTimeout; 0 or less stands for
// DefaultTimeout.
//
// The error is a *ConflictError, ErrTooMany, ErrOwnerTooLarge, or that of the journal or of Random;
// then the table is unchanged. A lock of depth 0 on a collection does not conflict with one on a
// member. The request that adds a member has to check the collection's lock (RFC 4918 §7.4).
func (t *Table) Create(l Lock) (Lock, error) {
	if l.ownerSize() > t.maxOwnerBytes {
		return Lock{}, ErrOwnerTooLarge
	}
	l = l.clone()
	l.Timeout = t.clampTimeout(l.Timeout)

	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.expire()
	if conflict := t.conflict(l); conflict != nil {
		return Lock{}, conflict
	}
	if len(t.byToken) >= t.maxLocks {
		return Lock{}, fmt.Errorf("%w: %d are held", ErrTooMany, len(t.byToken))
	}
	per := t.maxPerPrincipal
	if l.Principal == "" {
		per = max(per, t.maxLocks/4)
	}
	if n := t.perPrincipal[l.Principal]; n >= per {
		return Lock{}, fmt.Errorf("%w: %q holds %d", ErrTooMany, l.Principal, n)
	}
	if t.overShared(l) {
		return Lock{}, fmt.Errorf("%w: %s or a member has %d, or large ones", ErrTooMany, l.Root, maxShared)
	}
	for l.Token = ""; l.Token == "" || t.byToken[l.Token] != nil; {
		var err error
		if l.Token, err = t.newToken(); err != nil {
			return Lock{}, err
		}
	}
	l.Expires = now.Add(l.Timeout)
	if err := t.record(l); err != nil {
		t.unrecord([]Lock{l}) // a failed write may have stored it
		return Lock{}, err
	}
	t.insert(l)
	return l.clone(), nil
}

// Sync calls the journal's Sync if it is a Syncer. The caller calls it before it answers a request
// that changed a lock; granted reports that the change was Create. After an error the change is
// still in the table but may not survive a restart. The caller of Create then calls Unlock.
func (t *Table) Sync(ctx context.Context, granted bool) error {
	s, ok := t.journal.(Syncer)
	if !ok {
		return nil
	}
	if err := s.Sync(ctx, granted); err != nil {
		return fmt.Errorf("lock journal: %w", err)
	}
	return nil
}

// Flush calls the journal's Flush if it is a Syncer; the journal reports its errors itself. It is
// for locks that end without an UNLOCK of their owner: an owner does not expect them after a crash.
func (t *Table) Flush(ctx context.Context) {
	if s, ok := t.journal.(Syncer); ok {
		_ = s.Flush(ctx)
	}
}

// Refresh restarts the timeout of a lock and returns the refreshed lock (RFC 4918 §9.10.2). If d is
// 0 or less the lock keeps its Timeout; otherwise Refresh treats d as Create does. The error is
// ErrNoSuchLock or that of the journal; then the lock is unchanged.
func (t *Table) Refresh(token string, d time.Duration) (Lock, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.expire()
	e := t.byToken[token]
	if e == nil {
		return Lock{}, ErrNoSuchLock
	}
	l := *e
	if d > 0 {
		l.Timeout = t.clampTimeout(d)
	}
	l.Expires = now.Add(l.Timeout)
	if err := t.record(l); err != nil {
		return Lock{}, err
	}
	*e = l
	t.nextExpiry = earlier(t.nextExpiry, l.Expires)
	return l.clone(), nil
}

// Unlock removes a lock (RFC 4918 §9.11). The error is ErrNoSuchLock or that of the journal; then
// the lock is still held, because it would be restored at the next start.
func (t *Table) Unlock(token string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	e := t.byToken[token]
	if e == nil {
		return ErrNoSuchLock
	}
	if t.journal != nil {
		if err := t.journal.Delete(token); err != nil {
			return fmt.Errorf("lock journal: %w", err)
		}
	}
	at, _ := t.find(e.Root)
	t.remove(at, at+1, func(l *Lock) bool { return l == e })
	return nil
}

// Remove removes the locks on p and below it, after the resource was deleted or moved (RFC 4918
// §6.1 point 8, §7.6), and returns them in path order. If the journal fails, the table retries with
// its next change.
func (t *Table) Remove(p davpath.Path) []Lock {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	from, to := t.below(p)
	if t.byRoot[p] != nil {
		from--
	}
	removed := t.remove(from, to, func(*Lock) bool { return true })
	t.unrecord(removed)
	return removed
}

// Lookup returns the lock with this token.
func (t *Table) Lookup(token string) (Lock, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	e := t.byToken[token]
	if e == nil {
		return Lock{}, false
	}
	return e.clone(), true
}

// Covering returns the locks that cover p, outermost first: those with infinite depth on a
// collection that contains p, then those with p as their root.
func (t *Table) Covering(p davpath.Path) []Lock {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	return clones(t.covering(p, false))
}

// Below returns the locks whose root is strictly below p, in path order.
func (t *Table) Below(p davpath.Path) []Lock {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	from, to := t.below(p)
	var found []Lock
	for _, r := range t.roots[from:to] {
		found = append(found, clones(r.locks)...)
	}
	return found
}

// AnyBelow reports whether Below would return a lock. It does not visit the locks below p.
func (t *Table) AnyBelow(p davpath.Path) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.byToken) == 0 {
		return false // without reading the clock: a listing calls this for every member
	}
	t.expire()
	from, to := t.below(p)
	return from < to
}

// Len returns the number of locks.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.byToken) > 0 {
		t.expire()
	}
	return len(t.byToken)
}

// Remaining returns the time until l expires by the clock of the table, at least 0, for DAV:timeout
// (RFC 4918 §14.29). It does not check that the table still holds l.
func (t *Table) Remaining(l Lock) time.Duration { return max(l.Expires.Sub(t.now()), 0) }

// Restore adds locks that a journal stored; call it before the first request. It returns those that
// it dropped, and deletes them from the journal: locks without a token, expired, in conflict with
// an earlier one in the slice, or with the token of one. The bounds on numbers do not apply to
// locks that were granted before. No lock expires later than its Timeout from now, even if the
// clock was set back.
func (t *Table) Restore(locks []Lock) (dropped []Lock) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.expire()
	for _, l := range locks {
		l = l.clone()
		l.Timeout = t.clampTimeout(l.Timeout)
		left := min(l.Expires.Sub(now), l.Timeout)
		if l.Token == "" || t.byToken[l.Token] != nil || left <= 0 || t.conflict(l) != nil {
			dropped = append(dropped, l)
			continue
		}
		// Expires from the journal has no monotonic clock reading. Comparisons of times with and
		// without one are not transitive.
		l.Expires = now.Add(left)
		t.insert(l)
	}
	t.unrecord(slices.DeleteFunc(slices.Clone(dropped), func(l Lock) bool { return t.byToken[l.Token] != nil }))
	return dropped
}

// clampTimeout returns the timeout to grant, in whole seconds, so that FormatTimeout is exact.
func (t *Table) clampTimeout(requested time.Duration) time.Duration {
	if requested <= 0 {
		requested = t.defaultTimeout
	}
	if requested >= t.maxTimeout {
		return t.maxTimeout
	}
	return (requested + time.Second - 1).Truncate(time.Second)
}

// The callers of the methods below hold t.mu.

// conflict returns a *ConflictError if a lock conflicts with l, else nil.
func (t *Table) conflict(l Lock) error {
	found := t.covering(l.Root, false)
	if l.Infinite {
		from, to := t.below(l.Root)
		for _, r := range t.roots[from:to] {
			found = append(found, r.locks...)
		}
	}
	found = slices.DeleteFunc(found, func(o *Lock) bool { return o.Shared && l.Shared })
	if len(found) == 0 {
		return nil
	}
	return &ConflictError{Root: l.Root, Locks: clones(found)}
}

// overShared reports whether more than maxShared locks would cover one resource with l, or locks
// whose owners have more than twice MaxOwner: its root, or the root of a lock below. It is called
// after conflict returned nil, so all of them are shared.
func (t *Table) overShared(l Lock) bool {
	full := func(p davpath.Path) bool {
		covering, size := t.covering(p, false), l.ownerSize()
		for _, o := range covering {
			size += o.ownerSize()
		}
		return len(covering) >= maxShared || size > 2*t.maxOwnerBytes
	}
	from, to := 0, 0
	if l.Infinite {
		from, to = t.below(l.Root)
	}
	return full(l.Root) || slices.ContainsFunc(t.roots[from:to], func(r *root) bool { return full(r.path) })
}

// record stores l in the journal.
func (t *Table) record(l Lock) error {
	if t.journal == nil {
		return nil
	}
	if err := t.journal.Put(l.clone()); err != nil {
		return fmt.Errorf("lock journal: %w", err)
	}
	t.unrecord(nil)
	return nil
}

// unrecord deletes removed locks from the journal, with those that it failed to delete before.
func (t *Table) unrecord(removed []Lock) {
	if t.journal == nil {
		return
	}
	for _, l := range removed {
		t.undeleted = append(t.undeleted, l.Token)
	}
	if len(t.undeleted) == 0 {
		return
	}
	if t.journal.Delete(t.undeleted...) == nil {
		t.undeleted = nil
	} else if excess := len(t.undeleted) - t.maxLocks; excess > 0 {
		// Bounds the memory. The oldest expire first, and Restore drops expired locks.
		t.undeleted = append([]string(nil), t.undeleted[excess:]...)
	}
}
