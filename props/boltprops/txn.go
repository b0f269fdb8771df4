package boltprops

import (
	"bytes"
	"errors"
	"slices"
	"syscall"

	"go.etcd.io/bbolt"

	"dav207/props"
	"dav207/server/resource"
)

// The buckets of the file.
var (
	metaBucket   = []byte("meta")   // headerKey: the format
	propsBucket  = []byte("props")  // key: record
	movingBucket = []byte("moving") // the path of the source: that of the destination
	locksBucket  = []byte("locks")  // the token: lock
)

var buckets = [][]byte{metaBucket, propsBucket, movingBucket, locksBucket}

// errChange is what a read-only one ends with where something would be changed.
var errChange = errors.New("something would be changed")

// txn is one look at the state, or one commit. Where there is no file its buckets are nil, and empty.
type txn struct {
	tx       *bbolt.Tx
	props    *bbolt.Bucket
	readOnly bool // the first change that would be made ends it with errChange
	writes   int
}

func begin(tx *bbolt.Tx) (*txn, error) {
	t := &txn{tx: tx, props: tx.Bucket(propsBucket)}
	if t.props == nil {
		return nil, wrong("without its buckets")
	}
	return t, nil
}

// bucket returns another bucket than that of properties.
func (t *txn) bucket(name []byte) *bbolt.Bucket {
	if t.tx == nil {
		return nil
	}
	return t.tx.Bucket(name)
}

// get returns what b has under k, as long as the transaction lasts, or nil.
func get(b *bbolt.Bucket, k []byte) []byte {
	if b == nil {
		return nil
	}
	return b.Get(k)
}

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

// pair is a key with its value, as they stand in the file.
type pair struct{ key, value []byte }

// collect returns the entries of p and everything below it, in the order of keys. Where t is read-only it returns one at
// most: the first change ends it.
func (t *txn) collect(p resource.Path) []pair {
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

func (t *txn) any(p resource.Path) bool {
	if t.props == nil {
		return false
	}
	c := t.props.Cursor()
	return slices.ContainsFunc(tree(p), func(s span) bool {
		k, _ := c.Seek(s.from)
		return s.has(k)
	})
}

// entry returns what is stored for p, as long as the transaction lasts; nil for nothing.
func (t *txn) entry(p resource.Path) (*record, error) {
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

func (t *txn) store(p resource.Path, e *record) error {
	k := key(p)
	return t.put(t.props, k, e.encode(k))
}

// set gives one resource properties of its own; none removes the entry.
func (t *txn) set(p resource.Path, properties []props.Property) error {
	if len(properties) == 0 {
		return t.remove(t.props, key(p))
	}
	return t.store(p, &record{properties: properties})
}

func (t *txn) patch(p resource.Path, changes []props.Change) error {
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
