package props

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"

	"dav207/server/multistatus"
)

// ErrUndefined is returned by an AppendFunc for a resource without the property, such as
// DAV:getcontentlength of a collection. PROPFIND then reports 404 for the name; allprop and
// propname omit it.
var ErrUndefined = errors.New("the property is not defined for this resource")

// Live is a property whose value the server computes (RFC 4918 §4).
type Live struct {
	Name xml.Name
	// Hidden omits the property from allprop: only a query that names it gets it (RFC 4918 §9.1,
	// RFC 4331 §2).
	Hidden bool
	// Alias omits the property from allprop and propname: another property has the same value. If a
	// client has set a Stored Alias, both list it.
	Alias bool
	// Prepare is called once for each response, and the function that it returns once for each
	// resource, never concurrently: so the resources of one response can share work. It may be nil
	// if Stored is set.
	Prepare func(ctx context.Context) AppendFunc
	// Stored lets clients set the property. The value is stored as a dead property, which is used
	// instead of that of Prepare. A property that is not Stored and has no Set is protected:
	// PROPPATCH reports 403, cannot-modify-protected-property.
	Stored bool
	// Kept, if not nil, derives the value from a dead or Stored property of another name.
	Kept *Kept
	// Check, if not nil, returns an error for a value that a Stored property cannot have (409).
	Check func(value *Property) error
	// Set, if not nil, prepares a change of the property. It checks the value and changes nothing.
	// apply is called after all other changes of the request were checked, and undo if one of them
	// fails later. An error refuses the value.
	Set SetFunc

	// plain says that the content has no character that XML or JSON would escape.
	plain bool
}

// Kept derives a live property from the dead property Name. A resource without that one has the
// value of Live.Prepare.
type Kept struct {
	Name xml.Name
	// Append appends the content derived from kept, or returns b and false if kept has no valid
	// value.
	Append func(b []byte, kept *Property) ([]byte, bool)
	// Parse returns the content of the property Name for a value that a client sets, or an error
	// (409). If it is nil the property is protected.
	Parse func(value *Property) ([]byte, error)
}

// AppendFunc appends the content of a property to b, or returns ErrUndefined. The content is XML in
// which the prefix D is bound to DAV:. It is called for each member of a listing, so it should not
// open the file. It must not retain r.
type AppendFunc func(b []byte, r *Resource) ([]byte, error)

// SetFunc prepares the change of a live property: see Live.Set.
type SetFunc func(ctx context.Context, r Resource, value *Property) (apply, undo func() error, err error)

// Registry holds the live properties, in the order of allprop. Once all are registered it is safe
// for concurrent use.
type Registry struct {
	live  []live
	index map[xml.Name]int
}

// live is a registered property with its name as it is written.
type live struct {
	Live
	tags multistatus.Tags
}

// Register adds live properties. It panics if a name is registered already or is not an XML name,
// or if a property has neither Prepare nor Stored.
func (g *Registry) Register(properties ...Live) {
	if g.index == nil {
		g.index = make(map[xml.Name]int)
	}
	for _, l := range properties {
		t, err := multistatus.NewTags(l.Name)
		if _, twice := g.index[l.Name]; twice || err != nil || l.Prepare == nil && !l.Stored {
			panic(fmt.Sprintf("props: cannot register %s %s", l.Name.Space, l.Name.Local))
		}
		g.index[l.Name] = len(g.live)
		g.live = append(g.live, live{l, t})
	}
}

// lookup returns the live property with that name, or nil.
func (g *Registry) lookup(n xml.Name) *live {
	if i, ok := g.index[n]; ok {
		return &g.live[i]
	}
	return nil
}

// DAV returns a name in the DAV: namespace.
func DAV(local string) xml.Name { return xml.Name{Space: multistatus.Namespace, Local: local} }

// Microsoft returns a name in the namespace of the properties that Windows sets on files.
func Microsoft(local string) xml.Name {
	return xml.Name{Space: "urn:schemas-microsoft-com:", Local: local}
}
