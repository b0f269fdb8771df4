// Package locks holds the write locks of a server: which resource each one covers, and until when (RFC 4918 §6, §7).
//
// A Table never holds two locks that conflict, and never reports one whose time is over. What a call costs depends on
// the depth of the path and on the locks that the answer is about, not on how many are held elsewhere. A Journal
// makes the locks survive a restart.
//
// It does not judge requests. Whether a token was submitted, by its creator and for a resource in its scope, and
// whether a resource exists at all, is for the caller to ask; Lock has what is needed to answer.
package locks

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"time"

	"dav207/server/resource"
)

// Lock is one write lock, as it stood when it was asked for. It is a copy: whoever has it may keep and change it.
type Lock struct {
	Token     string        // a URN of a random UUID, unique and unguessable (RFC 4918 §6.5)
	Root      resource.Path // what the LOCK request was for: DAV:lockroot
	Infinite  bool          // Depth: infinity, else 0
	Shared    bool          // the scope is shared, else exclusive
	Principal string        // the creator, "" where nobody was authenticated
	Timeout   time.Duration // as granted, in whole seconds
	Expires   time.Time     // from this moment on the lock does not exist

	// The content of DAV:owner with its attributes and its language, as the client sent them. They are given back
	// as they are (RFC 4918 §14.17); this package does not look into them. A nil Owner means that there was none.
	Owner     []byte
	OwnerAttr []xml.Attr
	OwnerLang string
}

// Covers reports whether l locks p, directly or indirectly (RFC 4918 §6.1).
func (l Lock) Covers(p resource.Path) bool {
	return l.Root == p || l.Infinite && l.Root.Contains(p)
}

func (l Lock) clone() Lock {
	l.Owner = slices.Clone(l.Owner)
	l.OwnerAttr = slices.Clone(l.OwnerAttr)
	return l
}

func (l Lock) ownerSize() int {
	n := len(l.Owner) + len(l.OwnerLang)
	for _, a := range l.OwnerAttr {
		n += len(a.Name.Space) + len(a.Name.Local) + len(a.Value)
	}
	return n
}

// Journal writes down what a Table holds, so that Restore can bring it back. The calls come one at a time, in the
// order in which the table changed, and while the table is locked: they must be quick and must not call the table. A
// journal that writes a moment late and then fails has to say so itself; the lock is lost at the next start.
type Journal interface {
	// Put stores a new lock, or a refreshed one under the token it had. The lock is granted only if it returns nil.
	// It may keep what it is given.
	Put(Lock) error
	// Delete forgets tokens, some of which may be unknown to it. The slice must not be kept.
	Delete(tokens ...string) error
}

// Settler is what a Journal may be besides, if it writes late.
type Settler interface {
	// Settle returns when what Put and Delete were told of is written as far as the journal wants it to be before a request is
	// answered, or could not be: then with the reason. granted says that a new lock is among it. Many calls may come at a time.
	Settle(ctx context.Context, granted bool) error
	// Flush is Settle for what must be written whatever the journal wants.
	Flush(ctx context.Context) error
}

// maxShared bounds the locks that cover one resource: DAV:lockdiscovery tells of all of them, for each member of a listing.
const maxShared = 16

// Options are the limits of a Table. The zero value has all the defaults.
type Options struct {
	Now            func() time.Time // the clock, safe for concurrent use; time.Now by default
	MaxTimeout     time.Duration    // the longest that is granted; 24 hours by default, at most 2^32-1 seconds (RFC 4918 §10.7)
	DefaultTimeout time.Duration    // what is granted where none was asked for; one hour by default

	// MaxLocks bounds the locks of all principals, 100,000 by default. MaxLocksPerPrincipal bounds those of one,
	// 1,000 by default; those who are not authenticated share a quarter of MaxLocks.
	MaxLocks, MaxLocksPerPrincipal int
	// MaxOwner bounds the bytes of Owner, OwnerAttr and OwnerLang of one lock, 2 KiB by default. Without it the bound
	// on the number of locks would be none on the memory they take.
	MaxOwner int

	Journal Journal // nil: the locks end with the process
}

var (
	// ErrNoSuchLock says that no lock has this token: it never had, was unlocked, or its time is over.
	ErrNoSuchLock = errors.New("no such lock")
	// ErrTooMany is wrapped where a new lock would be one more than MaxLocks or MaxLocksPerPrincipal allow.
	ErrTooMany = errors.New("too many locks")
	// ErrOwnerTooLarge says that DAV:owner is larger than MaxOwner.
	ErrOwnerTooLarge = errors.New("lock owner too large")
)

// ConflictError says that a lock cannot be granted because of those that exist (RFC 4918 §6.1, §9.10.5).
type ConflictError struct {
	Root resource.Path // of the lock that was refused
	// Locks are all that stand in the way: first those that cover Root, outermost first, then those whose root
	// lies below it, in path order. Shared locks may have one root in common.
	Locks []Lock
}

// Error names the first conflicting root, for the log. It holds no token.
func (e *ConflictError) Error() string {
	if len(e.Locks) == 0 {
		return fmt.Sprintf("locking %s: conflicting lock", e.Root)
	}
	return fmt.Sprintf("locking %s: %d conflicting, first at %s", e.Root, len(e.Locks), e.Locks[0].Root)
}

// Covering returns those of e.Locks that cover Root: the resource itself is locked, 423 with no-conflicting-lock.
func (e *ConflictError) Covering() []Lock { return e.Locks[:e.split()] }

// Below returns those of e.Locks whose root is a member of Root, at any depth: they are what a depth-infinity lock
// answers a 207 for (RFC 4918 §9.10.3).
func (e *ConflictError) Below() []Lock { return e.Locks[e.split():] }

func (e *ConflictError) split() int {
	for i, l := range e.Locks {
		if !l.Root.Contains(e.Root) {
			return i
		}
	}
	return len(e.Locks)
}
