// Package digest has the server's side of HTTP Digest Access Authentication (RFC 7616), with
// SHA-256 and MD5 and the quality of protection "auth". It parses the credentials of a request,
// computes what a client should have sent, and makes nonces and recognizes replays. It knows no
// users.
package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
)

// Algorithm is a hash algorithm (RFC 7616 §6.1).
type Algorithm int

// The algorithms, in the order in which a server offers them (RFC 7616 §3.7).
const (
	SHA256 Algorithm = iota
	MD5
	Algorithms // the number of them
)

// String returns the name in the protocol.
func (a Algorithm) String() string {
	if a == SHA256 {
		return "SHA-256"
	}
	return "MD5"
}

// hash returns H of the parts with colons between them, in lower-case hexadecimal digits.
func (a Algorithm) hash(parts ...string) string {
	text := []byte(strings.Join(parts, ":"))
	if a == SHA256 {
		sum := sha256.Sum256(text)
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum(text)
	return hex.EncodeToString(sum[:])
}

// HA1 returns the hash of a user's password (RFC 7616 §3.4.2, A1), which the server keeps. Who has
// it can log in without the password.
func HA1(a Algorithm, user, realm, password string) string { return a.hash(user, realm, password) }

// UserHash returns what a client may send instead of the name (RFC 7616 §3.4.4).
func UserHash(a Algorithm, user, realm string) string { return a.hash(user, realm) }

// Answers reports whether the response is that for a password whose HA1 is ha1, and for a method.
// Its time does not depend on what differs.
func (c *Credentials) Answers(ha1, method string) bool {
	a := c.Algorithm
	want := a.hash(ha1, c.Nonce, c.nc, c.cnonce, "auth", a.hash(method, c.URI))
	return subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(c.response))) == 1
}

// IsFor reports whether the credentials are for the target of r: "the server MUST assure that the
// resource designated by the 'uri' parameter is the same as the resource specified in the
// Request-Line" (RFC 7616 §3.4.6).
//
// Besides the request-target itself it accepts what clients are known to send for it: the
// effective request URI (§3.4, "http://host/path") where the target is a path, and the reverse; a
// path whose characters are escaped in another way; and a target without its query, as old
// versions of Windows and .NET do.
func (c *Credentials) IsFor(r *http.Request) bool {
	if c.URI == r.RequestURI {
		return true
	}
	path, query, _ := strings.Cut(originForm(r.RequestURI, r.Host), "?")
	sentPath, sentQuery, hasQuery := strings.Cut(originForm(c.URI, r.Host), "?")
	if hasQuery && sentQuery != query {
		return false
	}
	return path == sentPath || unescape(path) == unescape(sentPath)
}

// originForm returns the path and the query of a target that is a URL with that host (RFC 9112
// §3.2.1). It returns any other target as it is.
func originForm(target, host string) string {
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return target
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if host == "" || !strings.EqualFold(rest[:end], host) {
		return target
	}
	if rest = rest[end:]; !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return rest
}

// unescape returns a path without percent-encoding. It returns a path that cannot be decoded, or
// with an encoded slash, as it is: with that decoded it would be another.
func unescape(path string) string {
	decoded, err := url.PathUnescape(path)
	if err != nil || strings.Count(decoded, "/") != strings.Count(path, "/") {
		return path
	}
	return decoded
}
