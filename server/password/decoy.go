package password

import (
	"fmt"
	"strings"
)

// Work is how long the comparison with any hash of a set takes: the highest cost of each scheme.
type Work [schemes]int

// Add adds a hash to the set.
func (w *Work) Add(h Hash) {
	w[h.scheme] = max(w[h.scheme], h.cost, 1)
}

// Decoys returns hashes that match nothing, to be compared after a hash of the set, or none (for an
// unknown user), did not match. The comparisons with the hash and with its decoys are the same work
// for every hash and for none, so that the time does not reveal which users exist: for each scheme
// in the set the work of its most expensive hash.
//
// bcrypt's work doubles with each step of the cost, so the work of all lower costs adds up to the
// difference. The rounds of SHA-256 and SHA-512 add up by themselves. A hash has at least minRounds
// of them, so the sum has those on top of the highest.
func (w Work) Decoys(h Hash) []Hash {
	var decoys []Hash
	for i, highest := range w {
		s := scheme(i)
		own := h.text != "" && h.scheme == s
		switch {
		case highest == 0 || own && s == schemeAPR1:
		case own && s == schemeBcrypt:
			for cost := h.cost; cost < highest; cost++ {
				decoys = append(decoys, decoy(s, cost))
			}
		case own:
			decoys = append(decoys, decoy(s, highest+minRounds-h.cost))
		case s == schemeSHA512 || s == schemeSHA256:
			decoys = append(decoys, decoy(s, highest+minRounds))
		default:
			decoys = append(decoys, decoy(s, highest))
		}
	}
	return decoys
}

// decoy returns a valid hash that matches no password.
func decoy(s scheme, cost int) Hash {
	h := Hash{scheme: s, cost: cost}
	switch s {
	case schemeBcrypt:
		h.text = fmt.Sprintf("$2a$%02d$%s", cost, strings.Repeat("e", 53))
	case schemeSHA512:
		h.text = fmt.Sprintf("$6$rounds=%d$%s$%s", cost, decoySalt, strings.Repeat("e", 86))
	case schemeSHA256:
		h.text = fmt.Sprintf("$5$rounds=%d$%s$%s", cost, decoySalt, strings.Repeat("e", 43))
	default:
		h.text = fmt.Sprintf("$apr1$%s$%s", decoySalt[:8], strings.Repeat("e", 22))
	}
	return h
}

// decoySalt has the length of the salts that htpasswd makes.
const decoySalt = "eeeeeeeeeeeeeeee"
