// Package mounts puts several back ends into one tree, each below a path of its own: a table of
// mounts is itself a fsbackend.Backend.
//
// A mount can be at any path, also below that of another. Collections above mounts list them,
// together with the members that the back end around them has there; what that has at the path of a
// mount is covered. Collections that no back end has are synthesized: they have no other members,
// and nothing can be created in them. A mount point cannot be removed, renamed or replaced
// (syscall.EBUSY, 403), and a DELETE of a collection above names it (RFC 4918 §9.6.1). COPY and
// MOVE from one mount to another go member by member. A link leads nowhere outside of its back end.
//
// The path of a mount can have the segment "{user}": "/home/{user}" is a tree for each user. One
// URL then names one resource, whoever asks: locks, properties, waiting requests, If, caches and
// logs, which all go by the path, cannot mix up two users, and nothing has to be mapped. Only the
// user with that name enters such a tree and sees it in a listing; for anybody else each name
// there is fs.ErrPermission, whether there is such a user or not.
//
// A back end knows nothing of locks and dead properties: give server.Options.Policy the Policy of
// the table, which keeps them out of read-only mounts and of the trees of others.
//
// Temp files stay in the mount that they are for: after a crash each back end is cleaned up as if
// it were served alone, that of a user by Mount.Open.
//
// Give no two mounts directories one of which holds the other: a resource must not have two URLs.
// New refuses only two that are the same.
package mounts

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dav207/fsbackend"
	"dav207/server/access"
	"dav207/server/davpath"
)

// Mount is a back end and its place.
type Mount struct {
	Path     string            // such as "/photos" or "/home/{user}"
	ReadOnly bool              // every change is fs.ErrPermission
	Files    fsbackend.Backend // nil if Path has {user}
	// Open opens the tree of a user, once, when it is first needed. The name can be that of a
	// directory. Open may create that where user is the one who asks: access.Principal(ctx).
	// fs.ErrNotExist means that the user has no tree.
	Open func(ctx context.Context, user string) (files fsbackend.Backend, close func() error, err error)
}

// Options are the options of New. A nil pointer has all defaults.
type Options struct {
	// May reports whether a request may enter the trees of user. Default: access.Principal(ctx) is
	// user.
	May func(ctx context.Context, user string) bool
}

// Table is a table of mounts. It is safe for concurrent use.
type Table struct {
	entries atomic.Pointer[entries]
	may     func(ctx context.Context, user string) bool
	seed    maphash.Seed // of the identities of synthesized collections
	dev     uint64
	began   time.Time
}

// entries are the mounts of a table.
type entries struct {
	root  *node
	mu    sync.Mutex
	roots map[fsbackend.ID]string // the paths of what is mounted
}

var _ fsbackend.Bulk = (*Table)(nil)

// userSegment is the segment of a path that stands for each user.
const userSegment = "{user}"

// node is a path with mounts at or below it.
type node struct {
	members map[string]*node
	mount   *mount // nil: none is here
}

// mount is an entry of the table with its open trees.
type mount struct {
	Mount
	all   *mounted // nil: each user has one
	mu    sync.Mutex
	trees map[string]*mounted // by user
}

// mounted is one tree.
type mounted struct {
	mu       sync.Mutex        // held while it is opened, which sets the other fields
	files    fsbackend.Backend // nil: not open yet
	bulk     fsbackend.Bulk    // nil: files has none
	at       davpath.Path
	readOnly bool
	close    func() error
}

// New returns a table. It looks at the root of each mount.
func New(ctx context.Context, list []Mount, opts *Options) (*Table, error) {
	t := &Table{seed: maphash.MakeSeed(), dev: rand.Uint64(), began: time.Now()}
	t.may = func(ctx context.Context, user string) bool { return access.Principal(ctx) == user }
	if opts != nil && opts.May != nil {
		t.may = opts.May
	}
	_, err := t.Replace(ctx, list)
	return t, err
}

type boundKey struct{ t *Table }

// Binder returns a function that returns a context with which the mounts stay what they are now, so
// that a request does not see Replace.
func (t *Table) Binder() func(context.Context) context.Context {
	now := t.entries.Load()
	return func(ctx context.Context) context.Context { return context.WithValue(ctx, boundKey{t}, now) }
}

// bound returns the mounts for a request.
func (t *Table) bound(ctx context.Context) *entries {
	if e, ok := ctx.Value(boundKey{t}).(*entries); ok {
		return e
	}
	return t.entries.Load()
}

// Replace replaces the mounts. After an error they are what they were. Call release when the
// requests that began before have ended: it closes the trees of users that the old mounts have
// opened.
func (t *Table) Replace(ctx context.Context, list []Mount) (release func() error, err error) {
	e := &entries{root: &node{}, roots: map[fsbackend.ID]string{}}
	for _, m := range list {
		if err := e.add(ctx, m); err != nil {
			return nil, fmt.Errorf("mount %q: %w", m.Path, err)
		}
	}
	if err := e.root.check("/"); err != nil {
		return nil, err
	}
	if old := t.entries.Swap(e); old != nil {
		return old.root.closeAll, nil
	}
	return func() error { return nil }, nil
}

