package props

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"

	"dav207/server/multistatus"
)

// ErrUndefined is what Live.Append returns for a resource that does not have the property, such as
// DAV:getcontentlength for a collection: it is then unknown there (404), and not named by allprop and propname.
var ErrUndefined = errors.New("the property is not defined for this resource")

// Live is a property whose value the server makes.
type Live struct {
	Name xml.Name
	// Hidden leaves the property out of allprop: it is given when asked for by name (RFC 4918 §9.1, RFC 4331 §2).
	Hidden bool
	// Alias leaves the property out of propname, too: it is another name for what stands there
	// already. A Stored one is in both where a client has set it.
	Alias bool
	// Append appends the content of the property, XML in which D is bound to DAV:, to b and returns it, or ErrUndefined.
	// It is called for every member of a listing: it should not open the file. May be nil if Stored is set.
	Append func(ctx context.Context, b []byte, r Resource) ([]byte, error)
	// Prepare takes the place of Append where the resources of one answer share work. It is called once for each answer, and
	// what it returns for one resource after another, never concurrently. It keeps nothing of r.
	Prepare func(ctx context.Context) AppendFunc
	// Stored lets clients set the property: it is kept as a dead one then, and takes the place of what Append makes.
	// Without it a change of the property is refused (403, cannot-modify-protected-property) unless Set is there.
	Stored bool
	// Kept, if not nil, is the dead or Stored property of another name that the value is taken
	// from.
	Kept *Kept
	// Check, if not nil, refuses values that a Stored property cannot have (409).
	Check func(value *Property) error
	// Set, if not nil, is asked to change the property. It checks the value and changes nothing yet. apply is called once
	// all other changes of the request are known to be possible, undo if one fails all the same. err refuses the value.
	Set SetFunc
}

// Kept is how a property is kept under the name of another one. Where that has a value the
// property has it, too, and what Live.Append makes otherwise.
type Kept struct {
	Name xml.Name
	// Append appends the content of the property that is kept so, or returns b and false where
	// that has no meaning here.
	Append func(b []byte, kept *Property) ([]byte, bool)
	// Parse returns the content to keep for a value that a client sets, or refuses it (409).
	// Without it the property is protected.
	Parse func(value *Property) ([]byte, error)
}

// AppendFunc is what Live.Append is, within one answer.
type AppendFunc func(b []byte, r *Resource) ([]byte, error)

// SetFunc prepares the change of a live property: see Live.Set.
type SetFunc func(ctx context.Context, r Resource, value *Property) (apply, undo func() error, err error)

// Registry holds the live properties in the order in which allprop gives them. Register everything before the first
// use; after that it is safe for concurrent use.
type Registry struct {
	live  []live
	index map[xml.Name]int
}

// live is a registered property with its tags, which every resource of a listing has.
type live struct {
	Live
	tags
}

// begin returns what appends the property in one answer, or nil where it has no value of its own.
func (l *live) begin(ctx context.Context) AppendFunc {
	if l.Prepare != nil {
		return l.Prepare(ctx)
	}
	if l.Append == nil {
		return nil
	}
	return func(b []byte, r *Resource) ([]byte, error) { return l.Append(ctx, b, *r) }
}

func newLive(l Live) (live, error) {
	t, err := newTags(l.Name)
	return live{l, t}, err
}

// Register adds live properties. It panics where one of that name is there, or has no way to a value.
func (g *Registry) Register(live ...Live) {
	if g.index == nil {
		g.index = make(map[xml.Name]int)
	}
	for _, l := range live {
		tagged, err := newLive(l)
		if _, twice := g.index[l.Name]; twice || err != nil || l.Append == nil && l.Prepare == nil && !l.Stored {
			panic(fmt.Sprintf("props: cannot register %s %s", l.Name.Space, l.Name.Local))
		}
		g.index[l.Name] = len(g.live)
		g.live = append(g.live, tagged)
	}
}

// lookup returns the live property of that name, or nil.
func (g *Registry) lookup(n xml.Name) *live {
	if i, ok := g.index[n]; ok {
		return &g.live[i]
	}
	return nil
}

// DAV returns a name in the DAV: namespace.
func DAV(local string) xml.Name { return xml.Name{Space: multistatus.Namespace, Local: local} }

// Microsoft returns a name in the namespace of the properties that Windows keeps for a file.
func Microsoft(local string) xml.Name {
	return xml.Name{Space: "urn:schemas-microsoft-com:", Local: local}
}
