// Package access asks whether a request may do what it is about to do, resource by resource.
//
// A Policy is asked about every resource a request touches, members of collections included, so a single refusal
// shows as that member's own 403 and not as the failure of the whole request. It is not authentication: whoever
// establishes who is asking puts the name into the request's context with WithPrincipal.
package access

import (
	"context"
	"encoding/xml"
	"fmt"

	"dav207/server/resource"
)

// Privilege is something that a request may do to a resource. The names are those of RFC 3744 §3.
type Privilege uint8

// The privileges. Bind and Unbind are asked of the member that comes or goes, not of its collection as in
// RFC 3744 §3.9, §3.10: the member's path names both, and a policy can protect a single one.
const (
	Read            Privilege = iota // see content, properties and members
	WriteContent                     // replace the content of an existing resource
	WriteProperties                  // set or remove properties
	Bind                             // add this member to its collection
	Unbind                           // remove this member from its collection
	Unlock                           // remove a lock that belongs to somebody else
)

// String returns the name of the element of RFC 3744, such as "write-content".
func (p Privilege) String() string {
	switch p {
	case Read:
		return "read"
	case WriteContent:
		return "write-content"
	case WriteProperties:
		return "write-properties"
	case Bind:
		return "bind"
	case Unbind:
		return "unbind"
	case Unlock:
		return "unlock"
	}
	return fmt.Sprintf("Privilege(%d)", uint8(p))
}

// Policy decides. Implementations must be safe for concurrent use and quick: a listing asks once for each member.
type Policy interface {
	// Check returns nil to allow. fs.ErrPermission refuses openly: the resource has a 403 of its own. fs.ErrNotExist
	// hides the resource: it is left out of listings and answers 404. Who is asking stands in ctx (Principal).
	Check(ctx context.Context, p Privilege, path resource.Path) error
}

// PropertyPolicy is what a Policy may offer in addition: rules for single properties.
type PropertyPolicy interface {
	Policy
	// CheckProperty is asked, after Check allowed the resource, before a property is read (Read) or changed
	// (WriteProperties). A property whose reading is refused stands in a 403 propstat beside the others (RFC 4918 §9.1.3).
	CheckProperty(ctx context.Context, p Privilege, path resource.Path, property xml.Name) error
}

type principalKey struct{}

// WithPrincipal returns a context that says who is asking. Authentication in front of the server calls it.
func WithPrincipal(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, principalKey{}, name)
}

// Principal returns who is asking, or "" where nobody was authenticated.
func Principal(ctx context.Context) string {
	name, _ := ctx.Value(principalKey{}).(string)
	return name
}
