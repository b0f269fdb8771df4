package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/davpath"
)

const (
	// batchSize is the largest number of members whose info is read at once.
	batchSize = 256
	// maxBatchTime is how long reading one batch may take before it is used unfilled, so that a
	// slow back end does not stop the response.
	maxBatchTime = 100 * time.Millisecond
)

// listing is an open collection with the sorted names of its members, without reserved ones.
type listing struct {
	path  davpath.Path
	names []string
	dir   fsbackend.Dir // nil once it was closed
	// reuse means that the caller keeps no info when it asks for the next batch. Their memory is
	// then used again.
	reuse bool
	// foreign means that a reserved name is not that of a temp file. It is not listed, and a DELETE
	// of the collection does not remove it.
	foreign bool
}

// list opens the collection p. The caller must close the listing. During a replacement of p it
// waits and lists the new collection.
func (t *Tree) list(ctx context.Context, p davpath.Path) (l *listing, err error) {
	err = t.retryAfterSwap(ctx, p, true, func() (err error) {
		if l != nil {
			l.close()
		}
		l, err = t.listOnce(ctx, p)
		return err
	})
	return l, err
}

// listCurrent lists the collection r. Where another resource has replaced it since r was looked
// at, it returns that one, with a nil listing if it is a file. gone reports that nothing is there
// any more.
func (t *Tree) listCurrent(ctx context.Context, r props.Resource) (now props.Resource, l *listing, gone bool, err error) {
	l, err = t.list(ctx, r.Path)
	for tries := 0; missing(err) && tries < 3; tries++ {
		found, lost := t.Stat(ctx, r.Path)
		if lost != nil {
			return r, nil, missing(lost), lost
		}
		if r.Info = found.Info; !r.Info.IsDir() {
			return r, nil, false, nil
		}
		l, err = t.list(ctx, r.Path)
	}
	return r, l, false, err
}

func (t *Tree) listOnce(ctx context.Context, p davpath.Path) (*listing, error) {
	dir, err := t.FS.OpenDir(ctx, p)
	if err != nil {
		return nil, err
	}
	l := &listing{path: p, dir: dir}
	if l.names, err = dir.Names(); err == nil {
		if i := slices.IndexFunc(l.names, func(n string) bool { return !davpath.ValidSegment(n) }); i >= 0 {
			err = fmt.Errorf("the back end lists %q as a name in %s", l.names[i], p)
		}
	}
	if err != nil {
		l.close()
		return nil, err
	}
	l.names = slices.DeleteFunc(l.names, func(name string) bool {
		reserved := davpath.Reserved(name)
		l.foreign = l.foreign || reserved && !davpath.IsTemp(name)
		return reserved
	})
	slices.Sort(l.names)
	return l, nil
}

func (l *listing) close() {
	if l.dir != nil {
		l.dir.Close()
		l.dir = nil
	}
}

// entry is a member with its info.
type entry struct {
	path davpath.Path
	info *fsbackend.Info // nil if err is not nil
	err  error
}

// statBatch holds the infos of some members.
type statBatch struct {
	paths []davpath.Path
	infos []fsbackend.Info
	errs  []error
}

var statPool = sync.Pool{New: func() any {
	return &statBatch{make([]davpath.Path, 0, batchSize), make([]fsbackend.Info, batchSize), make([]error, batchSize)}
}}

// stat reads the infos of the members from the i-th on into b: at least one, at most batchSize.
func (l *listing) stat(i int, b *statBatch) {
	names := l.names[i:min(i+batchSize, len(l.names))]
	b.infos, b.errs = b.infos[:batchSize], b.errs[:batchSize]
	began := time.Now()
	done := 0
	for step := 1; done < len(names) && (done == 0 || time.Since(began) < maxBatchTime); step = batchSize / 4 {
		to := min(done+step, len(names))
		l.dir.Lstat(names[done:to], b.infos[done:to], b.errs[done:to])
		done = to
	}
	b.paths = l.path.Children(b.paths[:0], names[:done])
	b.infos, b.errs = b.infos[:done], b.errs[:done]
}

// entries yields the members of a batch. It omits members that were removed since the names were
// read.
func (b *statBatch) entries(yield func(int, entry) bool) {
	for i, p := range b.paths {
		e := entry{path: p, err: b.errs[i]}
		if errors.Is(e.err, fs.ErrNotExist) {
			continue
		}
		if e.err == nil {
			e.info = &b.infos[i]
		}
		if !yield(i, e) {
			return
		}
	}
}

// entries yields the members in the order of their names. It omits those that were removed since
// the names were read.
func (l *listing) entries(yield func(entry) bool) {
	for b := range l.batches {
		for _, e := range b.entries {
			if !yield(e) {
				return
			}
		}
	}
}

// listings counts the open listings. With half as many as there are processors none of them reads
// ahead.
var listings atomic.Int32

// batches yields the members in the order of their names. It closes the directory after the last
// batch, so that a deep walk does not hold a handle for every level. A batch is valid until the
// next one; with reuse the infos in it are, too.
func (l *listing) batches(yield func(*statBatch) bool) {
	defer l.close()
	defer listings.Add(-1)
	if n := int(listings.Add(1)); n <= runtime.GOMAXPROCS(0)/2 && len(l.names) > batchSize {
		l.prefetch(yield)
		return
	}
	b := statPool.Get().(*statBatch)
	defer func() { l.release(b) }()
	for next := 0; next < len(l.names); {
		l.stat(next, b)
		if next += len(b.paths); next == len(l.names) {
			l.close()
		}
		if !yield(b) {
			return
		}
		b = l.next(b)
	}
}

// prefetch is batches for a large collection. A goroutine reads the next batches while one is used.
func (l *listing) prefetch(yield func(*statBatch) bool) {
	const ahead = 4 // a wait costs as much time as a batch: with four they are rare
	filled, free := make(chan *statBatch, ahead), make(chan *statBatch, ahead)
	stop := make(chan struct{})
	var failed any
	var worker sync.WaitGroup
	worker.Go(func() {
		defer l.close()
		defer close(filled)
		defer func() { failed = recover() }() // a back end that panics fails the request, not the process
		for next := 0; next < len(l.names); {
			select {
			case b := <-free:
				l.stat(next, b)
				next += len(b.paths)
				filled <- b
			case <-stop:
				return
			}
		}
	})
	defer func() {
		close(stop)
		for b := range filled { // the goroutine may have sent more
			l.release(b)
		}
		worker.Wait()
		if failed != nil {
			panic(failed)
		}
		close(free)
		for b := range free {
			l.release(b)
		}
	}()
	for range ahead {
		free <- statPool.Get().(*statBatch)
	}
	for b := range filled {
		if !yield(b) {
			l.release(b)
			return
		}
		free <- l.next(b)
	}
}

// next returns a batch to fill after b was used.
func (l *listing) next(b *statBatch) *statBatch {
	if !l.reuse {
		b.infos = make([]fsbackend.Info, batchSize)
	}
	return b
}

// release returns a batch to the pool.
func (l *listing) release(b *statBatch) {
	b = l.next(b)
	clear(b.infos[:batchSize]) // they may refer to much memory
	statPool.Put(b)
}
