package boltprops

import (
	"bytes"
	"fmt"

	"dav207/props"
	"dav207/server/davpath"
)

// apply applies one operation.
func (t *txn) apply(o props.Op) error {
	switch o := o.(type) {
	case props.Set:
		return t.set(o.Path, o.Properties)
	case props.Move:
		if err := t.move(o.Src, o.Dst); err != nil {
			return err
		}
		return t.deleteMoveIntent(o.Src)
	case props.Delete:
		return t.delete(o.Path)
	case props.MoveIntent:
		return t.putMoveIntent(o)
	case props.MoveDone:
		return t.deleteMoveIntent(o.Src)
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

func (t *txn) delete(p davpath.Path) error {
	for _, e := range t.collect(p) {
		if err := t.remove(t.props, e.key); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) move(src, dst davpath.Path) error {
	if src == dst {
		return nil
	}
	moved := t.collect(src) // read before any change: src or dst may be below the other
	for i, e := range moved {
		k := rebase(e.key, src, dst)
		value := bytes.Clone(e.value)
		if intact(e.key, value) { // a damaged entry is moved as it is
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

// movesKey returns the key of the intent to move p.
func movesKey(p davpath.Path) []byte { return []byte(p.String()) }

// putMoveIntent stores m. It ignores m if neither tree has properties.
func (t *txn) putMoveIntent(m props.MoveIntent) error {
	k, b := movesKey(m.Src), t.bucket(movesBucket)
	if get(b, k) == nil && !t.hasProps(m.Src) && !t.hasProps(m.Dst) {
		return nil // there are no properties to lose
	}
	return t.put(b, k, seal(k, appendString(newValue(64), m.Dst.String())))
}

func (t *txn) deleteMoveIntent(src davpath.Path) error {
	return t.remove(t.bucket(movesBucket), movesKey(src))
}

// moveIntents returns the stored intents, in the order of their sources.
func (t *txn) moveIntents() ([]props.MoveIntent, error) {
	b := t.bucket(movesBucket)
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
		src, err1 := parsePath(string(k))
		dst, err2 := parsePath(name)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("move of %q: %w", k, errDamaged)
		}
		moves = append(moves, props.MoveIntent{Src: src, Dst: dst})
		return nil
	})
	return moves, err
}

// parsePath parses a path that was written with Path.String.
func parsePath(name string) (davpath.Path, error) {
	p, err := davpath.Clean(name)
	if err != nil || p.String() != name {
		return davpath.Path{}, errDamaged
	}
	return p, nil
}
