// Package tree applies DELETE, COPY and MOVE to a resource and its members, and walks them for PROPFIND.
//
// An engine call returns an error only when it changed nothing. Every other failure is reported as it happens, once,
// with its own cause; what fails only because of it is not (RFC 4918 §9.6.1, §9.8.3, §9.9.4). So a returned error is a plain
// status and any report is a 207.
//
// An operation is not atomic: stopped halfway it leaves a valid tree, partly done, in which every file is whole.
package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/net/webdav"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davpath"
)

// Depth is how far down an operation goes (RFC 4918 §10.2).
type Depth int

// The depths of RFC 4918 §10.2.
const (
	Zero     Depth = 0
	One      Depth = 1
	Infinity Depth = -1
)

// ErrPartial is returned by an operation that was done in part: every failure was reported.
var ErrPartial = errors.New("done in part")

var (
	// ErrNoParent means that a resource cannot be created because its parent is not an existing collection (409).
	ErrNoParent = errors.New("the parent is not an existing collection")
	// ErrOverlap means that source and destination of a COPY or MOVE are one resource or that one holds the other (403).
	ErrOverlap = errors.New("source and destination overlap")
	// ErrLoop means that a collection is, through a symbolic link, a member of itself (RFC 5842 §7.2, 508).
	ErrLoop = errors.New("the collection holds itself")
	// ErrSpecial means that what is there is neither a file nor a collection, such as a pipe or a device: it is listed
	// with a status of its own, and never opened. errors.Is(ErrSpecial, fs.ErrPermission) holds.
	ErrSpecial = fmt.Errorf("neither a file nor a collection: %w", fs.ErrPermission)
)

// Report is called once for each resource that failed. collection tells how its href is written.
type Report func(path davpath.Path, collection bool, err error)

// Guard says what the request may do: the policy, and the locks whose tokens were not submitted. A collection is asked
// about before its members; refused, it is left alone with all of them.
type Guard interface {
	// Check returns nil to allow.
	Check(ctx context.Context, p access.Privilege, path davpath.Path) error
	// Clear reports whether Check is sure to allow everything for every resource below path, so that the engine need
	// not ask for each.
	Clear(path davpath.Path) bool
}

// Tree is a file system with what belongs to its resources. Its methods are safe for concurrent use on trees that do not
// overlap; keeping others apart is the caller's business. Guard, Before and Gone belong to one request: make a copy for each.
type Tree struct {
	FS    webdav.FileSystem
	Props props.Store
	// Uploads knows the files being written aside where the file system does not stage files itself. All Trees of one file
	// system share it; nil is for where no collection moves while a file is written.
	Uploads *Uploads
	// Swaps has those who find nothing at a name wait while something takes the place of what is there.
	// All Trees of one file system share it; nil is for where nobody reads meanwhile.
	Swaps *Swaps
	// Guard may be nil: everything is allowed.
	Guard Guard
	// Before may be nil. It is called once, when nothing else stands in the way of an operation as a whole, before the
	// first change; its error is the operation's.
	Before func() error
	// Gone may be nil. It is called after the resource at path went, with all its members; if below is true, only the
	// members went. What belongs to them, other than properties, ends then.
	Gone func(path davpath.Path, below bool)
	// Warn may be nil. It hears of failures that change nothing for the client, such as a remainder that could
	// not be cleaned away.
	Warn func(msg string, path davpath.Path, err error)

	notes *notes // of the operation under way
}

// Stat looks at one resource, following a link. The error is fs.ErrNotExist for what is not there, and ErrSpecial for
// what can not be served.
func (t *Tree) Stat(ctx context.Context, p davpath.Path) (props.Resource, error) {
	var info fs.FileInfo
	err := t.steady(ctx, p, func() (err error) {
		info, err = t.FS.Stat(ctx, p.String())
		return err
	})
	if err != nil {
		if missing(err) {
			err = &fs.PathError{Op: "stat", Path: p.String(), Err: fs.ErrNotExist}
		}
		return props.Resource{Path: p}, err
	}
	return props.Resource{Path: p, Info: info}, servable(info)
}

// Open opens one resource for reading.
func (t *Tree) Open(ctx context.Context, p davpath.Path) (f webdav.File, err error) {
	err = t.steady(ctx, p, func() (err error) {
		f, err = t.FS.OpenFile(ctx, p.String(), os.O_RDONLY, 0)
		return err
	})
	return f, err
}

