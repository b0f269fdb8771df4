// Package fsbackend is the interface between the server and the files that it serves.
//
// The server uses only Backend and, where a back end has it, Bulk. New makes a Backend of any
// afero.Fs, FromWebDAV of any file system of golang.org/x/net/webdav. These two compensate for
// everything that such a file system cannot do; no other package does. Package disk serves a
// directory, package memory a tree in memory. Both are an afero.Fs for other programs and, through
// New, a Backend; that of disk has Bulk.
//
// Errors are those of io/fs: an *fs.PathError or *os.LinkError with the name that the caller
// passed, never a path of the host. errors.Is finds fs.ErrNotExist, fs.ErrExist, fs.ErrPermission,
// fs.ErrInvalid, and the values of package syscall that io/fs has no name for: ENOTEMPTY, ENOTDIR,
// EISDIR, ENOSPC, EXDEV. A name below a file is fs.ErrNotExist to operations on existing files, and
// syscall.ENOTDIR to those that create.
//
// New content appears in one step. A back end that writes it to a temp file first gives that a name
// of davpath.TempName, and lists it: the server does not show temp files.
package fsbackend

import (
	"context"
	"io"
	"iter"
	"syscall"
	"time"

	"dav207/server/davpath"
)

// Backend is a tree of files and collections. All methods are safe for concurrent use.
type Backend interface {
	// Stat returns the info of p and follows a link. A link that leads nowhere, or out of the tree,
	// is fs.ErrNotExist.
	Stat(ctx context.Context, p davpath.Path) (*Info, error)
	// Lstat returns the info of p and does not follow a link.
	Lstat(ctx context.Context, p davpath.Path) (*Info, error)
	// OpenDir opens the collection p to list its members. Any other resource is syscall.ENOTDIR.
	OpenDir(ctx context.Context, p davpath.Path) (Dir, error)
	// Open opens the file p for reading. A collection is syscall.EISDIR. A pipe or a device is
	// fs.ErrPermission at once: Open never blocks.
	Open(ctx context.Context, p davpath.Path) (File, error)
	// Create begins a file that Commit puts at p. The parent of p must be a collection. A
	// collection at p is syscall.EISDIR. If Length(ctx) is more than there is room for, and the
	// back end knows that, it is syscall.ENOSPC, or EDQUOT for a quota.
	Create(ctx context.Context, p davpath.Path) (Upload, error)
	// CopyFile copies the content of the file src to dst and replaces a file there in one step.
	// When it fails, dst is what it was. A failure of the source is an *fs.PathError with its name;
	// any other is the destination's. Copying a file onto itself is fs.ErrInvalid.
	CopyFile(ctx context.Context, src, dst davpath.Path) error
	// Mkdir makes a collection. Its parent must exist; something that has the name is fs.ErrExist.
	Mkdir(ctx context.Context, p davpath.Path) error
	// Remove removes a file, a link itself, or a collection without members: one that holds only
	// temp files has none. Members are syscall.ENOTEMPTY.
	Remove(ctx context.Context, p davpath.Path) error
	// Rename renames a resource with all its members. A file replaces a file in one step. Anything
	// else at the new name is fs.ErrExist or what rename(2) returns: EISDIR, ENOTDIR, ENOTEMPTY.
	// syscall.EXDEV and errors.ErrUnsupported mean that the caller can copy and remove instead.
	Rename(ctx context.Context, from, to davpath.Path) error
	// SetModTime sets the time of the last modification. A back end may add a fraction of a second:
	// see UniqueTime. errors.ErrUnsupported means that it cannot set times.
	SetModTime(ctx context.Context, p davpath.Path, t time.Time) error
	// Usage returns how many bytes are used and how many are free for the user on the volume of p
	// (RFC 4331). errors.ErrUnsupported means that they are unknown.
	Usage(ctx context.Context, p davpath.Path) (used, free uint64, err error)
	// RealPath returns p with all links on the way resolved. Segments that do not exist are kept.
	RealPath(ctx context.Context, p davpath.Path) (davpath.Path, error)
	// UnchangedSince reports whether p has certainly led to the same, unchanged resource since that
	// moment. false means that this is unknown.
	UnchangedSince(ctx context.Context, p davpath.Path, since time.Time) bool
	// Batch begins a batch of changes under the context that it returns. They need not be on the
	// disk before sync returns nil. Changes before a call of sync are on the disk before those
	// after it. A nil sync means that there is nothing to wait for.
	Batch(ctx context.Context) (batch context.Context, sync func() error)
}

