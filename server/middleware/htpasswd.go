package middleware

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// Bounds of the file of users.
const (
	maxUsersFile = 16 << 20
	maxName      = 255
	maxPassword  = 72 // the limit of bcrypt
	maxCost      = 16 // some seconds for each password; each step doubles it
)

// newCost is the cost of new hashes: a fraction of a second, once while a password is remembered.
const newCost = 12

// table is the parsed file of users. It is immutable.
type table struct {
	hashes map[string]string // by name
	cost   int               // the highest of the hashes
}

var bcryptHash = regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

// parseUsers parses the format of Apache's htpasswd: lines of a name, a colon and a hash. It skips
// empty lines and those that begin with "#". The error has the number of the line and no secret: at
// most the name of a user.
func parseUsers(text []byte) (*table, error) {
	t := &table{hashes: make(map[string]string)}
	lines := make(map[string]int)
	number := 0
	for line := range strings.Lines(string(bytes.TrimPrefix(text, []byte(utf8BOM)))) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("line %d is not a name, a colon and a hash", number)
		}
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if before := lines[name]; before != 0 {
			return nil, fmt.Errorf("line %d: the user %q is already on line %d", number, name, before)
		}
		hash = strings.TrimRight(hash, " \t")
		if !bcryptHash.MatchString(hash) {
			return nil, fmt.Errorf("line %d: the password of %q is %s: only bcrypt is supported", number, name, hashScheme(hash))
		}
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil || cost < bcrypt.MinCost || cost > maxCost {
			return nil, fmt.Errorf("line %d: the hash of %q has the cost %s, which is not from %02d to %d", number, name, hash[4:6], bcrypt.MinCost, maxCost)
		}
		t.hashes[name], lines[name] = hash, number
		t.cost = max(t.cost, cost)
	}
	if len(t.hashes) == 0 {
		return nil, errNoUsers
	}
	return t, nil
}

const utf8BOM = "\ufeff" // some editors write it

var errNoUsers = errors.New("the file has no users")

// schemes are the hashes of htpasswd and crypt(3) that are not accepted.
var schemes = []struct{ prefix, name string }{
	{"$2", "a malformed bcrypt hash"},
	{"$apr1$", "hashed with Apache's MD5"},
	{"$1$", "hashed with MD5"},
	{"{SHA}", "hashed with SHA-1"},
	{"{SSHA}", "hashed with SHA-1"},
	{"$5$", "hashed with SHA-256"},
	{"$6$", "hashed with SHA-512"},
	{"$y$", "hashed with yescrypt"},
	{"$argon2", "hashed with Argon2"},
}

func hashScheme(hash string) string {
	for _, s := range schemes {
		if strings.HasPrefix(hash, s.prefix) {
			return s.name
		}
	}
	return "not hashed, or by an unknown method"
}

// find returns the user for the name that a client sent, and the hash or "". If no user has the
// whole name it removes the domain that Windows puts before it. It compares bytes and does not
// normalize Unicode.
func (t *table) find(sent string) (name, hash string) {
	if hash := t.hashes[sent]; hash != "" {
		return sent, hash
	}
	if _, rest, ok := strings.Cut(sent, `\`); ok {
		sent = rest
	}
	return sent, t.hashes[sent]
}

// checkName returns an error if name is not valid for a user (RFC 7617 §2).
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name has more than %d bytes", maxName)
	case strings.HasPrefix(name, "#"):
		return errors.New("a name cannot begin with #")
	case strings.Contains(name, ":"):
		return errors.New("a name cannot hold a colon")
	case !printable(name):
		return errors.New("the name is not UTF-8 without control characters")
	}
	return nil
}

// printable reports whether a name or a password may be sent: they "MUST NOT contain any control
// characters" (RFC 7617 §2).
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// HashPassword returns the bcrypt hash for the line of a user. The password must be UTF-8 without
// control characters (RFC 7617 §2), of at most 72 bytes, which is the limit of bcrypt. The error
// can be shown to the user and does not contain the password.
func HashPassword(password string) (string, error) {
	switch {
	case password == "":
		return "", errors.New("the password is empty")
	case len(password) > maxPassword:
		return "", fmt.Errorf("the password has more than %d bytes", maxPassword)
	case !printable(password):
		return "", errors.New("the password is not UTF-8 without control characters")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), newCost)
	return string(hash), err
}

// SetUser returns the file of users text with the hash for the user: it replaces the user's line or
// appends one, and changes nothing else. It returns an error if the name is not valid.
func SetUser(text []byte, name, hash string) (changed []byte, err error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	var out strings.Builder
	rest := string(text)
	if after, ok := strings.CutPrefix(rest, utf8BOM); ok {
		out.WriteString(utf8BOM)
		rest = after
	}
	end, done := "\n", false
	for line := range strings.Lines(rest) {
		if strings.HasSuffix(line, "\r\n") {
			end = "\r\n"
		}
		if !strings.HasPrefix(line, name+":") {
			out.WriteString(line)
			if !strings.HasSuffix(line, "\n") {
				out.WriteString(end)
			}
			continue
		}
		if !done {
			out.WriteString(name + ":" + hash + end)
			done = true
		}
	}
	if !done {
		out.WriteString(name + ":" + hash + end)
	}
	return []byte(out.String()), nil
}
