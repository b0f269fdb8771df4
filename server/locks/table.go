package locks

import (
	"container/heap"
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"dav207/server/resource"
)

// Table holds locks. It is safe for concurrent use. A lock whose time is over vanishes with the next call of any
// method; there is no goroutine to stop.
type Table struct {
	now                      func() time.Time
	maxTimeout, defaultGrant time.Duration
	maxLocks, maxPer         int
	maxOwner                 int
	journal                  Journal

	mu    sync.Mutex
	root  *node
	token map[string]*entry
	next  schedule
	held  map[string]int // by principal
	most  int            // of the locks since clear
	owed  []string       // tokens that the journal failed to forget, although their locks are gone
}

// New returns an empty table. Options may be nil.
func New(o *Options) *Table {
	if o == nil {
		o = new(Options)
	}
	t := &Table{
		now:          o.Now,
		maxTimeout:   or(o.MaxTimeout, 24*time.Hour),
		defaultGrant: or(o.DefaultTimeout, time.Hour),
		maxLocks:     or(o.MaxLocks, 100_000),
		maxPer:       or(o.MaxLocksPerPrincipal, 1_000),
		maxOwner:     or(o.MaxOwner, 2<<10),
		journal:      o.Journal,
	}
	if t.now == nil {
		t.now = time.Now
	}
	t.maxTimeout = min(max(t.maxTimeout.Truncate(time.Second), time.Second), maxSeconds*time.Second)
	t.clear()
	return t
}

func or[T int | time.Duration](v, preset T) T {
	if v > 0 {
		return v
	}
	return preset
}

// clear starts anew, because neither maps nor slices shrink by themselves.
func (t *Table) clear() {
	t.root, t.token, t.held, t.next, t.most = new(node), make(map[string]*entry), make(map[string]int), nil, 0
}

// cleared is clear where the last lock is gone, and there were many.
func (t *Table) cleared() {
	if len(t.token) == 0 && t.most > fewLocks {
		t.clear()
	}
}

// fewLocks need little memory even when they are gone.
const fewLocks = 256

// newToken returns a random UUID (version 4) as a URN (RFC 4918 §6.5, RFC 9562 §5.4).
func newToken() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Create grants a new lock and returns it with its Token, Timeout and Expires filled in. What l.Timeout asks for is
// clamped to between one second and the table's MaxTimeout and rounded up to whole seconds; 0 or less asks for the default.
//
// It fails with a *ConflictError, ErrTooMany, ErrOwnerTooLarge, or with what the journal returned; then nothing has
// changed. A lock of depth 0 on a collection does not conflict with one on a member of it: that the collection is
// locked against new members (RFC 4918 §7.4) is a matter of the request that creates one.
func (t *Table) Create(l Lock) (Lock, error) {
	if l.ownerSize() > t.maxOwner {
		return Lock{}, ErrOwnerTooLarge
	}
	l = l.clone()
	l.Token = newToken()
	l.Timeout = t.grant(l.Timeout)

	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.sweep()
	if conflict := t.conflict(l); conflict != nil {
		return Lock{}, conflict
	}
	if len(t.token) >= t.maxLocks {
		return Lock{}, fmt.Errorf("%w: %d are held", ErrTooMany, len(t.token))
	}
	per := t.maxPer
	if l.Principal == "" {
		per = max(per, t.maxLocks/4)
	}
	if n := t.held[l.Principal]; n >= per {
		return Lock{}, fmt.Errorf("%w: %q holds %d", ErrTooMany, l.Principal, n)
	}
	if t.crowded(l) {
		return Lock{}, fmt.Errorf("%w: on one resource, with a new one on %s", ErrTooMany, l.Root)
	}
	l.Expires = now.Add(l.Timeout)
	if err := t.write(l); err != nil {
		t.forget([]string{l.Token}) // it may have been written all the same
		return Lock{}, err
	}
	t.insert(l)
	return l.clone(), nil
}

// Settle is to be called before a change is answered, and granted says that it was Create: it waits for a journal that is a
// Settler. If it fails the change may not outlive the process; the table has it all the same, and whoever made a lock takes
// it back with Unlock.
func (t *Table) Settle(ctx context.Context, granted bool) error {
	s, ok := t.journal.(Settler)
	if !ok {
		return nil
	}
	if err := s.Settle(ctx, granted); err != nil {
		return fmt.Errorf("lock journal: %w", err)
	}
	return nil
}

