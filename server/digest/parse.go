package digest

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Credentials are the parameters of an Authorization header (RFC 7616 §3.4).
type Credentials struct {
	Algorithm Algorithm
	// Username is the name, or its UserHash if Hashed is true.
	Username string
	// RawUsername is Username with its backslashes as sent: some clients of Windows do not escape
	// the one in DOMAIN\name.
	RawUsername string
	Hashed      bool
	Realm       string
	Nonce       string
	Count       uint32 // nc
	URI         string

	nc, cnonce, response string
}

const (
	maxBytes  = 8192
	maxParams = 32
)

var (
	errSyntax      = errors.New("the parameters are malformed")
	errMissing     = errors.New("a parameter is missing")
	errUnsupported = errors.New("the algorithm or the qop is not supported")
)

// Parse parses what follows "Digest" in an Authorization header. It requires the qop "auth":
// without it there is no nc, and replays would not be recognized.
func Parse(params string) (*Credentials, error) {
	values, err := parseParams(params)
	if err != nil {
		return nil, err
	}
	c := &Credentials{Realm: values["realm"].text, Nonce: values["nonce"].text, URI: values["uri"].text,
		nc: values["nc"].text, cnonce: values["cnonce"].text, response: values["response"].text}
	for _, required := range []string{"realm", "nonce", "uri", "qop", "nc", "cnonce", "response"} {
		if _, ok := values[required]; !ok {
			return nil, errMissing
		}
	}
	switch algorithm := values["algorithm"].text; {
	case strings.EqualFold(algorithm, "SHA-256"):
		c.Algorithm = SHA256
	case algorithm == "" || strings.EqualFold(algorithm, "MD5"): // "If not present, it is assumed to be MD5"
		c.Algorithm = MD5
	default:
		return nil, errUnsupported
	}
	if !strings.EqualFold(values["qop"].text, "auth") {
		return nil, errUnsupported
	}
	nc, err := strconv.ParseUint(c.nc, 16, 32)
	if err != nil || len(c.nc) != 8 {
		return nil, errSyntax
	}
	c.Count = uint32(nc)
	c.Hashed = strings.EqualFold(values["userhash"].text, "true")
	if err := c.setUsername(values); err != nil {
		return nil, err
	}
	return c, nil
}

// setUsername takes the name from one of username and username* (RFC 7616 §3.4, §4).
func (c *Credentials) setUsername(values map[string]value) error {
	plain, hasPlain := values["username"]
	extended, hasExtended := values["username*"]
	switch {
	case hasPlain == hasExtended || hasExtended && c.Hashed:
		return errMissing
	case hasPlain:
		c.Username, c.RawUsername = plain.text, plain.raw
	default: // RFC 8187 §3.2.1: charset'language'value
		charset, rest, _ := strings.Cut(extended.text, "'")
		_, encoded, ok := strings.Cut(rest, "'")
		name, err := url.PathUnescape(encoded)
		if !ok || err != nil || !strings.EqualFold(charset, "UTF-8") {
			return errSyntax
		}
		c.Username, c.RawUsername = name, name
	}
	if c.Username == "" || !utf8.ValidString(c.Username) {
		return errSyntax
	}
	return nil
}

// value is the value of a parameter: text without quotes and escapes, raw without quotes.
type value struct{ text, raw string }

// parseParams parses a list of parameters (RFC 9110 §11.2, §5.6.1.2). A name must occur once
// (§11.2). Quotes may be missing, or be where there should be none: both are common.
func parseParams(s string) (map[string]value, error) {
	if len(s) > maxBytes || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return nil, errSyntax
	}
	values := make(map[string]value)
	for {
		if s = strings.TrimLeft(s, " \t,"); s == "" {
			return values, nil
		}
		name, rest, ok := strings.Cut(s, "=")
		name = strings.ToLower(strings.TrimRight(name, " \t"))
		if _, twice := values[name]; !ok || !isToken(name) || twice || len(values) == maxParams {
			return nil, errSyntax
		}
		v, rest, ok := parseValue(strings.TrimLeft(rest, " \t"))
		rest = strings.TrimLeft(rest, " \t")
		if !ok || rest != "" && rest[0] != ',' {
			return nil, errSyntax
		}
		values[name], s = v, rest
	}
}

// parseValue parses a quoted-string or a token at the beginning of s and returns what follows.
func parseValue(s string) (v value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, " \t,")
		if end < 0 {
			end = len(s)
		}
		text := s[:end]
		return value{text, text}, s[end:], text != "" && !strings.ContainsRune(text, '"')
	}
	var text strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			return value{text.String(), s[1:i]}, s[i+1:], true
		}
		if c == '\\' {
			if i++; i == len(s) {
				break
			}
			c = s[i]
		}
		text.WriteByte(c)
	}
	return value{}, "", false
}

// isToken reports whether s is a token (RFC 9110 §5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}
