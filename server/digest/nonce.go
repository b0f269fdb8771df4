package digest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

const (
	// NonceAge is how long a nonce is valid.
	NonceAge = 10 * time.Minute

	// maxNonces bounds the nonces in use: about 2 MB.
	maxNonces = 16384
	// window is how far a request may be behind another with the same nonce, as on several
	// connections.
	window = 64
)

// Nonces makes nonces and recognizes them. A nonce is a time and random bytes with a keyed hash
// (RFC 7616 §3.3), so those that clients ask for need no memory. Only nonces with which somebody
// has logged in are kept, with the values of nc that were used. Nonces is safe for concurrent use.
type Nonces struct {
	now func() time.Time
	key [32]byte

	mu    sync.Mutex
	used  map[nonceID]*counts
	floor time.Time // nonces up to this time that are not in used are not valid
}

const (
	idBytes  = 20 // the time and 12 random bytes
	macBytes = 16
)

// nonceID is a nonce without its keyed hash.
type nonceID [idBytes]byte

func (id *nonceID) issued() time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(id[:])))
}

// counts are the values of nc that were used with a nonce: bit i of seen is highest-i.
type counts struct {
	highest uint32
	seen    uint64
}

// NewNonces returns Nonces with a random key. now is the clock.
func NewNonces(now func() time.Time) *Nonces {
	n := &Nonces{now: now, used: make(map[nonceID]*counts)}
	rand.Read(n.key[:])
	return n
}

// New returns a nonce.
func (n *Nonces) New() string {
	var id nonceID
	binary.BigEndian.PutUint64(id[:], uint64(n.now().UnixNano()))
	rand.Read(id[8:])
	return base64.RawURLEncoding.EncodeToString(append(id[:], n.mac(&id)...))
}

func (n *Nonces) mac(id *nonceID) []byte {
	h := hmac.New(sha256.New, n.key[:])
	h.Write(id[:])
	return h.Sum(nil)[:macBytes]
}

// parse returns the id of a nonce that New returned at most NonceAge ago.
func (n *Nonces) parse(nonce string) (id nonceID, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != idBytes+macBytes {
		return id, false
	}
	copy(id[:], b)
	age := n.now().Sub(id.issued())
	return id, hmac.Equal(b[idBytes:], n.mac(&id)) && age >= 0 && age <= NonceAge
}

// Use records a request with a nonce and an nc. It returns false if the nonce is not valid or no
// longer, and for a replay: an nc that was used before, or is far behind others. Callers call it
// only for requests with the right response: what others send must not use up the nonces and the
// memory.
func (n *Nonces) Use(nonce string, nc uint32) bool {
	id, ok := n.parse(nonce)
	if !ok || nc == 0 { // the first is 1 (RFC 7616 §3.4)
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.used[id]
	if c == nil {
		n.makeRoom()
		if !id.issued().After(n.floor) {
			return false
		}
		c = &counts{}
		n.used[id] = c
	}
	if nc > c.highest {
		c.seen = c.seen<<(nc-c.highest) | 1
		c.highest = nc
		return true
	}
	behind := c.highest - nc
	if behind >= window || c.seen&(1<<behind) != 0 {
		return false
	}
	c.seen |= 1 << behind
	return true
}

// makeRoom forgets expired nonces and, if there are still too many, the oldest quarter, which are
// not valid from then on.
func (n *Nonces) makeRoom() {
	if len(n.used) < maxNonces {
		return
	}
	expired := n.now().Add(-NonceAge)
	var times []time.Time
	for id := range n.used {
		if issued := id.issued(); issued.Before(expired) {
			delete(n.used, id)
		} else {
			times = append(times, issued)
		}
	}
	if len(times) < maxNonces {
		return
	}
	slices.SortFunc(times, time.Time.Compare)
	n.floor = times[len(times)/4]
	for id := range n.used {
		if !id.issued().After(n.floor) {
			delete(n.used, id)
		}
	}
}