// Flush waits until all changes are written, or could not be: that is the journal's to say. It is for locks that end without a
// request of their holder, who would not know why they are back after the process was killed.
func (t *Table) Flush(ctx context.Context) {
	if s, ok := t.journal.(Settler); ok {
		_ = s.Flush(ctx)
	}
}

// Refresh restarts the time of a lock and returns it as it is now (RFC 4918 §7.7). 0 or less asks for the timeout it
// had; otherwise d is treated as by Create. It fails with ErrNoSuchLock, or with what the journal returned; then the
// lock is what it was.
func (t *Table) Refresh(token string, d time.Duration) (Lock, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.sweep()
	e := t.token[token]
	if e == nil {
		return Lock{}, ErrNoSuchLock
	}
	l := e.Lock
	if d > 0 {
		l.Timeout = t.grant(d)
	}
	l.Expires = now.Add(l.Timeout)
	if err := t.write(l); err != nil {
		return Lock{}, err
	}
	e.Lock = l
	heap.Fix(&t.next, e.index)
	return l.clone(), nil
}

// Unlock ends a lock (RFC 4918 §9.11). It fails with ErrNoSuchLock, or with what the journal returned; then the lock
// is still held, since one that came back after a restart was not deleted entirely.
func (t *Table) Unlock(token string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
	e := t.token[token]
	if e == nil {
		return ErrNoSuchLock
	}
	if t.journal != nil {
		if err := t.journal.Delete(token); err != nil {
			return fmt.Errorf("lock journal: %w", err)
		}
	}
	t.take(e)
	return nil
}

// Remove ends the locks on p and on everything below it, because no resource is there any more (RFC 4918 §6.1,
// point 8; §7.6), and returns them in path order. A journal that fails is asked again with the next change.
func (t *Table) Remove(p resource.Path) []Lock {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
	sub, _ := t.root.locate(key(p), nil)
	if sub == nil || sub.count == 0 {
		return nil
	}
	removed := make([]Lock, 0, sub.count)
	tokens := make([]string, 0, sub.count)
	sub.walk(false, func(e *entry) {
		removed = append(removed, e.Lock) // nobody else has it any more: no copy
		tokens = append(tokens, e.Token)
		t.unlist(e)
	})
	if parent := sub.parent; parent != nil {
		parent.adjust(-sub.count, -sub.exclusive)
		sub.detach()
		parent.tidy()
	}
	if len(t.token) == 0 {
		t.clear()
	}
	t.forget(tokens)
	return removed
}

// Lookup returns the lock that has this token.
func (t *Table) Lookup(token string) (Lock, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
	e := t.token[token]
	if e == nil {
		return Lock{}, false
	}
	return e.clone(), true
}

// Covering returns the locks that cover p: those with p as their root, and those of infinite depth on a collection that
// contains it. The outermost comes first.
func (t *Table) Covering(p resource.Path) []Lock {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
	var found []Lock
	t.covering(p, false, func(e *entry) { found = append(found, e.clone()) })
	return found
}

// Below returns the locks whose root lies below p, in path order. Those of p itself are not among them.
func (t *Table) Below(p resource.Path) []Lock {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
	var found []Lock
	t.below(p, false, func(e *entry) { found = append(found, e.clone()) })
	return found
}

// AnyBelow reports whether Below would return any, at the cost of walking down to p.
func (t *Table) AnyBelow(p resource.Path) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.token) == 0 {
		return false // without a look at the clock: this is asked for every member of a listing
	}
	t.sweep()
	sub, exact := t.root.locate(key(p), nil)
	return sub != nil && (!exact || sub.count > sub.own())
}

// Len returns the number of locks.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.token) > 0 {
		t.sweep()
	}
	return len(t.token)
}

// Remaining returns how long l has left by the clock of the table, for DAV:timeout (RFC 4918 §14.29). It does not ask
// whether l still exists.
func (t *Table) Remaining(l Lock) time.Duration { return max(l.Expires.Sub(t.now()), 0) }

// Restore takes back locks that a journal kept, before any request is served. It returns those that it did not take,
// which the journal is told to forget: without a token, expired, in conflict with one before them, or doubled. The bounds
// on numbers do not apply: these locks were granted. No lock gets more time than its timeout, whatever the clock
// did meanwhile.
func (t *Table) Restore(locks []Lock) (dropped []Lock) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.sweep()
	for _, l := range locks {
		l = l.clone()
		l.Timeout = t.grant(l.Timeout)
		left := min(l.Expires.Sub(now), l.Timeout)
		if l.Token == "" || t.token[l.Token] != nil || left <= 0 || t.conflict(l) != nil {
			dropped = append(dropped, l)
			continue
		}
		// Counted from now, all times in the schedule come from one clock: those from the journal lack its monotonic
		// reading, and the two kinds together have no order.
		l.Expires = now.Add(left)
		t.insert(l)
	}
	var tokens []string
	for _, l := range dropped {
		if t.token[l.Token] == nil {
			tokens = append(tokens, l.Token)
		}
	}
	t.forget(tokens)
	return dropped
}

