package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

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
	// foreign tells that among the names that were left out is one that the server did not make: it is not listed, and not
	// removed with the collection either.
	foreign bool
}

// list opens the collection p. The caller must close the listing.
func (t *Tree) list(ctx context.Context, p resource.Path) (*listing, error) {
	l, err := t.listAll(ctx, p)
	if err != nil {
		return nil, err
	}
	hidden := func(name string) bool {
		reserved := resource.Reserved(name)
		l.foreign = l.foreign || reserved && !resource.Aside(name)
		return reserved
	}
	if l.infos == nil {
		l.names = slices.DeleteFunc(l.names, hidden)
		slices.Sort(l.names)
		return l, nil
	}
	l.infos = slices.DeleteFunc(l.infos, func(i fs.FileInfo) bool { return hidden(i.Name()) })
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

// looks are the looks at the members of one batch.
type looks struct {
	paths []resource.Path
	infos []fs.FileInfo
	errs  []error
}

// lookAt looks at the members from the i-th one on, as many as a batch has, not following links.
func (l *listing) lookAt(i int, out *looks) {
	names := l.names[i:min(i+batch, len(l.names))]
	out.paths = l.path.Children(out.paths[:0], names)
	clear(out.errs)
	if l.infos != nil {
		out.infos = l.infos[i : i+len(names)]
		out.errs = append(out.errs[:0], make([]error, len(names))...)
		return
	}
	if cap(out.infos) < len(names) {
		out.infos, out.errs = make([]fs.FileInfo, len(names)), make([]error, len(names))
	}
	out.infos, out.errs = out.infos[:len(names)], out.errs[:len(names)]
	if m, ok := l.dir.(MembersLister); ok {
		m.LstatAll(names, out.infos, out.errs)
		return
	}
	for j, name := range names {
		out.infos[j], out.errs[j] = l.look(name)
	}
}

// entries yields the members of a batch, those that vanished since the names were read left out.
func (o *looks) entries(yield func(int, entry) bool) {
	for i, p := range o.paths {
		if errors.Is(o.errs[i], fs.ErrNotExist) {
			continue
		}
		if !yield(i, entry{p, o.infos[i], o.errs[i]}) {
			return
		}
	}
}

// entries yields the members in the order of their names, those that vanished since the names were read left out.
func (l *listing) entries(yield func(entry) bool) {
	for o := range l.batches {
		for _, e := range o.entries {
			if !yield(e) {
				return
			}
		}
	}
}

// batches yields the members in the order of their names, as many as are looked at at a time. The directory is open no longer
// than needed, so that a deep walk does not hold a handle for every level. What is yielded is good until the next one.
func (l *listing) batches(yield func(*looks) bool) {
	defer l.close()
	if len(l.names) > batch && l.infos == nil {
		l.ahead(yield)
		return
	}
	var o looks
	if len(l.names) > 0 {
		l.lookAt(0, &o)
	}
	l.close()
	for next := batch; yield(&o) && next < len(l.names); next += batch {
		l.lookAt(next, &o)
	}
}

// ahead is batches for a large collection: while one batch is being used the next one is looked at.
func (l *listing) ahead(yield func(*looks) bool) {
	filled, free := make(chan *looks), make(chan *looks, 2)
	stop := make(chan struct{})
	var failed any
	var done sync.WaitGroup
	done.Go(func() {
		defer l.close()
		defer close(filled)
		defer func() { failed = recover() }() // a file system that panics fails the request, not the process
		for next := 0; next < len(l.names); next += batch {
			select {
			case o := <-free:
				l.lookAt(next, o)
				filled <- o
			case <-stop:
				return
			}
		}
	})
	defer func() {
		close(stop)
		for range filled { // the one that may be on its way
		}
		done.Wait()
		if failed != nil {
			panic(failed)
		}
	}()
	free <- new(looks)
	free <- new(looks)
	for o := range filled {
		if !yield(o) {
			return
		}
		free <- o
	}
}
