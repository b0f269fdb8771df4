package middleware

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"dav207/server/password"
)

// Bounds of the file of users.
const (
	maxUsersFile = 16 << 20
	maxName      = 255
)

// table is the parsed file of users. It is immutable.
type table struct {
	hashes map[string]password.Hash // by name
	work   password.Work
}

// parseUsers parses the format of Apache's htpasswd: lines of a name, a colon and a hash. The error
// has the number of the line and no secret: at most the name of a user.
func parseUsers(text []byte) (*table, int, error) {
	t := &table{hashes: make(map[string]password.Hash)}
	lines := make(map[string]int)
	err := eachUser(text, func(number int, name, rest string) error {
		if before := lines[name]; before != 0 {
			return fmt.Errorf("the user %q is already on line %d", name, before)
		}
		hash, err := password.Parse(rest)
		if err != nil {
			return fmt.Errorf("the password of %q %w", name, err)
		}
		t.hashes[name], lines[name] = hash, number
		t.work.Add(hash)
		return nil
	})
	if err == nil && len(t.hashes) == 0 {
		err = errNoUsers
	}
	if err != nil {
		return nil, 0, err
	}
	return t, len(t.hashes), nil
}

// eachUser calls add for each line of a file of users: a name, a colon and the rest. It skips empty
// lines and those that begin with "#". Its errors have the number of the line.
func eachUser(text []byte, add func(number int, name, rest string) error) error {
	number := 0
	for line := range strings.Lines(string(bytes.TrimPrefix(text, []byte(utf8BOM)))) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, ok := strings.Cut(line, ":")
		err := errors.New("it is not a name, a colon and a hash")
		if ok {
			err = checkFileName(name)
		}
		if err == nil {
			err = add(number, name, strings.TrimRight(rest, " \t"))
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return nil
}

const utf8BOM = "\ufeff" // some editors write it

var errNoUsers = errors.New("the file has no users")

// find returns the user for the name that a client sent, and the hash, or none. If no user has the
// whole name it removes the domain that Windows puts before it. It compares bytes and does not
// normalize Unicode.
func (t *table) find(sent string) (name string, hash password.Hash) {
	if hash, ok := t.hashes[sent]; ok {
		return sent, hash
	}
	sent = withoutDomain(sent)
	return sent, t.hashes[sent]
}

// withoutDomain removes the domain that Windows puts before a name ("DOMAIN\name").
func withoutDomain(name string) string {
	if _, rest, ok := strings.Cut(name, `\`); ok {
		return rest
	}
	return name
}

// checkName returns an error if name cannot be that of a user, wherever it comes from.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name has more than %d bytes", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("the name is not UTF-8 without control characters")
	}
	return nil
}

// checkFileName returns an error if name cannot be that of a user in a file (RFC 7617 §2).
func checkFileName(name string) error {
	switch {
	case strings.HasPrefix(name, "#"):
		return errors.New("a name cannot begin with #")
	case strings.Contains(name, ":"):
		return errors.New("a name cannot hold a colon")
	}
	return checkName(name)
}

// HashPassword returns the bcrypt hash for the line of a user. The password must be UTF-8 without
// control characters (RFC 7617 §2), of at most 72 bytes, which is the limit of bcrypt. The error
// can be shown to the user and does not contain the password.
func HashPassword(text string) (string, error) { return password.New(text) }

// SetUser returns the file of users text with the hash for the user: it replaces the user's line or
// appends one, and changes nothing else. It returns an error if the name is not valid, or if text
// is a file of DigestUsers.
func SetUser(text []byte, name, hash string) (changed []byte, err error) {
	if _, _, err := parseDigestUsers(text); err == nil {
		return nil, errors.New("the file has the users of Digest: use another one, or --digest")
	}
	return setLines(text, name, hash)
}

// setLines replaces the lines of a user, or appends them.
func setLines(text []byte, name string, rests ...string) (changed []byte, err error) {
	if err := checkFileName(name); err != nil {
		return nil, err
	}
	var out strings.Builder
	rest := string(text)
	if after, ok := strings.CutPrefix(rest, utf8BOM); ok {
		out.WriteString(utf8BOM)
		rest = after
	}
	end, done := "\n", false
	add := func() {
		for _, rest := range rests {
			out.WriteString(name + ":" + rest + end)
		}
		done = true
	}
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
			add()
		}
	}
	if !done {
		add()
	}
	return []byte(out.String()), nil
}
