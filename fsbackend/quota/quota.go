// Package quota bounds the bytes that the files of a back end may have together.
//
// A Limit counts the content of files, not that of dead properties, collections or temp files, and
// not what files take on the disk. Several back ends can share a Limit, as all that belong to one
// user, and a back end can have several Limits, as that of its mount and that of its user.
//
// New counts once, in a walk. From then on every change is counted as it happens. Space is reserved
// before it is used: for an upload by fsbackend.Length before its body is read, else as it is
// written, for a copy by the size of its source. So concurrent requests never exceed a Limit
// together, and what fails or is given up takes nothing. Whatever would exceed it fails with
// syscall.EDQUOT (507). A file that is replaced gives its bytes back: only the difference is
// reserved. What is above its Limit already can still shrink.
//
// The numbers are in memory only, so a crash cannot make them wrong: the next start counts again.
// What another process changes is not seen before the next Recount. The numbers are exact as long
// as no two changes of one resource overlap; server.Handler never lets them.
package quota

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"

	"dav207/fsbackend"
	"dav207/server/davpath"
)

// Limit is a number of bytes, and how many of them are used. It is safe for concurrent use.
type Limit struct {
	mu                  sync.Mutex
	max, used, reserved int64
}

// NewLimit returns a Limit of max bytes.
func NewLimit(max int64) *Limit { return &Limit{max: max} }

// SetMax changes the limit. Nothing happens to files that exceed it.
func (l *Limit) SetMax(max int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max = max
}

// Usage returns how many bytes files have, and how many more they may have.
func (l *Limit) Usage() (used, left int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.used, 0), max(l.left(), 0)
}

// left is called with the lock held. What another process added can make used negative when it is
// removed.
func (l *Limit) left() int64 { return l.max - max(l.used, 0) - l.reserved }

// reserve reserves n bytes, which may be negative, and reports whether it could.
func (l *Limit) reserve(n int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > 0 && n > l.left() {
		return false
	}
	l.reserved += n
	return true
}

// use ends a reservation of reserved bytes, of which used were used.
func (l *Limit) use(used, reserved int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used += used
	l.reserved -= reserved
}

// Backend is a back end whose files are bounded.
type Backend struct {
	inner
	bulk   fsbackend.Bulk // nil: inner has none
	limits []*Limit

	mu      sync.RWMutex // held for reading during a change, for writing by Recount
	changes atomic.Uint64
	counted atomic.Int64 // bytes of this back end in each of limits
}

type inner = fsbackend.Backend

var _ fsbackend.Bulk = (*Backend)(nil)

// New counts the files of a back end and bounds them by limits. Clean up what an earlier process
// left first. Where files are not readable they are not counted; any other error ends the walk.
func New(ctx context.Context, files fsbackend.Backend, limits ...*Limit) (*Backend, error) {
	b := &Backend{inner: files, limits: limits}
	b.bulk, _ = files.(fsbackend.Bulk)
	return b, b.Recount(ctx)
}

// Close takes the bytes of the back end out of its limits. It must not be used afterwards.
func (b *Backend) Close() { b.use(-b.counted.Load(), 0) }

// Recount walks through all files and corrects the numbers. Requests go on meanwhile; if they
// change something during each of three walks, those that want to change more wait for a fourth.
func (b *Backend) Recount(ctx context.Context) error {
	for tries := 0; ; tries++ {
		b.mu.Lock()
		before, last := b.changes.Load(), tries == 3
		if !last {
			b.mu.Unlock()
		}
		n, err := b.size(ctx, davpath.Root)
		if !last {
			b.mu.Lock()
		}
		unchanged := b.changes.Load() == before
		if err == nil && unchanged {
			b.use(n-b.counted.Load(), 0)
		}
		b.mu.Unlock()
		if err != nil || unchanged {
			return err
		}
	}
}

