package tree

import (
	"context"
	"sync"
	"sync/atomic"

	"dav207/server/davpath"
	"dav207/server/pathlock"
)

// Swaps are the replacements under way in which nothing has the name for a moment, between two
// renames. The zero value is ready for use. It is safe for concurrent use.
type Swaps struct {
	queue  pathlock.Manager
	active atomic.Int64
	ended  atomic.Uint64 // how many
}

// begin makes those who find nothing at p or below wait until end is called.
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

// steady calls look, which reads p. If look finds nothing while something takes the place of p or of a
// collection above it, steady waits for that and calls it once more. look must not call steady.
func (t *Tree) steady(ctx context.Context, p davpath.Path, look func() error) error {
	s := t.Swaps
	if s == nil {
		return look()
	}
	ended := s.ended.Load()
	err := look()
	if !missing(err) || s.active.Load() == 0 && s.ended.Load() == ended {
		return err
	}
	release, failed := s.queue.Acquire(ctx, pathlock.Range{Path: p})
	defer release()
	if failed != nil {
		return failed
	}
	return look()
}
