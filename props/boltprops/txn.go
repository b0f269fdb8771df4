package boltprops

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"go.etcd.io/bbolt"

	"dav207/props"
	"dav207/server/davpath"
)

// The buckets of the file.
var (
	metaBucket  = []byte("meta")   // headerKey: the format
	propsBucket = []byte("props")  // key: record
	movesBucket = []byte("moving") // the path of the source: that of the destination
	locksBucket = []byte("locks")  // the token: lock
)

var buckets = [][]byte{metaBucket, propsBucket, movesBucket, locksBucket}

// errChange is returned by the first change in a read-only txn.
var errChange = errors.New("something would be changed")

// txn is a transaction. If there is no file its buckets are nil and it has no entries.
type txn struct {
	tx       *bbolt.Tx
	props    *bbolt.Bucket
	readOnly bool // the first change returns errChange
	writes   int
}

// bucket returns a bucket, or nil if there is no file.
func (t *txn) bucket(name []byte) *bbolt.Bucket {
	if t.tx == nil {
		return nil
	}
	return t.tx.Bucket(name)
}

// get returns the value of k, valid during the transaction, or nil.
func get(b *bbolt.Bucket, k []byte) []byte {
	if b == nil {
		return nil
	}
	return b.Get(k)
}

// put stores value, unless k has it already.
func (t *txn) put(b *bbolt.Bucket, k, value []byte) error {
	if old := get(b, k); old != nil && bytes.Equal(old, value) {
		return nil
	}
	if len(k) > bbolt.MaxKeySize {
		return syscall.ENAMETOOLONG
	}
	if t.readOnly {
		return errChange
	}
	t.writes++
	return b.Put(k, value)
}

// remove deletes k if it exists.
func (t *txn) remove(b *bbolt.Bucket, k []byte) error {
	if get(b, k) == nil {
		return nil
	}
	if t.readOnly {
		return errChange
	}
	t.writes++
	return b.Delete(k)
}

// pair is a key and its value, valid during the transaction.
type pair struct{ key, value []byte }

// collect returns the entries of p and of everything below it, to be changed. If t is read-only it
// returns at most one: the first change ends t.
func (t *txn) collect(p davpath.Path) []pair {
	if t.props == nil {
		return nil
	}
	var found []pair
	c := t.props.Cursor()
	for _, s := range tree(p) {
		for k, v := c.Seek(s.from); s.has(k); k, v = c.Next() {
			if found = append(found, pair{k, v}); t.readOnly {
				return found
			}
		}
	}
	return found
}

// hasProps reports whether p or anything below it has properties.
func (t *txn) hasProps(p davpath.Path) bool {
	if t.props == nil {
		return false
	}
	c := t.props.Cursor()
	return slices.ContainsFunc(tree(p), func(s span) bool {
		k, _ := c.Seek(s.from)
		return s.has(k)
	})
}

// entry returns the entry of p, valid during the transaction, or nil.
func (t *txn) entry(p davpath.Path) (*record, error) {
	k := key(p)
	value := get(t.props, k)
	if value == nil {
		return nil, nil
	}
	e, err := decode(k, value, nil, nil)
	if err != nil {
		return nil, err
	}
	return &e, nil
}

func (t *txn) store(p davpath.Path, e *record) error {
	k := key(p)
	return t.put(t.props, k, e.encode(k))
}

// set replaces the properties of one resource. Without properties it removes the entry.
func (t *txn) set(p davpath.Path, properties []props.Property) error {
	if len(properties) == 0 {
		return t.remove(t.props, key(p))
	}
	return t.store(p, &record{properties: properties})
}

func (t *txn) patch(p davpath.Path, changes []props.Change) error {
	e, err := t.entry(p)
	if err != nil {
		return err
	}
	var before []props.Property
	if e != nil {
		before = e.properties
	}
	after := props.Apply(before, changes)
	if err := props.CheckQuota(before, after); err != nil {
		return err
	}
	return t.set(p, after)
}

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
