// Package tree applies DELETE, COPY and MOVE to a resource and its members, and walks them for
// PROPFIND.
//
// Plan* check an operation and change nothing; Plan.Run executes it. Run returns an error, other
// than ErrPartial, only if nothing has changed. It reports every other failure once, as it happens,
// with its own cause. It does not report what fails only because of a reported failure (RFC 4918
// §9.6.1, §9.8.3, §9.9.4). So a returned error is a plain status, and any report makes a 207.
//
// An operation is not atomic. If it is stopped halfway it leaves a valid, partly changed tree in
// which every file is complete.
package tree

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

type Depth int

// The depths of RFC 4918 §10.2.
const (
	Zero     Depth = 0
	One      Depth = 1
	Infinity Depth = -1
)

// ErrPartial is returned by an operation that failed in part and has reported every failure.
var ErrPartial = errors.New("done in part")

var (
	// ErrNoParent means that the parent of a resource to be created is not an existing collection
	// (409).
	ErrNoParent = errors.New("the parent is not an existing collection")
	// ErrOverlap means that source and destination are one resource or that one contains the other
	// (403).
	ErrOverlap = errors.New("source and destination overlap")
	// ErrLoop means that a symbolic link makes a collection a member of itself (RFC 5842 §7.2,
	// 508).
	ErrLoop = errors.New("the collection holds itself")
	// ErrSpecial means that the resource is neither a file nor a collection, such as a pipe or a
	// device. It is listed with a status of its own and never opened. It wraps fs.ErrPermission.
	ErrSpecial = fmt.Errorf("neither a file nor a collection: %w", fs.ErrPermission)
)

// Report is called once for each resource that failed. collection decides whether its href ends in
// a slash.
type Report func(path davpath.Path, collection bool, err error)

// Guard says what the request may do. It knows the policy and the locks whose tokens were not
// submitted. It is asked for a collection before its members; if it refuses the collection, no
// member is touched.
type Guard interface {
	// Check returns nil to allow.
	Check(ctx context.Context, p access.Privilege, path davpath.Path) error
	// Clear reports whether Check certainly allows the privileges, or all if none is given, for
	// every resource below path. The engine then does not call Check for each.
	Clear(path davpath.Path, privileges ...access.Privilege) bool
}

// Tree is a back end together with the properties of its resources. Its methods are safe for
// concurrent use on trees that do not overlap; the caller must serialise operations that do. Guard,
// Gone and Warn belong to one request: make a copy for each.
type Tree struct {
	FS    fsbackend.Backend
	Props props.Store
	// Swaps makes lookups wait while a resource is being replaced. All Trees of one back end share
	// it. nil is for a Tree without concurrent readers.
	Swaps *Swaps
	// Guard may be nil: everything is allowed.
	Guard Guard
	// Readable may be nil: a COPY takes all properties along. Otherwise it leaves out those for
	// which Readable returns false.
	Readable func(path davpath.Path, property xml.Name) bool
	// Writable may be nil. A COPY over a resource of the same kind leaves those properties there
	// alone for which Writable returns false.
	Writable func(path davpath.Path, property xml.Name) bool
	// Gone may be nil. It is called after the resource at path was removed with all its members,
	// or, if below is true, the members only. The caller then removes their locks.
	Gone func(path davpath.Path, below bool)
	// Warn may be nil. It is called for failures that change nothing for the client, such as a temp
	// file that could not be removed.
	Warn func(ctx context.Context, msg string, path davpath.Path, err error)

	batch *batch // of the operation under way
}

// Stat returns the resource at p. It follows a link. The error is fs.ErrNotExist if nothing is
// there, and ErrSpecial for what cannot be served.
func (t *Tree) Stat(ctx context.Context, p davpath.Path) (props.Resource, error) {
	var info *fsbackend.Info
	err := t.retryAfterSwap(ctx, p, false, func() (err error) {
		info, err = t.FS.Stat(ctx, p)
		return err
	})
	if err != nil {
		if missing(err) {
			err = &fs.PathError{Op: "stat", Path: p.String(), Err: fs.ErrNotExist}
		}
		return props.Resource{Path: p}, err
	}
	return props.Resource{Path: p, Info: info}, checkServable(info)
}

