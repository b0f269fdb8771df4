// Package locks holds the write locks of a server: which resources each one covers, and until when
// (RFC 4918 §6, §7).
//
// A Table never holds two conflicting locks and never returns an expired one. The cost of a call
// depends on the depth of the path and on the number of locks returned, hardly on the number of
// other locks. A Journal makes the locks survive a restart.
//
// The package does not evaluate requests. The caller checks that the resource exists and that the
// request submitted the token of a lock that covers it, as that lock's creator.
package locks

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"dav207/server/davpath"
)

// Lock is a copy of one write lock, which the caller may keep and change.
type Lock struct {
	Token     string        // a URN of a random UUID, unique and unguessable (RFC 4918 §6.5)
	Root      davpath.Path  // the target of the LOCK request: DAV:lockroot
	Infinite  bool          // Depth: infinity, else 0
	Shared    bool          // the scope is shared, else exclusive
	Principal string        // the creator, "" if not authenticated
	Timeout   time.Duration // as granted, in whole seconds
	Expires   time.Time     // from this moment on the lock does not exist

	// The content, attributes and language of DAV:owner as the client sent them. They are returned
	// unchanged (RFC 4918 §14.17). A nil Owner means that the request had none.
	Owner     []byte
	OwnerAttr []xml.Attr
	OwnerLang string
}

// Covers reports whether l locks p, directly or indirectly (RFC 4918 §6.1).
func (l Lock) Covers(p davpath.Path) bool {
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

// Journal stores the locks of a Table, so that Restore can load them. The table makes one call at a
// time, in the order of its changes, while it holds its mutex. The methods must be quick and must
// not call the table. A journal that writes after it returned logs its own write errors; a lock
// that was not written is lost at the next start.
type Journal interface {
	// Put stores a new lock, or replaces the one with the same token by its refreshed state. The
	// lock is granted only if Put returns nil. The journal may keep the Lock.
	Put(Lock) error
	// Delete removes tokens, some of which it may not know. It must not keep the slice.
	Delete(tokens ...string) error
}

// Syncer is an optional interface of a Journal that writes after Put and Delete returned. Its
// methods are safe for concurrent use.
type Syncer interface {
	// Sync blocks until earlier calls of Put and Delete are as durable as the journal requires
	// before a request is answered. It returns the error if a write failed. granted reports that
	// a new lock is among the changes.
	Sync(ctx context.Context, granted bool) error
	// Flush blocks until all earlier changes are written, or returns the error.
	Flush(ctx context.Context) error
}

// maxShared bounds the locks that cover one resource: DAV:lockdiscovery lists them all, for each
// member of a listing.
const maxShared = 16

// Options are the limits of a Table. The zero value has all the defaults.
type Options struct {
	Now            func() time.Time // the clock, safe for concurrent use; time.Now by default
	MaxTimeout     time.Duration    // 24 hours by default, at most 2^32-1 seconds (RFC 4918 §10.7)
	DefaultTimeout time.Duration    // granted if the client asks for none; one hour by default

	// MaxLocks bounds the locks of all principals, 100,000 by default. MaxLocksPerPrincipal bounds
	// those of one, 1,000 by default. All clients that are not authenticated together may hold
	// MaxLocks/4, or MaxLocksPerPrincipal if that is more.
	MaxLocks, MaxLocksPerPrincipal int
	// MaxOwner bounds the bytes of Owner, OwnerAttr and OwnerLang of one lock, 2 KiB by default.
	// With MaxLocks it bounds the memory of the table.
	MaxOwner int

	Journal Journal // nil: the locks end with the process

	// Random is where tokens come from, 16 bytes for each; crypto/rand by default. It is for tests
	// that want the same tokens each time: tokens must be unguessable (RFC 4918 §6.5). The table
	// makes one call at a time, and another one if a lock has the token already.
	Random io.Reader
}

var (
	// ErrNoSuchLock reports that no lock has this token: it is unknown, unlocked or expired.
	ErrNoSuchLock = errors.New("no such lock")
	// ErrTooMany reports that a new lock would exceed MaxLocks, MaxLocksPerPrincipal, 16 locks that
	// cover one resource, or twice MaxOwner of their owners.
	ErrTooMany = errors.New("too many locks")
	// ErrOwnerTooLarge reports that DAV:owner is larger than MaxOwner.
	ErrOwnerTooLarge = errors.New("lock owner too large")
)

// ConflictError reports that existing locks conflict with a new one (RFC 4918 §6.1, §9.10.5).
type ConflictError struct {
	Root davpath.Path // of the new lock
	// Locks are all conflicting locks: first those that cover Root, outermost first, then those
	// whose root is below it, in path order. Several shared locks may have the same root.
	Locks []Lock
}

// Error names the first conflicting root. It contains no token and may be logged.
func (e *ConflictError) Error() string {
	if len(e.Locks) == 0 {
		return fmt.Sprintf("locking %s: conflicting lock", e.Root)
	}
	return fmt.Sprintf("locking %s: %d conflicting, first at %s", e.Root, len(e.Locks), e.Locks[0].Root)
}

// Covering returns those of e.Locks that cover Root. The answer to them is 423 with
// no-conflicting-lock (RFC 4918 §9.10.6).
func (e *ConflictError) Covering() []Lock { return e.Locks[:e.split()] }

// Below returns those of e.Locks whose root is a member of Root, at any depth. The answer to a LOCK
// with depth infinity lists them in a 207 (RFC 4918 §9.10.3).
func (e *ConflictError) Below() []Lock { return e.Locks[e.split():] }

func (e *ConflictError) split() int {
	for i, l := range e.Locks {
		if !l.Root.Contains(e.Root) {
			return i
		}
	}
	return len(e.Locks)
}

func clones(locks []*Lock) (found []Lock) {
	for _, l := range locks {
		found = append(found, l.clone())
	}
	return found
}
