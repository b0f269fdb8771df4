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
	"slices"
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

// Identity returns what tells the file behind r from another one that takes its name, if the file system offers it: see
// tree.Identifier. "" is not known.
func (r Resource) Identity() string {
	if i, ok := r.Info.(interface{ FileID() string }); ok {
		return i.FileID()
	}
	return ""
}

// AppendIdentity appends Identity to b. It makes no string where the file system need not make one: see tree.Identifier.
func (r Resource) AppendIdentity(b []byte) []byte {
	if i, ok := r.Info.(interface{ AppendFileID([]byte) []byte }); ok {
		return i.AppendFileID(b)
	}
	return append(b, r.Identity()...)
}

// Entry is what a Store has under one name.
type Entry struct {
	Path resource.Path
	// Identities are those of the files that the properties belong to: one, or two while one is replaced by another.
	// None means that they belong to whatever has the name.
	Identities []string
	Properties []Property
	// Orphaned is when it was first seen that nothing the properties belong to has the name; zero for never.
	Orphaned time.Time
}

// Of reports whether the properties belong to r. An identity that is not known is taken for the right one.
func (e *Entry) Of(r Resource) bool {
	if len(e.Identities) == 0 {
		return true
	}
	id := r.Identity()
	return id == "" || slices.Contains(e.Identities, id)
}

// Store keeps dead properties by the name and the identity of their resource. Package propstest holds the test that every
// implementation must pass. Methods are safe for concurrent use; what they return is the caller's to read and nobody's
// to change. A Store does not know which resources exist: it is told what becomes of them.
//
// Where a file was replaced by another behind the server's back, the properties that are stored under its name belong to
// no resource: they are not given out, and the first change under that name ends them.
type Store interface {
	// Get returns the properties of one resource in the order in which they were first set; none is not an error.
	Get(ctx context.Context, r Resource) ([]Property, error)
	// Members returns what gives the properties of direct members of the collection p. The caller must close it.
	Members(ctx context.Context, p resource.Path) Members
	// All yields what is stored for p and everything below it, in any order: whether it belongs to what is there is for
	// Entry.Of to say. What changes while it runs may or may not show. After an error nothing more comes.
	All(ctx context.Context, p resource.Path) iter.Seq2[Entry, error]
	// Patch applies the changes in their order, all or none. A property that is set again keeps its place. It fails where
	// CheckQuota does. A durable store has made the outcome durable when it returns.
	Patch(ctx context.Context, r Resource, changes []Change) error
	// Update takes the steps in their order, all or none, and durably like Patch. Where they change nothing it costs
	// no more than looking.
	Update(ctx context.Context, steps ...Step) error
	// Moving returns the moves that were announced and whose end was not told: by an earlier process, as far as no request is
	// under way.
	Moving(ctx context.Context) ([]Moving, error)
}

// Members gives the properties of one member of a collection after another, to those who come by them in the order of their
// names: one ordered scan of the store, not one look-up for each. It is not safe for concurrent use.
type Members interface {
	// Get returns the properties of r like Get of the Store. Its name must come after the one that was asked for before. What is
	// returned is good until the next call. What changed since Members was called may or may not show.
	Get(r Resource) ([]Property, error)
	// Close ends the use of what was returned, and of the Members.
	Close()
}

// Step is one of Set, Adopt, Move, Delete, Moving, Settled and Orphan.
type Step interface{ step() }

// Set gives one resource, and not what is below it, these properties and no others.
type Set struct {
	Resource   Resource
	Properties []Property
}

// Adopt says that the file with the identity Next is about to take the place of Resource, whose properties will be its own.
// Until the next change the properties belong to both.
type Adopt struct {
	Resource Resource
	Next     string
}

// Move gives the tree at Dst the properties of the tree at Src, and no others; Src has none after it. It ends a Moving.
type Move struct{ Src, Dst resource.Path }

// Delete removes the properties of Path and of everything below it.
type Delete struct{ Path resource.Path }

// Moving announces that the resources of the tree at Src are about to get names in the tree at Dst: if the process ends
// before Move or Settled, the next one can find out how far it came. A store need not keep it where neither has
// properties.
type Moving struct{ Src, Dst resource.Path }

// Settled ends a Moving.
type Settled struct{ Src resource.Path }

// Orphan notes since when an entry is seen to belong to nothing; zero that it is not. It has no effect where nothing
// is stored.
type Orphan struct {
	Path  resource.Path
	Since time.Time
}

func (Set) step()     {}
func (Adopt) step()   {}
func (Move) step()    {}
func (Delete) step()  {}
func (Moving) step()  {}
func (Settled) step() {}
func (Orphan) step()  {}

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
