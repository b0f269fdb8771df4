package boltprops

import (
	"bytes"
	"errors"
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

// begin returns a txn on tx.
func begin(tx *bbolt.Tx) (*txn, error) {
	t := &txn{tx: tx, props: tx.Bucket(propsBucket)}
	if t.props == nil {
		return nil, wrong("without its buckets")
	}
	return t, nil
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
