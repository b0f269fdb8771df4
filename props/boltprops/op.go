package boltprops

import (
	"bytes"
	"fmt"

	"dav207/props"
	"dav207/server/resource"
)

func (t *txn) apply(o props.Op) error {
	switch o := o.(type) {
	case props.Set:
		return t.set(o.Path, o.Properties)
	case props.Move:
		if err := t.move(o.Src, o.Dst); err != nil {
			return err
		}
		return t.endMove(o.Src)
	case props.Delete:
		return t.delete(o.Path)
	case props.MoveIntent:
		return t.announce(o)
	case props.MoveDone:
		return t.endMove(o.Src)
	case props.Orphan:
		return t.orphan(o)
	}
	return fmt.Errorf("state: unknown operation %T", o)
}

func (t *txn) orphan(o props.Orphan) error {
	e, err := t.entry(o.Path)
	if e == nil || err != nil {
		return err
	}
	e.orphaned = o.Since
	return t.store(o.Path, e)
}

func (t *txn) delete(p resource.Path) error {
	for _, e := range t.collect(p) {
		if err := t.remove(t.props, e.key); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) move(src, dst resource.Path) error {
	if src == dst {
		return nil
	}
	moved := t.collect(src) // either may be below the other: nothing is removed before all of it is in hand
	for i, e := range moved {
		k := rebase(e.key, src, dst)
		value := bytes.Clone(e.value)
		if intact(e.key, value) { // else it stays what it is, damaged: the others are not held up by it
			seal(k, value)
		}
		if err := t.remove(t.props, e.key); err != nil {
			return err
		}
		moved[i] = pair{k, value}
	}
	if err := t.delete(dst); err != nil {
		return err
	}
	for _, e := range moved {
		if err := t.put(t.props, e.key, e.value); err != nil {
			return err
		}
	}
	return nil
}

func movingKey(p resource.Path) []byte { return []byte(p.String()) }

func (t *txn) announce(s props.MoveIntent) error {
	k, b := movingKey(s.Src), t.bucket(movingBucket)
	if get(b, k) == nil && !t.any(s.Src) && !t.any(s.Dst) {
		return nil // nothing of ours can get lost on that way
	}
	return t.put(b, k, seal(k, appendString(newValue(64), s.Dst.String())))
}

func (t *txn) endMove(src resource.Path) error {
	return t.remove(t.bucket(movingBucket), movingKey(src))
}

// announced returns the moves that were announced, by their source.
func (t *txn) announced() ([]props.MoveIntent, error) {
	b := t.bucket(movingBucket)
	if b == nil {
		return nil, nil
	}
	var moves []props.MoveIntent
	err := b.ForEach(func(k, value []byte) error {
		body, err := unseal(k, value)
		if err != nil {
			return err
		}
		r := reader{b: body}
		name := r.string()
		if err := r.end(k); err != nil {
			return err
		}
		src, err1 := canonical(string(k))
		dst, err2 := canonical(name)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("move of %q: %w", k, errDamaged)
		}
		moves = append(moves, props.MoveIntent{Src: src, Dst: dst})
		return nil
	})
	return moves, err
}

// canonical returns the path that was written as name.
func canonical(name string) (resource.Path, error) {
	p, err := resource.Clean(name)
	if err != nil || p.String() != name {
		return resource.Path{}, errDamaged
	}
	return p, nil
}
