package boltprops

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
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
	growth   int64 // of what the file holds
	room     int64 // for growth by properties
}

// bounded calls apply, and returns props.ErrFull if what it adds does not fit.
func (t *txn) bounded(apply func() error) error {
	before := t.growth
	err := apply()
	if err == nil && t.growth > max(before, t.room) {
		err = props.ErrFull
	}
	return err
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
	t.growth += entrySize(k, value) - entrySize(k, get(b, k))
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
	t.growth -= entrySize(k, get(b, k))
	return b.Delete(k)
}

// entrySize returns the size of an entry, 0 if value is nil.
func entrySize(k, value []byte) int64 {
	if value == nil {
		return 0
	}
	return int64(len(k) + len(value))
}

// pair is a key and its value, valid during the transaction.
type pair struct{ key, value []byte }

// scan yields the entries in a span of b, valid during the transaction.
func scan(b *bbolt.Bucket, in span) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, value []byte) bool) {
		if b == nil {
			return
		}
		c := b.Cursor()
		for k, v := c.Seek(in.from); in.has(k) && yield(k, v); k, v = c.Next() {
		}
	}
}

// collect returns the entries of p and of everything below it, to be changed.
func (t *txn) collect(p davpath.Path) (found []pair) {
	for _, in := range tree(p) {
		for k, v := range scan(t.props, in) {
			found = append(found, pair{k, v})
		}
	}
	return found
}

// hasProps reports whether p or anything below it has properties.
func (t *txn) hasProps(p davpath.Path) bool {
	for _, in := range tree(p) {
		for range scan(t.props, in) {
			return true
		}
	}
	return false
}

// entry returns the entry of p, without properties if there is none, valid during the transaction.
func (t *txn) entry(p davpath.Path) (props.Entry, error) {
	k := key(p)
	value := get(t.props, k)
	if value == nil {
		return props.Entry{}, nil
	}
	return decode(k, value, new(lastEntry))
}

// set replaces the entry of one resource. Without properties it removes it.
func (t *txn) set(p davpath.Path, e props.Entry) error {
	k := key(p)
	if len(e.Properties) == 0 {
		return t.remove(t.props, k)
	}
	return t.put(t.props, k, encode(k, e))
}

func (t *txn) patch(p davpath.Path, changes []props.Change) error {
	e, err := t.entry(p)
	if err != nil {
		return err
	}
	after := props.Apply(e.Properties, changes)
	if err := props.CheckQuota(e.Properties, after); err != nil {
		return err
	}
	return t.set(p, props.Entry{Properties: after})
}

// apply applies one operation.
func (t *txn) apply(o props.Op) error {
	switch o := o.(type) {
	case props.Set:
		return t.set(o.Path, props.Entry{Properties: o.Properties})
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
	if err != nil {
		return err
	}
	e.Orphaned = o.Since
	return t.set(o.Path, e)
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

// putMoveIntent stores m. It ignores m if neither tree has properties.
func (t *txn) putMoveIntent(m props.MoveIntent) error {
	k, b := []byte(m.Src.String()), t.bucket(movesBucket)
	if get(b, k) == nil && !t.hasProps(m.Src) && !t.hasProps(m.Dst) {
		return nil // there are no properties to lose
	}
	return t.put(b, k, seal(k, appendString(newValue(), m.Dst.String())))
}

func (t *txn) deleteMoveIntent(src davpath.Path) error {
	return t.remove(t.bucket(movesBucket), []byte(src.String()))
}