// change begins a change. The caller calls end after it.
func (b *Backend) change() (end func()) {
	b.mu.RLock()
	return func() {
		b.changes.Add(1)
		b.mu.RUnlock()
	}
}

// reserve reserves n more bytes of all limits, or returns syscall.EDQUOT.
func (b *Backend) reserve(op string, p davpath.Path, n int64) error {
	for i, l := range b.limits {
		if !l.reserve(n) {
			for _, done := range b.limits[:i] {
				done.reserve(-n)
			}
			return fsbackend.CreateError(op, p, syscall.EDQUOT)
		}
	}
	return nil
}

// use ends a reservation of reserved bytes, of which used were used.
func (b *Backend) use(used, reserved int64) {
	b.counted.Add(used)
	for _, l := range b.limits {
		l.use(used, reserved)
	}
}

// Usage implements fsbackend.Backend: it returns the numbers of the Limit with the least room, and
// what is free on the volume if that is less.
func (b *Backend) Usage(ctx context.Context, p davpath.Path) (used, free uint64, err error) {
	used, free, err = b.inner.Usage(ctx, p)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return 0, 0, err
	}
	least := int64(-1)
	for _, l := range b.limits {
		if u, left := l.Usage(); least < 0 || left < least {
			used, least = uint64(u), left
		}
	}
	switch {
	case least < 0:
		return used, free, err
	case err != nil || uint64(least) < free:
		free = uint64(least)
	}
	return used, free, nil
}

// size returns the bytes of the files at and below p. It follows no links. Temp files are not
// counted, but members of temp collections are: those are renamed back.
func (b *Backend) size(ctx context.Context, p davpath.Path) (int64, error) {
	info, err := b.inner.Lstat(ctx, p)
	if err != nil {
		return 0, countable(err)
	}
	return b.sizeOf(ctx, p, info)
}

// countable returns nil for the error of a resource that is not counted.
func countable(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

func (b *Backend) sizeOf(ctx context.Context, p davpath.Path, info *fsbackend.Info) (int64, error) {
	if !info.IsDir() {
		return regular(info), nil
	}
	names, infos, errs, err := b.list(ctx, p)
	if err != nil {
		return 0, countable(err)
	}
	sum := int64(0)
	for i, name := range names {
		n, err := int64(0), errs[i]
		switch {
		case err != nil:
		case !davpath.ValidSegment(name), davpath.Reserved(name) && !(davpath.IsTemp(name) && infos[i].IsDir()):
		default:
			n, err = b.sizeOf(ctx, p.Child(name), &infos[i])
		}
		if err = countable(err); err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, ctx.Err()
}

// list returns the members of the collection p, which it closes.
func (b *Backend) list(ctx context.Context, p davpath.Path) (names []string, infos []fsbackend.Info, errs []error, err error) {
	d, err := b.inner.OpenDir(ctx, p)
	if err != nil {
		return nil, nil, nil, err
	}
	defer d.Close()
	if names, err = d.Names(); err != nil {
		return nil, nil, nil, err
	}
	infos, errs = make([]fsbackend.Info, len(names)), make([]error, len(names))
	d.Lstat(names, infos, errs)
	return names, infos, errs, nil
}

// regular returns the bytes that a resource itself counts.
func regular(info *fsbackend.Info) int64 {
	if info == nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// replaced returns a function for after a file was put at p. It returns the bytes of the file that
// is gone by that. Where p is a link, some back ends replace the link and some what it leads to.
func (b *Backend) replaced(ctx context.Context, p davpath.Path) func() int64 {
	old, err := b.inner.Lstat(ctx, p)
	if err != nil {
		return func() int64 { return 0 }
	}
	if !old.IsLink() {
		return func() int64 { return regular(old) }
	}
	to, _ := b.inner.Stat(ctx, p)
	return func() int64 {
		if now, err := b.inner.Lstat(context.WithoutCancel(ctx), p); err != nil || !now.IsLink() {
			return 0
		}
		return regular(to)
	}
}