// Parent checks that p's parent is an existing collection and returns ErrNoParent where it is not (RFC 4918 §9.3.1,
// §9.7.1, §9.8.5).
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

// ETag returns the entity tag of the file that info describes: quoted, strong where the file system can tell contents
// apart.
func (t *Tree) ETag(ctx context.Context, info fs.FileInfo) (string, error) {
	tag, err := t.AppendETag(ctx, make([]byte, 0, 48), info)
	return string(tag), err
}

// AppendETag appends ETag to b, and nothing with an error.
func (t *Tree) AppendETag(ctx context.Context, b []byte, info fs.FileInfo) ([]byte, error) {
	if tagger, ok := t.FS.(Tagger); ok {
		if tagged, ok := tagger.AppendETag(b, info); ok {
			return tagged, nil
		}
	}
	if e, ok := info.(webdav.ETager); ok {
		if tag, err := e.ETag(ctx); !errors.Is(err, webdav.ErrNotImplemented) {
			if err != nil {
				tag = ""
			}
			return append(b, tag...), err
		}
	}
	b = append(b, '"')
	b = strconv.AppendInt(b, info.ModTime().UnixNano(), 16)
	b = append(b, '-')
	b = strconv.AppendInt(b, info.Size(), 16)
	return append(b, '"'), nil
}

func servable(info fs.FileInfo) error {
	if info.IsDir() || info.Mode().IsRegular() {
		return nil
	}
	return ErrSpecial
}

// lstat looks at a name without following it, where the file system can.
func (t *Tree) lstat(ctx context.Context, p davpath.Path) (fs.FileInfo, error) {
	if l, ok := t.FS.(Lstater); ok {
		if info, err := l.Lstat(ctx, p.String()); !errors.Is(err, errors.ErrUnsupported) {
			return info, err
		}
	}
	return t.FS.Stat(ctx, p.String())
}

func (t *Tree) check(ctx context.Context, priv access.Privilege, p davpath.Path) error {
	if t.Guard == nil {
		return nil
	}
	return t.Guard.Check(ctx, priv, p)
}

func (t *Tree) clear(p davpath.Path) bool { return t.Guard == nil || t.Guard.Clear(p) }

func (t *Tree) gone(p davpath.Path, below bool) {
	if t.Gone != nil {
		t.Gone(p, below)
	}
}

func (t *Tree) warn(msg string, p davpath.Path, err error) {
	if t.Warn != nil {
		t.Warn(msg, p, err)
	}
}

func sameFile(a, b fs.FileInfo) bool {
	if s, ok := a.(SameFiler); ok {
		return s.SameFile(b)
	}
	return os.SameFile(a, b)
}

func (t *Tree) before() error {
	if t.Before == nil {
		return nil
	}
	return t.Before()
}

// Present reports whether there is something at p, be it a link that leads nowhere.
func (t *Tree) Present(ctx context.Context, p davpath.Path) bool {
	present, _ := t.Look(ctx, p)
	return present
}

// Look is Present for who has to be sure: the error says why it cannot be told.
func (t *Tree) Look(ctx context.Context, p davpath.Path) (present bool, err error) {
	_, err = t.lstat(ctx, p)
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

func isLink(info fs.FileInfo) bool { return info.Mode()&fs.ModeSymlink != 0 }

// missing reports whether a look at a name found that nothing is there: a file has no members, links that lead to each other
// lead nowhere, and what cannot be a name is the name of nothing.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) ||
		errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.EINVAL) // a link that was replaced while it was followed
}

// realOf is Real for a resource that was looked at.
func (t *Tree) realOf(ctx context.Context, r props.Resource) davpath.Path {
	if d, ok := r.Info.(Directer); ok && d.Direct() {
		return r.Path
	}
	return t.Real(ctx, r.Path)
}

// Real returns the name under which p is found without passing a link, where the file system can tell.
func (t *Tree) Real(ctx context.Context, p davpath.Path) davpath.Path {
	r, ok := t.FS.(Resolver)
	if !ok {
		return p
	}
	name, err := r.Real(ctx, p.String())
	if err != nil {
		return p
	}
	if real, err := davpath.Clean(name); err == nil {
		return real
	}
	return p
}
