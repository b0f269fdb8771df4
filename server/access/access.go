// Package access defines how a policy decides what a request may do to each resource.
//
// The server calls the Policy for every resource that a request touches, members of collections
// included. A refused member has its own 403 and the rest of the request succeeds. The package does
// not authenticate: the authentication in front of the server stores the user name in the context
// with WithPrincipal.
package access

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"dav207/server/davpath"
)

// Privilege is an operation on a resource. The names are those of RFC 3744 §3.
type Privilege uint8

// The privileges. Bind and Unbind apply to the path of the member to add or remove, not to its
// collection as in RFC 3744 §3.9, §3.10. So a policy can protect a single member. Lock is not one
// of RFC 3744, whose Appendix B allows it: "a specific implementation MAY define an additional
// custom privilege to control access to existing methods".
const (
	Read            Privilege = iota // read content, properties and members
	WriteContent                     // replace the content of an existing resource
	WriteProperties                  // set or remove properties
	Bind                             // add this member to its collection
	Unbind                           // remove this member from its collection
	Lock                             // lock or refresh a lock, beside WriteContent or Bind
	Unlock                           // remove a lock of another user
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
	case Lock:
		return "lock"
	case Unlock:
		return "unlock"
	}
	return fmt.Sprintf("Privilege(%d)", uint8(p))
}

// Policy decides what a request may do. It must be safe for concurrent use and quick: a listing
// calls it for each member.
type Policy interface {
	// Check returns nil to allow the operation. fs.ErrPermission denies it: the answer for the
	// resource is 403. fs.ErrNotExist hides the resource: whether or not there is one, the answer
	// is 404, nothing can be created in its place (403) or in it (409), and listings omit it. A
	// policy that hides a resource returns it for every privilege; the server asks for Read.
	// Principal(ctx) is the user.
	Check(ctx context.Context, p Privilege, path davpath.Path) error
}

// PropertyPolicy is an optional interface of a Policy with rules for single properties.
type PropertyPolicy interface {
	Policy
	// The server calls CheckProperty after Check allowed the operation on the resource, before it
	// reads a property (Read) or changes it (WriteProperties). A property that must not be read is
	// in a 403 propstat of its own (RFC 4918 §9.1.3), also one that is named and does not exist.
	// With fs.ErrNotExist it is in a 404 propstat where the query names it, and omitted elsewhere.
	// COPY copies neither, and over a resource of the same kind it leaves alone what must not be
	// changed there. A new copy, and what MOVE puts in place, comes with its properties: that is up
	// to Bind (RFC 3744 Appendix B).
	CheckProperty(ctx context.Context, p Privilege, path davpath.Path, property xml.Name) error
}

// TreePolicy is an optional interface of a Policy that can decide for a subtree at once. Without it
// COPY, MOVE and DELETE of a collection go member by member.
type TreePolicy interface {
	Policy
	// AllowsAll reports whether Check certainly allows p for every resource below path.
	AllowsAll(ctx context.Context, p Privilege, path davpath.Path) bool
	// AllowsSome reports whether Check may allow p for path or for a resource below it. The Allow
	// header lists the methods for which it does.
	AllowsSome(ctx context.Context, p Privilege, path davpath.Path) bool
}

// ListingPolicy is an optional interface of a Policy that decides more quickly when it remembers
// what it has decided for the resources before.
type ListingPolicy interface {
	Policy
	// ForListing returns a context with which the methods of the Policy remember. Only one
	// goroutine at a time may call them with it. byProperty is false if CheckProperty allows every
	// property.
	ForListing(ctx context.Context) (_ context.Context, byProperty bool)
}

// UnlockPolicy is an optional interface of a Policy that can also keep users from removing their
// own locks, as a server does that is about to fail. Without it they always may (RFC 3744 §3.5).
type UnlockPolicy interface {
	Policy
	// CheckOwnUnlock decides whether the user may remove a lock that they created.
	CheckOwnUnlock(ctx context.Context, path davpath.Path) error
}

type principalKey struct{}

type principal struct {
	name   string
	groups []string
}

// WithPrincipal returns a context with the name of the authenticated user and of the user's groups.
func WithPrincipal(ctx context.Context, name string, groups ...string) context.Context {
	return context.WithValue(ctx, principalKey{}, &principal{name, groups})
}

// Principal returns the name of the authenticated user, "" if there is none.
func Principal(ctx context.Context) string {
	name, _ := PrincipalAndGroups(ctx)
	return name
}

// PrincipalAndGroups returns what WithPrincipal was called with.
func PrincipalAndGroups(ctx context.Context) (name string, groups []string) {
	if u, ok := ctx.Value(principalKey{}).(*principal); ok {
		return u.name, u.groups
	}
	return "", nil
}

type forbiddenKey struct{}

// WithForbidden returns a context for a request without a user, whose answer is 401 instead of 403.
// kept reports whether KeepForbidden was called with it.
func WithForbidden(ctx context.Context) (_ context.Context, kept func() bool) {
	keep := new(atomic.Bool)
	return context.WithValue(ctx, forbiddenKey{}, keep), keep.Load
}

// KeepForbidden says that the answer to a request is 403 whoever asks, so that nobody has to log in
// to find that out.
func KeepForbidden(ctx context.Context) {
	if keep, ok := ctx.Value(forbiddenKey{}).(*atomic.Bool); ok {
		keep.Store(true)
	}
}

// Hides reports whether a policy, which may be nil, hides the resource at path.
func Hides(ctx context.Context, policy Policy, path davpath.Path) bool {
	return policy != nil && errors.Is(policy.Check(ctx, Read, path), fs.ErrNotExist)
}