// Bulk is what a Backend can offer in addition: work on whole trees that is faster than member by
// member. The caller does what is left undone member by member, and gets the errors from that.
type Bulk interface {
	Backend
	// CopyTree copies the members of the collection src into dst, which is empty. It does not copy
	// reserved names. It calls skipped in the order of a walk, from this goroutine, for each member
	// that it copied neither itself nor in part. If begun is false it has changed nothing.
	CopyTree(ctx context.Context, src, dst davpath.Path, skipped func(davpath.Path)) (begun bool)
	// RemoveTree removes the collection p and all below it, as far as it can. It follows no
	// links. It keeps reserved names and the collections that contain them. It calls removed,
	// from this goroutine, for each resource that it removed with all its members but without its
	// collection, and reports whether it removed p itself. It may keep what lies more than
	// BulkDepth levels below p.
	RemoveTree(ctx context.Context, p davpath.Path, removed func(davpath.Path)) (gone bool)
	// Undeletable yields the members of the collection p that could not be removed, and why,
	// without changing anything. An empty result does not guarantee success. It does not look at
	// members of members.
	Undeletable(ctx context.Context, p davpath.Path) iter.Seq2[string, error]
	// Exceeding returns a resource below the collection p whose path is more than bytes longer than
	// that of p, or more than segments deeper. ok is false if there is none. It follows no links
	// and skips reserved names and unreadable collections. errors.ErrUnsupported means that it
	// cannot tell.
	Exceeding(ctx context.Context, p davpath.Path, bytes, segments int) (found davpath.Path, ok bool, err error)
}

// BulkDepth is how many levels below a collection RemoveTree reaches at least. It bounds how many
// directories are open one in another.
const BulkDepth = 64

// Dir is an open collection. It stays the same one when another gets its name. It is not safe for
// concurrent use.
type Dir interface {
	// Names returns the names of all members in any order, those of temp files included.
	Names() ([]string, error)
	// Lstat sets infos[i] and errs[i] to the result of an Lstat of the member names[i]. The slices
	// are as long as names; their old content is overwritten.
	Lstat(names []string, infos []Info, errs []error)
	io.Closer
}

// File is a file open for reading. If it has a method SyscallConn, the server sends it with
// sendfile.
type File interface {
	io.ReadSeekCloser
	Stat() (*Info, error)
}

// Upload is a new file that has no name before Commit.
type Upload interface {
	io.Writer
	// Replaces returns the info of the file that was at the name at the call of Create, as Stat
	// does, or nil if there was none.
	Replaces() *Info
	// Commit gives the file its name in one step and returns its info, or nil if that cannot be
	// read any more. If ctx is done, or p has become a collection, it discards the content and
	// returns an error. If another collection has replaced the parent, the file goes there.
	Commit(ctx context.Context) (*Info, error)
	// Close discards an upload that was not committed. It may be called more than once.
	io.Closer
}

type lengthKey struct{}

// WithLength returns a context for one call of Create, of which the caller will write n bytes.
func WithLength(ctx context.Context, n int64) context.Context {
	return context.WithValue(ctx, lengthKey{}, n)
}

// Length returns the n of WithLength, 0 if it is unknown.
func Length(ctx context.Context) int64 {
	n, _ := ctx.Value(lengthKey{}).(int64)
	return n
}

// CheckRoom is for Create: it returns syscall.ENOSPC if Usage of the parent of p has less free than
// Length(ctx).
func CheckRoom(ctx context.Context, b Backend, p davpath.Path) error {
	n := Length(ctx)
	if n <= 0 {
		return nil
	}
	if _, free, err := b.Usage(ctx, p.Parent()); err == nil && uint64(n) > free {
		return CreateError("create", p, syscall.ENOSPC)
	}
	return nil
}
