package boltprops

import (
	"encoding/binary"
	"fmt"
	"time"

	"dav207/server/locks"
)

// lockSize returns about how many bytes a lock takes, written or waiting; nil is one that is to be forgotten.
func lockSize(l *locks.Lock) int {
	if l == nil {
		return 128
	}
	n := 256 + len(l.Token) + len(l.Root.String()) + len(l.Principal) + len(l.Owner) + len(l.OwnerLang)
	for _, a := range l.OwnerAttr {
		n += len(a.Name.Space) + len(a.Name.Local) + len(a.Value)
	}
	return n
}

const (
	lockInfinite = 1 << iota
	lockShared
	lockOwner // there is one, be it empty
	lockFlags = 1<<iota - 1
)

func encodeLock(l *locks.Lock) []byte {
	flags := byte(0)
	if l.Infinite {
		flags |= lockInfinite
	}
	if l.Shared {
		flags |= lockShared
	}
	if l.Owner != nil {
		flags |= lockOwner
	}
	b := append(newValue(lockSize(l)), flags)
	b = appendString(b, l.Root.String())
	b = appendString(b, l.Principal)
	b = binary.AppendVarint(b, int64(l.Timeout))
	b = appendTime(b, l.Expires)
	b = appendString(b, l.Owner)
	b = appendAttr(b, l.OwnerAttr)
	b = appendString(b, l.OwnerLang)
	return seal([]byte(l.Token), b)
}

// decodeLock reads the value of the token k, and keeps nothing of it.
func decodeLock(k, value []byte) (locks.Lock, error) {
	body, err := unseal(k, value)
	if err != nil {
		return locks.Lock{}, err
	}
	r := reader{b: body}
	flags := r.byte()
	root := r.string()
	l := locks.Lock{
		Token:     string(k),
		Infinite:  flags&lockInfinite != 0,
		Shared:    flags&lockShared != 0,
		Principal: r.string(),
		Timeout:   time.Duration(r.int()),
		Expires:   r.time(),
	}
	if owner := r.bytes(); flags&lockOwner != 0 {
		l.Owner = append([]byte{}, owner...)
	}
	l.OwnerAttr, l.OwnerLang = r.attr(), r.string()
	if err := r.end(k); err != nil {
		return locks.Lock{}, err
	}
	if l.Root, err = canonical(root); err != nil || flags&^lockFlags != 0 {
		return locks.Lock{}, fmt.Errorf("lock %q: %w", k, errDamaged)
	}
	return l, nil
}
