package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/net/webdav"

	"dav207/server/resource"
)

// batch is how many members are looked at ahead of their use.
const batch = 256

// listing is an open collection: the sorted names of its members, the server's own left out, and a look at each.
type listing struct {
	path  resource.Path
	names []string
	infos []fs.FileInfo // in the order of names, where the file system gave them with the names
	dir   webdav.File   // open while looks are made through it
	look  func(name string) (fs.FileInfo, error)
}

// list opens the collection p. The caller must close the listing.
func (t *Tree) list(ctx context.Context, p resource.Path) (*listing, error) {
	l, err := t.listAll(ctx, p)
	if err != nil {
		return nil, err
	}
	if l.infos == nil {
		l.names = slices.DeleteFunc(l.names, resource.Reserved)
		slices.Sort(l.names)
		return l, nil
	}
	l.infos = slices.DeleteFunc(l.infos, func(i fs.FileInfo) bool { return resource.Reserved(i.Name()) })
	slices.SortFunc(l.infos, func(a, b fs.FileInfo) int { return cmp.Compare(a.Name(), b.Name()) })
	l.names = l.all()
	return l, nil
}

// all returns the names in the order in which they were listed.
func (l *listing) all() []string {
	if l.infos == nil {
		return l.names
	}
	names := make([]string, len(l.infos))
	for i, info := range l.infos {
		names[i] = info.Name()
	}
	return names
}

// listAll is list with the server's own files, unsorted.
func (t *Tree) listAll(ctx context.Context, p resource.Path) (*listing, error) {
	f, err := t.FS.OpenFile(ctx, p.String(), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	l := &listing{path: p, dir: f}
	var names []string
	if n, ok := f.(NameLister); ok {
		if names, err = n.Readdirnames(-1); !errors.Is(err, errors.ErrUnsupported) {
			l.names, l.look = names, n.Lstat
			return l, l.done(err)
		}
	}
	infos, err := f.Readdir(-1)
	l.infos = append([]fs.FileInfo{}, infos...)
	if err = l.done(err); err == nil {
		l.close()
	}
	return l, err
}

// done turns a failed or unusable listing into an error.
func (l *listing) done(err error) error {
	for _, name := range l.all() {
		if err == nil && !resource.ValidSegment(name) {
			err = fmt.Errorf("the file system lists %q as a name in %s", name, l.path)
		}
	}
	if err != nil {
		l.close()
	}
	return err
}

// member looks at the i-th member without following it.
func (l *listing) member(i int) (fs.FileInfo, error) {
	if l.infos != nil {
		return l.infos[i], nil
	}
	return l.look(l.names[i])
}

func (l *listing) close() {
	if l.dir != nil {
		l.dir.Close()
		l.dir = nil
	}
}

// entry is a member that was looked at.
type entry struct {
	path resource.Path
	info fs.FileInfo // nil if err is not nil
	err  error
}

// entries yields the members in the order of their names, looked at a batch at a time. Those that vanished since the
// names were read are left out. The directory is open no longer than needed, so that a deep walk does not hold a
// handle for every level.
func (l *listing) entries(yield func(entry) bool) {
	defer l.close()
	ahead := make([]entry, 0, min(batch, len(l.names)))
	for next := 0; next < len(l.names); {
		ahead = ahead[:0]
		for ; next < len(l.names) && len(ahead) < cap(ahead); next++ {
			info, err := l.member(next)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			ahead = append(ahead, entry{l.path.Child(l.names[next]), info, err})
		}
		if next == len(l.names) {
			l.close()
		}
		for _, e := range ahead {
			if !yield(e) {
				return
			}
		}
	}
}
