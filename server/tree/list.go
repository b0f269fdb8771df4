package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/webdav"

	"dav207/server/davpath"
)

const (
	// batch is how many members are looked at ahead of their use, at most.
	batch = 256
	// patience is how long the looks of one batch may take before what was seen is used: where a look is slow the answer still
	// goes on.
	patience = 100 * time.Millisecond
)

// listing is an open collection: the sorted names of its members, the server's own left out, and a look at each.
type listing struct {
	path  davpath.Path
	names []string
	infos []fs.FileInfo // in the order of names, where the file system gave them with the names
	dir   webdav.File   // open while looks are made through it
	// passing says that no info is used any more when the next batch is asked for: their memory serves for the next ones.
	passing bool
	look    func(name string) (fs.FileInfo, error)
	many    bool // dir is a MembersLister
	// foreign tells that among the names that were left out is one that the server did not make: it is not listed, and not
	// removed with the collection either.
	foreign bool
}

// list opens the collection p. The caller must close the listing. Where the collection is missing
// because another one is coming in its place, it lists that one.
func (t *Tree) list(ctx context.Context, p davpath.Path) (l *listing, err error) {
	err = t.steady(ctx, p, func() (err error) {
		l, err = t.listAll(ctx, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	hidden := func(name string) bool {
		reserved := davpath.Reserved(name)
		l.foreign = l.foreign || reserved && !davpath.IsTemp(name)
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
func (t *Tree) listAll(ctx context.Context, p davpath.Path) (*listing, error) {
	f, err := t.FS.OpenFile(ctx, p.String(), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	l := &listing{path: p, dir: f}
	var names []string
	if n, ok := f.(NameLister); ok {
		if names, err = n.Readdirnames(-1); !errors.Is(err, errors.ErrUnsupported) {
			l.names, l.look = names, n.Lstat
			_, l.many = f.(MembersLister)
			return l, l.checked(err)
		}
	}
	infos, err := f.Readdir(-1)
	l.infos = append([]fs.FileInfo{}, infos...)
	if err = l.checked(err); err == nil {
		l.close()
	}
	return l, err
}

// checked turns a failed or unusable listing into an error.
func (l *listing) checked(err error) error {
	for _, name := range l.all() {
		if err == nil && !davpath.ValidSegment(name) {
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
	path davpath.Path
	info fs.FileInfo // nil if err is not nil
	err  error
}

// looks are the looks at the members of one batch.
type looks struct {
	paths []davpath.Path
	infos []fs.FileInfo
	errs  []error
}

// spent are looks whose infos nobody uses any more.
var spent = sync.Pool{New: func() any {
	return &looks{make([]davpath.Path, 0, batch), make([]fs.FileInfo, batch), make([]error, batch)}
}}

// lookAt looks at members from the i-th one on, not following links: at least at one, and as many as a batch has unless they
// are slow.
func (l *listing) lookAt(i int, out *looks) {
	names := l.names[i:min(i+batch, len(l.names))]
	out.errs = out.errs[:batch]
	clear(out.errs)
	n := len(names)
	if l.infos != nil {
		out.infos = append(out.infos[:0], l.infos[i:i+n]...)
	} else {
		out.infos = out.infos[:batch]
		n = l.lookAtAll(names, out)
	}
	out.paths = l.path.Children(out.paths[:0], names[:n])
	out.infos, out.errs = out.infos[:n], out.errs[:n]
	for i, err := range out.errs {
		if err != nil {
			out.infos[i] = nil // it may be one of an earlier look, at something else
		}
	}
}

// lookAtAll looks at the names until that took too long, and returns how many it came to see.
func (l *listing) lookAtAll(names []string, out *looks) int {
	began := time.Now()
	members, _ := l.dir.(MembersLister)
	step := 1
	if l.many {
		step = batch / 4
	}
	for i := 0; ; {
		to := min(i+step, len(names))
		if l.many {
			members.LstatAll(names[i:to], out.infos[i:to], out.errs[i:to])
		} else {
			out.infos[i], out.errs[i] = l.look(names[i])
		}
		if i = to; i == len(names) || time.Since(began) > patience {
			return i
		}
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

// listings counts the collections that are being listed: with as many as there are processors each of them has enough with one.
var listings atomic.Int32

// batches yields the members in the order of their names, as many as are looked at at a time. The directory is open no longer
// than needed, so that a deep walk does not hold a handle for every level. What is yielded is good until the next one, and
// so are the infos in it if the listing is passing.
func (l *listing) batches(yield func(*looks) bool) {
	defer l.close()
	defer listings.Add(-1)
	if n := int(listings.Add(1)); n <= runtime.GOMAXPROCS(0)/2 && len(l.names) > batch && l.infos == nil {
		l.ahead(yield)
		return
	}
	o := l.take()
	defer l.put(o)
	for next := 0; next < len(l.names); {
		l.lookAt(next, o)
		if next += len(o.paths); next == len(l.names) {
			l.close()
		}
		if !yield(o) {
			return
		}
		l.done(o)
	}
}

// ahead is batches for a large collection: while one batch is being used the next ones are looked at.
func (l *listing) ahead(yield func(*looks) bool) {
	const most = 4 // enough that neither side waits for the other often, which costs as much as a batch
	filled, free := make(chan *looks, most), make(chan *looks, most)
	stop := make(chan struct{})
	var failed any
	var done sync.WaitGroup
	done.Go(func() {
		defer l.close()
		defer close(filled)
		defer func() { failed = recover() }() // a file system that panics fails the request, not the process
		for next := 0; next < len(l.names); {
			select {
			case o := <-free:
				l.lookAt(next, o)
				next += len(o.paths)
				filled <- o
			case <-stop:
				return
			}
		}
	})
	defer func() {
		close(stop)
		for o := range filled { // those that may be on their way
			l.put(o)
		}
		done.Wait()
		if failed != nil {
			panic(failed)
		}
		close(free)
		for o := range free {
			l.put(o)
		}
	}()
	for range most {
		free <- l.take()
	}
	for o := range filled {
		if !yield(o) {
			l.put(o)
			return
		}
		l.done(o)
		free <- o
	}
}

// take returns looks to fill.
func (l *listing) take() *looks {
	return spent.Get().(*looks)
}

// done is called when a batch has been used. Only a MembersLister knows that its infos may be used again.
func (l *listing) done(o *looks) {
	if !l.passing || !l.many {
		clear(o.infos[:batch])
	}
}

// put gives looks back that are not used any more.
func (l *listing) put(o *looks) {
	l.done(o)
	spent.Put(o)
}