// grant decides how long a lock is given, in whole seconds: what FormatTimeout then says of it is exact.
func (t *Table) grant(wish time.Duration) time.Duration {
	if wish <= 0 {
		wish = t.defaultGrant
	}
	if wish >= t.maxTimeout {
		return t.maxTimeout
	}
	return (wish + time.Second - 1).Truncate(time.Second)
}

// What follows wants t.mu.

// conflict returns nil where l can be granted.
func (t *Table) conflict(l Lock) error {
	var found []Lock
	collect := func(e *entry) { found = append(found, e.clone()) }
	t.covering(l.Root, l.Shared, collect)
	if l.Infinite {
		t.below(l.Root, l.Shared, collect)
	}
	if found == nil {
		return nil
	}
	return &ConflictError{Root: l.Root, Locks: found}
}

// crowded reports whether a resource would be covered by more than maxShared locks with l: its root, or one that is locked
// below. Only shared locks can be that many.
func (t *Table) crowded(l Lock) bool {
	full := func(p resource.Path) bool {
		n := 0
		t.covering(p, false, func(*entry) { n++ })
		return n >= maxShared
	}
	crowded := full(l.Root)
	if l.Infinite && l.Shared {
		t.below(l.Root, false, func(e *entry) { crowded = crowded || full(e.Root) })
	}
	return crowded
}

func (t *Table) covering(p resource.Path, exclusiveOnly bool, visit func(*entry)) {
	sub, exact := t.root.locate(key(p), func(above *node) {
		for _, e := range above.infinite {
			if exclusiveOnly && e.Shared {
				break // as in walkOwn
			}
			visit(e)
		}
	})
	if exact {
		sub.walkOwn(exclusiveOnly, visit)
	}
}

func (t *Table) below(p resource.Path, exclusiveOnly bool, visit func(*entry)) {
	switch sub, exact := t.root.locate(key(p), nil); {
	case exact:
		sub.walkBelow(exclusiveOnly, visit)
	case sub != nil:
		sub.walk(exclusiveOnly, visit)
	}
}

func (t *Table) insert(l Lock) {
	e := &entry{Lock: l}
	t.root.make(key(l.Root)).add(e)
	heap.Push(&t.next, e)
	t.token[l.Token] = e
	t.most = max(t.most, len(t.token))
	t.held[l.Principal]++
}

// take removes one lock.
func (t *Table) take(e *entry) {
	t.unlist(e)
	e.node.remove(e)
	e.node.tidy()
	t.cleared()
}

// unlist removes a lock from everywhere but the tree.
func (t *Table) unlist(e *entry) {
	heap.Remove(&t.next, e.index)
	delete(t.token, e.Token)
	if t.held[e.Principal]--; t.held[e.Principal] == 0 {
		delete(t.held, e.Principal)
	}
}

// sweep removes the locks whose time is over and returns the time.
func (t *Table) sweep() time.Time {
	now := t.now()
	var tokens []string
	for len(t.next) > 0 && t.next[0].expired(now) {
		tokens = append(tokens, t.next[0].Token)
		t.take(t.next[0])
	}
	if tokens != nil {
		t.forget(tokens)
	}
	return now
}

// write puts l into the journal.
func (t *Table) write(l Lock) error {
	if t.journal == nil {
		return nil
	}
	if err := t.journal.Put(l.clone()); err != nil {
		return fmt.Errorf("lock journal: %w", err)
	}
	t.forget(nil)
	return nil
}

// forget removes tokens from the journal. Their locks are gone in any case: what fails is owed.
func (t *Table) forget(tokens []string) {
	if t.journal == nil {
		return
	}
	t.owed = append(t.owed, tokens...)
	if len(t.owed) == 0 {
		return
	}
	if t.journal.Delete(t.owed...) == nil {
		t.owed = nil
	} else if excess := len(t.owed) - t.maxLocks; excess > 0 {
		t.owed = append([]string(nil), t.owed[excess:]...) // the oldest expire soonest, and Restore drops them then
	}
}
