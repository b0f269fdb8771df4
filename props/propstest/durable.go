package propstest

import (
	"context"
	"iter"
	"testing"

	"dav207/props"
	"dav207/server/davpath"
)

// TestDurable tests the contract of a durable props.Store: as Test does, and then with a store that
// is closed and reopened between each change and the next read. open opens the store in dir, which
// is empty at first, and returns a function that closes it.
func TestDurable(t *testing.T, open func(t *testing.T, dir string) (s props.Store, close func() error)) {
	t.Run("open", func(t *testing.T) {
		Test(t, func(t *testing.T) props.Store {
			s, stop := open(t, t.TempDir())
			t.Cleanup(func() {
				if err := stop(); err != nil {
					t.Errorf("closing: %v", err)
				}
			})
			return s
		})
	})
	t.Run("reopened", func(t *testing.T) {
		contract(t, func(t *testing.T) props.Store {
			dir := t.TempDir()
			r := &reopened{t: t, open: func() (props.Store, func() error) { return open(t, dir) }}
			r.s, r.stop = r.open()
			t.Cleanup(func() {
				if err := r.stop(); err != nil {
					t.Errorf("closing: %v", err)
				}
			})
			return r
		})
	})
}

// reopened is a store that is closed and reopened between a change and the next read. It is not
// safe for concurrent use.
type reopened struct {
	t       *testing.T
	open    func() (props.Store, func() error)
	s       props.Store
	stop    func() error
	changed bool
}

// store returns the store to read from.
func (r *reopened) store() props.Store {
	if r.changed {
		if err := r.stop(); err != nil {
			r.t.Fatalf("closing: %v", err)
		}
		r.s, r.stop = r.open()
		r.changed = false
	}
	return r.s
}

func (r *reopened) Get(ctx context.Context, p davpath.Path) ([]props.Property, error) {
	return r.store().Get(ctx, p)
}

func (r *reopened) Members(ctx context.Context, p davpath.Path) props.Members {
	return r.store().Members(ctx, p)
}

func (r *reopened) All(ctx context.Context, p davpath.Path) iter.Seq2[props.Entry, error] {
	return r.store().All(ctx, p)
}

func (r *reopened) Moves(ctx context.Context) ([]props.MoveIntent, error) {
	return r.store().Moves(ctx)
}

func (r *reopened) Patch(ctx context.Context, p davpath.Path, changes []props.Change) error {
	r.changed = true
	return r.s.Patch(ctx, p, changes)
}

func (r *reopened) Update(ctx context.Context, ops ...props.Op) error {
	r.changed = true
	return r.s.Update(ctx, ops...)
}
