// Package props implements the properties of resources: live ones, whose values the server
// computes, and dead ones, which clients set (RFC 4918 §4).
//
// A Registry holds the live properties, a Store the dead ones. A Finder finds the properties of a
// PROPFIND for one resource after another, with a status for each property. Registry.Patch applies
// a PROPPATCH: all or nothing, in document order.
//
// The package handles no HTTP requests and opens no files.
package props

import (
	"context"
	"encoding/xml"
	"errors"
	"iter"
	"slices"
	"syscall"
	"time"

	"dav207/fsbackend"
	"dav207/server/davpath"
	"dav207/server/multistatus"
)

// Resource is a resource that exists.
type Resource struct {
	Path davpath.Path
	Info *fsbackend.Info
	// Link says that Path names a symbolic link, if the resource comes from a walk. Info is that of
	// its target.
	Link bool
}

// Property is a property with its value: see multistatus.Property.
type Property = multistatus.Property

// Change is one instruction of a PROPPATCH: it sets a property or, if Remove is true, removes the
// one with that name (RFC 4918 §14.23, §14.26).
type Change struct {
	Remove   bool
	Property Property
}

// Entry holds the properties that a Store has for one path.
type Entry struct {
	Path       davpath.Path
	Properties []Property
	// Orphaned is the time when the resource was first found missing; the zero time if it exists.
	Orphaned time.Time
}

// Store stores dead properties by the path of their resource. Each implementation must pass the
// tests of package propstest. Methods are safe for concurrent use. Callers may retain results, but
// must not modify them.
//
// A Store does not know which resources exist: callers report copies, moves and deletions with
// Update. A file that another program replaces keeps the properties of its path. So an editor that
// saves by renaming does not lose them.
type Store interface {
	// Get returns the properties of one resource, in the order in which they were first set. Having
	// none is no error.
	Get(ctx context.Context, p davpath.Path) ([]Property, error)
	// Members returns a reader of the properties of the direct members of p.
	Members(ctx context.Context, p davpath.Path) Members
	// All yields the entries of p and of everything below it, in any order. Concurrent changes may
	// or may not be seen. An error is the last that it yields.
	All(ctx context.Context, p davpath.Path) iter.Seq2[Entry, error]
	// Patch applies changes in order, all or none. A property that is set again keeps its place.
	// Patch returns the error of CheckQuota, and ErrFull. The changes are durable when it returns,
	// if the store is.
	Patch(ctx context.Context, p davpath.Path, changes []Change) error
	// Update applies ops in order, all or none, and durably as Patch does. If they change nothing
	// it writes nothing. It returns ErrFull only if there is a Set among them.
	Update(ctx context.Context, ops ...Op) error
	// Moves returns the moves with a MoveIntent that neither Move nor MoveDone has ended. While no
	// request is running, they are those that an earlier process did not finish.
	Moves(ctx context.Context) ([]MoveIntent, error)
}

// Members reads the properties of the members of a collection, in the order of their names. It
// makes one ordered scan of the store instead of one look-up for each member. It is not safe for
// concurrent use.
type Members interface {
	// Get returns the properties of the member with that name. It must be called in ascending byte
	// order of names. The result is valid until the next call. Changes since Store.Members may or
	// may not be seen.
	Get(name string) ([]Property, error)
}

// Op is one of Set, Move, Delete, MoveIntent, MoveDone and Orphan.
type Op interface{ op() }

// Set replaces the properties of one resource. Those of its members stay.
type Set struct {
	Path       davpath.Path
	Properties []Property
}

// Move replaces the properties of Dst and everything below it by those of Src and everything below
// that. Src has none after it. It ends the MoveIntent of Src.
type Move struct{ Src, Dst davpath.Path }

// AnySet reports whether one of ops sets properties.
func AnySet(ops []Op) bool {
	return slices.ContainsFunc(ops, func(o Op) bool {
		s, ok := o.(Set)
		return ok && len(s.Properties) > 0
	})
}

// Delete removes the properties of Path and of everything below it.
type Delete struct{ Path davpath.Path }

// MoveIntent records that the tree at Src is about to be renamed to Dst. If the process is killed
// before Move or MoveDone, Store.Moves of the next process returns it. A store may ignore it if
// neither tree has properties.
type MoveIntent struct{ Src, Dst davpath.Path }

// MoveDone ends the MoveIntent of Src. It moves no properties.
type MoveDone struct{ Src davpath.Path }

// Orphan sets Entry.Orphaned. It has no effect if nothing is stored for Path.
type Orphan struct {
	Path  davpath.Path
	Since time.Time
}

func (Set) op()        {}
func (Move) op()       {}
func (Delete) op()     {}
func (MoveIntent) op() {}
func (MoveDone) op()   {}
func (Orphan) op()     {}

// The limits of CheckQuota for one resource.
const (
	maxProperties = 4096
	maxBytes      = 4 << 20
)

var errQuota = errors.Join(errors.New("too many or too large properties"), syscall.EDQUOT)

// CheckQuota returns an error if a PROPPATCH that changes before to after exceeds the limits of one
// resource: 4096 properties, or as many as it had, and 4 MiB. The error wraps syscall.EDQUOT, for
// it is a quota and not a full disk (RFC 4331 §6: quota-not-exceeded).
func CheckQuota(before, after []Property) error {
	size := 0
	for i := range after {
		size += after[i].Size()
	}
	if len(after) > max(maxProperties, len(before)) || size > maxBytes {
		return errQuota
	}
	return nil
}

// ErrFull reports that the properties of all resources together would exceed the limit of a Store.
// A store refuses no change that makes them smaller, no Delete, and no move.
var ErrFull = errors.Join(errors.New("the properties of all resources are too large"), syscall.EDQUOT)

// Apply returns properties after changes, as Store.Patch must store them. It does not modify its
// arguments.
func Apply(properties []Property, changes []Change) []Property {
	out := append(make([]Property, 0, len(properties)+len(changes)), properties...)
	at := make(map[xml.Name]int, len(out))
	for i := range out {
		at[out[i].XMLName] = i
	}
	removed := false
	for _, c := range changes {
		name := c.Property.XMLName
		i, exists := at[name]
		switch {
		case c.Remove && exists:
			out[i].XMLName.Local = "" // marks it as removed: no property has an empty name
			delete(at, name)
			removed = true
		case c.Remove: // removing a property that does not exist is no error (§14.23)
		case exists:
			out[i] = c.Property
		default:
			at[name] = len(out)
			out = append(out, c.Property)
		}
	}
	if !removed {
		return out
	}
	kept := out[:0]
	for _, p := range out {
		if p.XMLName.Local != "" {
			kept = append(kept, p)
		}
	}
	return kept
}
