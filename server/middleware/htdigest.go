package middleware

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"dav207/server/digest"
	"dav207/server/password"
)

// digestTable is the parsed file of users for Digest. It is immutable.
type digestTable struct {
	realm   string
	ha1     [digest.Algorithms]map[string]string // by name
	byHash  [digest.Algorithms]map[string]string // names by digest.UserHash
	offered []digest.Algorithm
}

// defaultDigestRealm is the realm of a new file.
const defaultDigestRealm = "dav207"

// parseDigestUsers parses the format of Apache's htdigest: lines of a name, a realm and HA1 in
// hexadecimal digits, with colons between them. The error has the number of the line and no secret.
//
// SHA-256 is offered if each user has it: clients choose the first algorithm that they know, and
// not one for which the server knows the user.
func parseDigestUsers(text []byte) (*digestTable, int, error) {
	t := &digestTable{}
	for a := range digest.Algorithms {
		t.ha1[a], t.byHash[a] = map[string]string{}, map[string]string{}
	}
	names := map[string]bool{}
	err := eachUser(text, func(_ int, name, rest string) error {
		realm, ha1, _ := strings.Cut(rest, ":")
		ha1 = strings.ToLower(ha1)
		sum, err := hex.DecodeString(ha1)
		algorithm := digest.MD5
		switch {
		case err != nil || len(sum) != 16 && len(sum) != 32:
			return fmt.Errorf(`the line of %q has no HA1 of 32 or 64 hexadecimal digits: set it again with "dav207 passwd --digest" or "htdigest"`, name)
		case len(sum) == 32:
			algorithm = digest.SHA256
		}
		if err := checkRealm(realm); err != nil {
			return err
		}
		if t.realm == "" {
			t.realm = realm
		}
		if realm != t.realm {
			return fmt.Errorf("the realm %q is not that of the lines before, %q: a server has one", realm, t.realm)
		}
		if t.ha1[algorithm][name] != "" {
			return fmt.Errorf("the user %q has a line for %v already", name, algorithm)
		}
		names[name] = true
		t.ha1[algorithm][name] = ha1
		t.byHash[algorithm][digest.UserHash(algorithm, name, realm)] = name
		return nil
	})
	if err == nil {
		err = t.setOffered(names)
	}
	if err != nil {
		return nil, 0, err
	}
	return t, len(names), nil
}

// setOffered decides which algorithms are offered to clients.
func (t *digestTable) setOffered(names map[string]bool) error {
	if len(names) == 0 {
		return errNoUsers
	}
	if len(t.ha1[digest.SHA256]) == len(names) {
		t.offered = append(t.offered, digest.SHA256)
	}
	if len(t.ha1[digest.MD5]) > 0 {
		t.offered = append(t.offered, digest.MD5)
	}
	if len(t.ha1[digest.SHA256]) == len(names) {
		return nil
	}
	for name := range names {
		if t.ha1[digest.MD5][name] == "" {
			return fmt.Errorf(`the user %q has a line for SHA-256 alone, and others have one for MD5 alone: set one of them again with "dav207 passwd --digest"`, name)
		}
	}
	return nil
}

// checkRealm returns an error if a realm cannot be sent in a challenge.
func checkRealm(realm string) error {
	if err := checkName(realm); err != nil {
		return errors.New(strings.Replace(err.Error(), "the name", "the realm", 1))
	}
	return nil
}

// find returns the user for the name or the hash of a name that a client sent, and HA1, or "".
func (t *digestTable) find(c *digest.Credentials) (name, ha1 string) {
	if c.Hashed {
		name = t.byHash[c.Algorithm][strings.ToLower(c.Username)]
		return name, t.ha1[c.Algorithm][name]
	}
	for _, name := range []string{c.Username, c.RawUsername, withoutDomain(c.Username), withoutDomain(c.RawUsername)} {
		if ha1 := t.ha1[c.Algorithm][name]; ha1 != "" {
			return name, ha1
		}
	}
	return withoutDomain(c.RawUsername), ""
}

// SetDigestUser returns the file of DigestUsers text with the lines of a user for the password:
// that of SHA-256 and that of MD5. It replaces the lines of the user or appends them, and changes
// nothing else. The realm is that of the file, or "dav207". The error does not contain the
// password.
func SetDigestUser(text []byte, name, secret string) (changed []byte, err error) {
	if err := password.Check(secret); err != nil {
		return nil, err
	}
	realm := defaultDigestRealm
	switch t, _, err := parseDigestUsers(text); {
	case err == nil:
		realm = t.realm
	case err != errNoUsers:
		return nil, fmt.Errorf("the file has other lines than those of users of Digest: %w", err)
	}
	var lines []string
	for a := range digest.Algorithms {
		lines = append(lines, realm+":"+digest.HA1(a, name, realm, secret))
	}
	return setLines(text, name, lines...)
}