// Open opens the file at p for reading.
func (t *Tree) Open(ctx context.Context, p davpath.Path) (f fsbackend.File, err error) {
	err = t.retryAfterSwap(ctx, p, false, func() (err error) {
		f, err = t.FS.Open(ctx, p)
		return err
	})
	return f, err
}

// Parent returns ErrNoParent if p's parent is not an existing collection (RFC 4918 §9.3.1, §9.7.1,
// §9.8.5).
func (t *Tree) Parent(ctx context.Context, p davpath.Path) error {
	_, err := t.parent(ctx, p)
	return err
}

func (t *Tree) parent(ctx context.Context, p davpath.Path) (props.Resource, error) {
	r, err := t.Stat(ctx, p.Parent())
	switch {
	case err == nil && r.Info.IsDir():
		return r, nil
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrSpecial):
		return r, ErrNoParent
	}
	return r, err
}

// checkServable returns ErrSpecial unless info is that of a file or a collection.
func checkServable(info *fsbackend.Info) error {
	if info.IsDir() || info.Mode().IsRegular() {
		return nil
	}
	return ErrSpecial
}

// bulk returns the back end's Bulk, or nil if it has none.
func (t *Tree) bulk() fsbackend.Bulk {
	b, _ := t.FS.(fsbackend.Bulk)
	return b
}

func (t *Tree) check(ctx context.Context, priv access.Privilege, p davpath.Path) error {
	if t.Guard == nil {
		return nil
	}
	return t.Guard.Check(ctx, priv, p)
}

// errUnseen means that nothing can be created at a path that the guard hides, whether or not there
// is something.
var errUnseen = fmt.Errorf("the path is hidden: %w", fs.ErrPermission)

// checkSeen returns errUnseen if the guard hides p.
func (t *Tree) checkSeen(ctx context.Context, p davpath.Path) error {
	if errors.Is(t.check(ctx, access.Read, p), fs.ErrNotExist) {
		return errUnseen
	}
	return nil
}

func (t *Tree) clear(p davpath.Path, privileges ...access.Privilege) bool {
	return t.Guard == nil || t.Guard.Clear(p, privileges...)
}

func (t *Tree) gone(p davpath.Path, below bool) {
	if t.Gone != nil {
		t.Gone(p, below)
	}
}

func (t *Tree) warn(ctx context.Context, msg string, p davpath.Path, err error) {
	if t.Warn != nil {
		t.Warn(ctx, msg, p, err)
	}
}

// Present reports whether there is something at p, be it a link that leads nowhere. A failed lookup
// counts as nothing: see Look.
func (t *Tree) Present(ctx context.Context, p davpath.Path) bool {
	present, _ := t.Look(ctx, p)
	return present
}

// Look is Present that returns the error of a failed lookup.
func (t *Tree) Look(ctx context.Context, p davpath.Path) (present bool, err error) {
	info, err := t.lstat(ctx, p)
	return info != nil, err
}

// lstat describes p itself where it is a link. It returns nil without an error if nothing is there.
func (t *Tree) lstat(ctx context.Context, p davpath.Path) (*fsbackend.Info, error) {
	info, err := t.FS.Lstat(ctx, p)
	switch {
	case err == nil:
		return info, nil
	case missing(err):
		return nil, nil
	}
	return nil, err
}

// missing reports whether err means that nothing has the name. That includes a name below a file, a
// loop of links, and a name that the file system cannot hold.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) ||
		errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.EINVAL) // a link was replaced while it was followed
}

// realOf is Real for a resource whose info is known.
func (t *Tree) realOf(ctx context.Context, r props.Resource) davpath.Path {
	if r.Info.Direct {
		return r.Path
	}
	return t.Real(ctx, r.Path)
}

// Real returns the name under which p is found without a link on the way, or p where the back end
// does not know.
func (t *Tree) Real(ctx context.Context, p davpath.Path) davpath.Path {
	if real, err := t.FS.RealPath(ctx, p); err == nil {
		return real
	}
	return p
}
