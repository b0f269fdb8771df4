package tree

import (
	"context"
	"sync"
	"sync/atomic"

	"dav207/server/davpath"
	"dav207/server/pathlock"
)

// Swaps holds the replacements under way during which no resource has the name for a moment,
// between two renames. The zero value is ready for use. It is safe for concurrent use.
type Swaps struct {
	queue  pathlock.Manager
	active atomic.Int64
	ended  atomic.Uint64 // how many
}

// begin blocks lookups at p and below that find nothing, until end is called.
func (s *Swaps) begin(ctx context.Context, p davpath.Path) (end func()) {
	if s == nil {
		return func() {}
	}
	s.active.Add(1)
	release, _ := s.queue.Acquire(context.WithoutCancel(ctx), pathlock.Range{Path: p, Subtree: true, Write: true})
	var once sync.Once
	return func() {
		once.Do(func() {
			s.ended.Add(1)
			s.active.Add(-1)
			release()
		})
	}
}

// retryAfterSwap calls read, which looks up p. If read finds nothing during a replacement of p or
// of a collection above it, retryAfterSwap waits for the end of that replacement and calls read
// once more. With lists, read lists the members of p, some of which a replacement below p can hide.
// Such a replacement then counts, too, and none begins during the second call. read must not call
// retryAfterSwap.
func (t *Tree) retryAfterSwap(ctx context.Context, p davpath.Path, lists bool, read func() error) error {
	s := t.Swaps
	if s == nil {
		return read()
	}
	ended := s.ended.Load()
	err := read()
	if err == nil && !lists || err != nil && !missing(err) || s.active.Load() == 0 && s.ended.Load() == ended {
		return err
	}
	release, failed := s.queue.Acquire(ctx, pathlock.Range{Path: p, Subtree: lists})
	defer release()
	if failed != nil {
		return failed
	}
	return read()
}
