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
	"io/fs"
	"iter"

	"dav207/server/multistatus"
	"dav207/server/resource"
)

// Resource is a resource that was looked at.
type Resource struct {
	Path resource.Path
	Info fs.FileInfo
}

// Property is one property: see multistatus.Property.
type Property = multistatus.Property

// Change is one instruction of a PROPPATCH: to set a property or, if Remove, to remove the one of that name
// (RFC 4918 §14.23, §14.26).
type Change struct {
	Remove   bool
	Property Property
}

// Entry is a resource that has dead properties.
type Entry struct {
	Path       resource.Path
	Properties []Property
}

// Store keeps dead properties by the name of their resource. Package propstest holds the test that every implementation
// must pass. Methods are safe for concurrent use; what they return is the caller's to read and nobody's to change. A
// Store does not know which resources exist: it is told what becomes of them.
type Store interface {
	// Get returns the properties of one resource in the order in which they were first set; none is not an error.
	Get(ctx context.Context, p resource.Path) ([]Property, error)
	// Members yields those direct members of the collection p that have properties, in the order of their names. Properties
	// changed while it runs may or may not show. After an error nothing more comes.
	Members(ctx context.Context, p resource.Path) iter.Seq2[Entry, error]
	// Patch applies the changes in their order, all or none. A property that is set again keeps its place.
	Patch(ctx context.Context, p resource.Path, changes []Change) error
	// Copy gives dst, that one resource, the properties of src and no others.
	Copy(ctx context.Context, src, dst resource.Path) error
	// Move gives the tree at dst the properties of the tree at src, and no others; src has none after it.
	Move(ctx context.Context, src, dst resource.Path) error
	// Delete removes the properties of p and of everything below it.
	Delete(ctx context.Context, p resource.Path) error
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