func (e *entries) add(ctx context.Context, entry Mount) error {
	p, err := davpath.Clean(entry.Path)
	if err == nil {
		err = p.Bounds()
	}
	if err != nil {
		return err
	}
	users, n := 0, e.root
	for segment := range p.Segments() {
		switch {
		case segment == userSegment:
			users++
		case strings.ContainsAny(segment, "{}"):
			return fmt.Errorf("%q: %s is a whole segment", segment, userSegment)
		case davpath.Reserved(segment):
			return fmt.Errorf("the name %q is reserved", segment)
		}
		if n.members == nil {
			n.members = map[string]*node{}
		}
		if n.members[segment] == nil {
			n.members[segment] = &node{}
		}
		n = n.members[segment]
	}
	m := &mount{Mount: entry, trees: map[string]*mounted{}}
	switch {
	case users > 1:
		return fmt.Errorf("%s is there twice", userSegment)
	case (users == 1) != (entry.Files == nil) || (entry.Files == nil) != (entry.Open != nil):
		return fmt.Errorf("Open is for a path with %s, Files for one without", userSegment)
	case n.mount != nil:
		return errors.New("another is there already")
	case users == 0:
		m.all = &mounted{}
		err = e.open(ctx, m, m.all, p, entry.Files)
	}
	n.mount = m
	return err
}

// check returns an error if the name of a user could be taken for something else.
func (n *node) check(name string) error {
	if n.members[userSegment] != nil && (n.mount != nil || len(n.members) > 1) {
		return fmt.Errorf("%s holds the trees of users and can hold nothing else", name)
	}
	for segment, member := range n.members {
		if err := member.check(strings.TrimSuffix(name, "/") + "/" + segment); err != nil {
			return err
		}
	}
	return nil
}

// open sets tree, unless files are mounted elsewhere: a file system that ignores case may take the
// names of two users for one.
func (e *entries) open(ctx context.Context, m *mount, tree *mounted, at davpath.Path, files fsbackend.Backend) error {
	info, err := files.Stat(ctx, davpath.Root)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if other := e.roots[info.ID]; other != "" {
		return fmt.Errorf("%s and %s are one directory: %w", other, at, fs.ErrPermission)
	}
	if info.ID != (fsbackend.ID{}) {
		e.roots[info.ID] = at.String()
	}
	tree.files, tree.at, tree.readOnly = files, at, m.ReadOnly
	tree.bulk, _ = files.(fsbackend.Bulk)
	return nil
}

// Close closes the trees of users. No request may be under way.
func (t *Table) Close() error { return t.entries.Load().root.closeAll() }

func (n *node) closeAll() (err error) {
	if n.mount != nil {
		for _, tree := range n.mount.trees {
			if tree.close != nil {
				err = errors.Join(err, tree.close())
			}
		}
	}
	for _, member := range n.members {
		err = errors.Join(err, member.closeAll())
	}
	return err
}

type everyoneKey struct{}

// Everyone returns a context that may enter the trees of all users, for work that no request asks
// for: Handler.RecoverMoves, DropStaleLocks and PurgeOrphanedProps.
func Everyone(ctx context.Context) context.Context {
	return context.WithValue(ctx, everyoneKey{}, true)
}

// ValidUser reports whether a user of that name can have a tree: the name is one segment of a URL
// and the name of one directory on every system, and not a hidden one.
func ValidUser(name string) bool {
	return davpath.ValidSegment(name) && davpath.Root.Child(name).Creatable() == nil && !davpath.Reserved(name) &&
		filepath.IsLocal(name) && !strings.ContainsAny(name, `\:*?"<>|{}`) && strings.Trim(name, ". ") == name
}

// enter returns fs.ErrPermission unless the request may enter the trees of user.
func (t *Table) enter(ctx context.Context, user string) error {
	if !ValidUser(user) || ctx.Value(everyoneKey{}) == nil && !t.may(ctx, user) {
		return fs.ErrPermission
	}
	return nil
}

// place is what a path leads to.
type place struct {
	*mounted              // the innermost around or at p; nil for none
	p, inner davpath.Path // as the caller names it, and in mounted
	node     *node        // nil if no mount is at p or below
}

// find returns where p is.
func (t *Table) find(ctx context.Context, op string, p davpath.Path) (place, error) {
	now := t.bound(ctx)
	pl, user, n := place{p: p}, "", now.root
	for rest := p.String()[1:]; ; {
		if n.members[userSegment] != nil {
			pl.mounted = nil
		}
		if n.mount != nil {
			tree, err := now.tree(ctx, n.mount, user)
			if err != nil {
				return pl, fsbackend.ReadError(op, p, err)
			}
			pl.mounted = tree
		}
		if rest == "" {
			pl.node = n
			break
		}
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		if n.members[userSegment] != nil {
			if err := t.enter(ctx, segment); err != nil {
				return pl, fsbackend.ReadError(op, p, err)
			}
			user, n = segment, n.members[userSegment]
		} else if n = n.members[segment]; n == nil {
			break
		}
	}
	if pl.mounted != nil {
		pl.inner = p.Rebase(pl.at, davpath.Root)
	}
	return pl, nil
}

// tree returns the tree of m for user.
func (e *entries) tree(ctx context.Context, m *mount, user string) (*mounted, error) {
	if m.all != nil {
		return m.all, nil
	}
	m.mu.Lock()
	tree := m.trees[user]
	if tree == nil {
		tree = &mounted{}
		m.trees[user] = tree
	}
	m.mu.Unlock()
	tree.mu.Lock()
	defer tree.mu.Unlock()
	if tree.files != nil {
		return tree, nil
	}
	files, close, err := m.Open(ctx, user)
	if err != nil {
		return nil, err
	}
	at := davpath.Must(strings.Replace(m.Path, userSegment, user, 1))
	if err = e.open(ctx, m, tree, at, files); err == nil {
		tree.close = close
	} else if close != nil {
		err = errors.Join(err, close())
	}
	return tree, err
}

// above reports whether p is a collection above mounts and not a mount point.
func (pl place) above() bool { return pl.node != nil && pl.node.mount == nil }
