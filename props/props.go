// Package props knows the properties of resources: live ones, whose values the server makes, and dead ones, which
// clients store (RFC 4918 §4).
//
// A Registry holds the live properties, a Store the dead ones. A Finder answers PROPFIND for one resource after another
// and tells for each property asked for what became of it: found, unknown, refused. Patch answers PROPPATCH: all or
// nothing, in document order.
//
// The package knows no HTTP requests and opens no files.
package props

import (
	"context"
	"encoding/xml"
	"errors"
	"io/fs"
	"iter"
	"syscall"
	"time"

	"dav207/server/multistatus"
	"dav207/server/resource"
)

// Resource is a resource that was looked at.
type Resource struct {
	Path resource.Path
	Info fs.FileInfo
	// Link says that the last segment of Path is a symbolic link, as a walk knows; Info is that of what it leads to.
	Link bool
}

// Property is one property: see multistatus.Property.
type Property = multistatus.Property

// Change is one instruction of a PROPPATCH: to set a property or, if Remove, to remove the one of that name
// (RFC 4918 §14.23, §14.26).
type Change struct {
	Remove   bool
	Property Property
}

// Entry is what a Store has under one name.
type Entry struct {
	Path       resource.Path
	Properties []Property
	// Orphaned is when it was first seen that no resource has the name; zero for never.
	Orphaned time.Time
}

// Store keeps dead properties by the name of their resource. Package propstest holds the test that every implementation
// must pass. Methods are safe for concurrent use; callers may keep what they return, and must not change it.
//
// A Store does not know which resources exist: the caller reports what becomes of them. A file that replaces another one
// behind the server's back takes over its properties with its name, so that an editor that saves by renaming keeps them.
type Store interface {
	// Get returns the properties of one resource in the order in which they were first set; none is not an error.
	Get(ctx context.Context, p resource.Path) ([]Property, error)
	// Members returns a reader of the properties of direct members of the collection p. The caller must close it.
	Members(ctx context.Context, p resource.Path) Members
	// All yields what is stored for p and everything below it, in any order. What changes meanwhile may or may not show.
	// After an error nothing more comes.
	All(ctx context.Context, p resource.Path) iter.Seq2[Entry, error]
	// Patch applies the changes in their order, all or none. A property that is set again keeps its place. It fails
	// where CheckQuota does. A durable store has made the outcome durable when it returns.
	Patch(ctx context.Context, p resource.Path, changes []Change) error
	// Update applies the operations in their order, all or none, and durably like Patch. Where they change nothing it
	// costs no more than a read.
	Update(ctx context.Context, ops ...Op) error
	// Moves returns the moves that were announced with MoveIntent and not ended: those that an earlier process left
	// unfinished, as long as no request is under way.
	Moves(ctx context.Context) ([]MoveIntent, error)
}

// Members reads the properties of one member of a collection after another, in the order of their names: in one ordered
// scan of the store, not one look-up for each. It is not safe for concurrent use.
type Members interface {
	// Get returns the properties of the member with this name, which must come after the name of the call before. The
	// result is valid until the next call. What changed since Members was called may or may not show.
	Get(name string) ([]Property, error)
	// Close releases the Members and what it returned.
	Close()
}

// Op is one of Set, Move, Delete, MoveIntent, MoveDone and Orphan.
type Op interface{ op() }

// Set gives one resource, and not what is below it, these properties and no others.
type Set struct {
	Path       resource.Path
	Properties []Property
}

// Move gives the tree at Dst the properties of the tree at Src, and no others; Src has none after it. It ends a MoveIntent.
type Move struct{ Src, Dst resource.Path }

// Delete removes the properties of Path and of everything below it.
type Delete struct{ Path resource.Path }

// MoveIntent announces that the resources of the tree at Src are about to get names in the tree at Dst: if the process ends
// before Move or MoveDone, the next one can find out how far it came. A store need not keep it where neither has
// properties.
type MoveIntent struct{ Src, Dst resource.Path }

// MoveDone ends a MoveIntent.
type MoveDone struct{ Src resource.Path }

// Orphan records since when no resource has the name of an entry; zero says that one has it. It has no effect where
// nothing is stored.
type Orphan struct {
	Path  resource.Path
	Since time.Time
}

func (Set) op()        {}
func (Move) op()       {}
func (Delete) op()     {}
func (MoveIntent) op() {}
func (MoveDone) op()   {}
func (Orphan) op()     {}

// The most that is kept for one resource: enough for any client, too little to fill the machine with.
const (
	maxProperties = 4096
	maxBytes      = 4 << 20
)

var errQuota = errors.Join(errors.New("too many or too large properties"), syscall.EDQUOT)

// CheckQuota fails where a PROPPATCH would leave a resource that has the properties before with more than 4096 of them, or more
// than 4 MiB. That is a quota of ours and no full disk: the error wraps EDQUOT (RFC 4331 §6: quota-not-exceeded).
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

// Apply returns what properties become by changes. It is what Patch means, for implementations of Store; the arguments
// are not changed.
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
			out[i].XMLName.Local = "" // no property has no name
			delete(at, name)
			removed = true
		case c.Remove: // removing what is not there is no error (§14.23)
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
