package tree

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"time"
)

// What a webdav.FileSystem may offer besides, discovered by type assertion. A method may answer errors.ErrUnsupported,
// as a wrapper does whose inner file system lacks it: the engine then does without, correctly and slower. Names are
// those of webdav.FileSystem: absolute, slash-separated, canonical. Errors are io/fs errors.

// Remover removes one resource. A collection that still has members is an error; a symbolic link is removed itself,
// never what it leads to.
type Remover interface {
	Remove(ctx context.Context, name string) error
}

// TreeRemover removes the collection name with all that is below it, as far as it can, faster than one by one; links are removed
// and not followed, and what has a name of the server's own stays, with the collections that it is in (see davpath.Reserved).
// It tells nothing of what stays: whoever called it goes over that again, and hears why. went is called, from the same
// goroutine, for each resource that was removed, with all its members, and whose collection was not. It reports whether name
// itself is gone.
type TreeRemover interface {
	RemoveTree(ctx context.Context, name string, went func(name string)) (gone bool)
}

// Foreseer knows, before anything is changed, which members of the collection name could not be removed, and why: it yields
// their last segments. That it yields nothing is no promise. Members of members are asked for on their own.
type Foreseer interface {
	Unremovable(ctx context.Context, name string) iter.Seq2[string, error]
}

// Abandoner is told that a collection which was made under a name of davpath.TempName stays there with what is in it, since
// that could neither be put back nor be removed: nobody is at work on it any more.
type Abandoner interface {
	Abandon(ctx context.Context, name string)
}

// Lstater looks at a name without following it where it is a symbolic link.
type Lstater interface {
	Lstat(ctx context.Context, name string) (fs.FileInfo, error)
}

// Stager writes a file aside. Nothing is seen at name until commit puts the whole content there in one step,
// replacing the file that may be there. Close without commit discards what was written; after commit it does nothing. The
// parent of name must exist.
type Stager interface {
	Stage(ctx context.Context, name string) (w io.WriteCloser, commit func() error, err error)
}

// Putter puts a small file in its place in one step, with no more looks at the place than that takes. Where it cannot tell what
// is at name, or not in this way, or where a symbolic link is on the way, it calls nothing, changes nothing and answers
// errors.ErrUnsupported: then Stat and Stage have to be asked.
type Putter interface {
	// Put calls admit before it changes anything, with the file that is there, or nil where nothing is, in a collection that is
	// there. Its error is returned as it is. The info is that of what was put there; nil where it could not be looked at any
	// more.
	Put(ctx context.Context, name string, content []byte, admit func(fs.FileInfo) error) (fs.FileInfo, error)
}

// FileCopier copies the content of the file src to dst inside the back end, replacing a file at dst in one step. When it
// fails, dst is what it was. A failure of the source is an *fs.PathError with the name src; others are the destination's.
type FileCopier interface {
	CopyFile(ctx context.Context, src, dst string) error
}

// MembersCopier copies many regular files at once that are members of the collection src: each gets its own name in the
// collection dst, where nothing may have that name, under the terms of FileCopier. It sets copied, which is as long as names, where
// it did so. For the rest it changes nothing and need not tell why: whoever called it copies that one by one, and hears it
// then.
type MembersCopier interface {
	CopyMembers(ctx context.Context, src, dst string, names []string, copied []bool)
}

// TreeCopier copies what is below the collection src into the collection dst, as far as it can, faster than one by one. Nothing is
// in dst yet, and what has a name of the server's own is not copied (see davpath.Reserved). left is called, from the same
// goroutine and in the order of a walk, for each member that is not copied, such as a link, with all that is below it; nothing
// has the name of its copy then, and whoever called copies it one by one, and hears why. It reports whether it has begun: where it has
// not, nothing is changed and left is not called.
type TreeCopier interface {
	CopyTree(ctx context.Context, src, dst string, left func(name string)) (begun bool)
}

// Exceeder looks for long names in a tree without a look at each member.
type Exceeder interface {
	// Exceeding returns the name of something below the collection name whose name is more than
	// bytes longer than name, or more than segments deeper: any of them, "" where there is none.
	// Symbolic links are not followed, a collection that cannot be read is passed over, and so are
	// names of the server's own (see davpath.Reserved).
	Exceeding(ctx context.Context, name string, bytes, segments int) (string, error)
}

// Batcher is offered by a file system that has every change on the disk before it says that it was made. Changes under
// the context that Batch returns have to be there only when settle returns nil, so that a collection with many members is
// written once. settle may be called again and again: what changed before it is on the disk before what changes after it. A
// nil settle means that there is nothing to wait for.
type Batcher interface {
	Batch(ctx context.Context) (batch context.Context, settle func() error)
}

// Chtimer sets the time of the last modification.
type Chtimer interface {
	Chtimes(ctx context.Context, name string, mtime time.Time) error
}

// ChangeChecker reports whether name is sure to have led to what is there now, as it is now, since
// that moment: neither it nor what it is in has changed, in a way that nobody can set back as a
// time of modification can. false means that it cannot be told.
type ChangeChecker interface {
	UnchangedSince(ctx context.Context, name string, since time.Time) bool
}

// Spacer tells how many bytes are used and how many are available to the user on the volume that holds name (RFC 4331).
type Spacer interface {
	Space(ctx context.Context, name string) (used, available uint64, err error)
}

// Resolver knows the one name of a resource that symbolic links give several names. What does not exist yet keeps the
// rest of its name.
type Resolver interface {
	Real(ctx context.Context, name string) (string, error)
}

// NameLister is what a webdav.File of a collection may offer: its names without a look at each, and one look at a time
// that does not follow a symbolic link. Listing a large collection then needs memory for its names only.
type NameLister interface {
	Readdirnames(n int) ([]string, error)
	Lstat(name string) (fs.FileInfo, error)
}

// MembersLister is what a NameLister may offer besides: many looks at once, which may cost less than one by one. infos and
// errs are as long as names; where an error is set the info means nothing, and is not used. What the looks share may stay in
// memory as long as any of the infos. An info of an earlier call that is in infos when it is called is no longer in use: its
// memory may become that of the new one.
type MembersLister interface {
	LstatAll(names []string, infos []fs.FileInfo, errs []error)
}

// What a fs.FileInfo may offer besides webdav.ETager.

// CreationTimer tells when the resource was created; the zero time means that it is not known.
type CreationTimer interface {
	CreationTime() time.Time
}

// ChangeTimer tells when the resource last got another content, other attributes or another name,
// as the file system keeps it: nobody can set it. The zero time means that it is not known.
type ChangeTimer interface {
	ChangeTime() time.Time
}

// Directer tells whether what is described is known to have been found without passing a link: a Resolver would return the name
// that was asked for.
type Directer interface {
	Direct() bool
}

// SameFiler tells whether two infos describe one file, as os.SameFile does for those of package os.
type SameFiler interface {
	SameFile(fs.FileInfo) bool
}

// Tagger appends the entity tag of a file to b, from any info about it that the file system or one of its files handed out:
// strong, quoted, another one after every change of the content (RFC 9110 §8.8.3). false means that it cannot.
type Tagger interface {
	AppendETag(b []byte, info fs.FileInfo) (tagged []byte, ok bool)
}
