// Package password verifies the hashes of passwords that Apache's htpasswd writes: bcrypt, MD5
// (apr1), and SHA-256 and SHA-512 of crypt(3). It refuses what is not a slow hash, and hashes whose
// cost is above a bound, so that no line of a file can stop a server.
package password

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tg123/go-htpasswd"
	"golang.org/x/crypto/bcrypt"
)

const (
	// MaxBytes is the length of the longest password. It is that of bcrypt, for every scheme, so
	// that the scheme of a user does not decide whether a password is hashed at all.
	MaxBytes = 72

	maxCost   = 16      // of bcrypt: some seconds; each step doubles it
	maxRounds = 1000000 // of SHA-256 and SHA-512: about a second
	minRounds = 1000    // crypt(3) hashes with these if a hash has fewer

	defaultRounds = 5000 // of a hash that does not say
)

// newCost is the cost of new hashes: a fraction of a second.
const newCost = 12

// scheme is a kind of hash.
type scheme int

const (
	schemeBcrypt scheme = iota
	schemeSHA512
	schemeSHA256
	schemeAPR1
	schemes // the number of them
)

// Hash is the hash of a password. The zero Hash is none: it matches no password.
type Hash struct {
	text   string
	scheme scheme
	cost   int // the exponent of bcrypt, or rounds
}

// formats are regular expressions that match whole hashes. A submatch is the cost.
var formats = [schemes]*regexp.Regexp{
	schemeBcrypt: regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`),
	schemeSHA512: regexp.MustCompile(`^\$6\$(?:rounds=([0-9]+)\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}$`),
	schemeSHA256: regexp.MustCompile(`^\$5\$(?:rounds=([0-9]+)\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43}$`),
	schemeAPR1:   regexp.MustCompile(`^\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}$`),
}

// Parse returns a hash. The error says of which kind the text is and what to do, and does not
// contain the text, which may be a password.
func Parse(text string) (Hash, error) {
	for s, format := range formats {
		m := format.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		h := Hash{text: text, scheme: scheme(s)}
		least, most, what := minRounds, maxRounds, "rounds"
		switch h.scheme {
		case schemeAPR1:
			return h, nil
		case schemeBcrypt:
			least, most, what = bcrypt.MinCost, maxCost, "cost"
		}
		var err error
		if h.cost = defaultRounds; m[1] != "" {
			h.cost, err = strconv.Atoi(m[1])
		}
		// crypt(3) does not write leading zeros, and would not find its own hash again.
		if err != nil || h.cost < least || h.cost > most || what == "rounds" && strings.HasPrefix(m[1], "0") {
			return Hash{}, fmt.Errorf("is hashed with the %s %s, which is not from %d to %d: %s", what, m[1], least, most, remedy)
		}
		return h, nil
	}
	return Hash{}, fmt.Errorf("is %s: %s", kindOf(text), remedy)
}

// remedy says what to do about a hash that is refused.
const remedy = "set it again, with bcrypt"

// refused are the beginnings of what other programs write.
var refused = []struct{ prefix, kind string }{
	{"$2", "a malformed bcrypt hash"},
	{"$apr1$", "a malformed hash of Apache's MD5"},
	{"$5$", "a malformed SHA-256 hash"},
	{"$6$", "a malformed SHA-512 hash"},
	{"$1$", "hashed with MD5, which is not supported"},
	{"{SHA}", "hashed with SHA-1, which is too fast to be safe"},
	{"{SSHA}", "hashed with SHA-1, which is too fast to be safe"},
	{"$y$", "hashed with yescrypt, which is not supported"},
	{"$argon2", "hashed with Argon2, which is not supported"},
}

var desHash = regexp.MustCompile(`^[./A-Za-z0-9]{13}$`)

// kindOf returns what a text is that is not accepted.
func kindOf(text string) string {
	for _, r := range refused {
		if strings.HasPrefix(text, r.prefix) {
			return r.kind
		}
	}
	if desHash.MatchString(text) {
		return "not hashed, or with DES, which is not safe"
	}
	return "not hashed, or by an unknown method"
}

// String returns the hash as in the file, "" for none.
func (h Hash) String() string { return h.text }

// Matches reports whether h is the hash of a password. The time of a comparison does not depend on
// what differs. It does not match a password with a NUL or of more than MaxBytes.
func (h Hash) Matches(password string) bool {
	if h.text == "" || len(password) > MaxBytes || strings.IndexByte(password, 0) >= 0 {
		return false
	}
	var encoded htpasswd.EncodedPasswd
	var err error
	switch h.scheme {
	case schemeBcrypt:
		return bcrypt.CompareHashAndPassword([]byte(h.text), []byte(password)) == nil
	case schemeAPR1:
		encoded, err = htpasswd.AcceptMd5(h.text)
	default:
		encoded, err = htpasswd.AcceptCryptSha(h.text)
	}
	return err == nil && encoded.MatchesPassword(password)
}

// New returns the bcrypt hash of a password. The error can be shown to the user and does not
// contain the password.
func New(password string) (string, error) {
	if err := Check(password); err != nil {
		return "", err
	}
	if len(password) > MaxBytes {
		return "", fmt.Errorf("the password has more than %d bytes", MaxBytes)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), newCost)
	return string(hash), err
}

// Check returns an error if a new password is empty or cannot be sent: it must be UTF-8 without
// control characters (RFC 7617 §2, RFC 7616 §4). The error does not contain the password.
func Check(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return errors.New("the password is not UTF-8 without control characters")
	}
	return nil
}
