package inspect

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const mask = "***"

// secretName matches the names of header fields, of parameters and of members of JSON that have
// credentials: those of the RFCs, and what vendors call theirs.
var secretName = regexp.MustCompile(`(?i)\bauth(?:\b|ori[sz]|enti)|cookie|token|secret|passw|\bpwd\b|api[-_]?key|` +
	`(?:subscription|access|functions)[-_]key|signature|session|credential`)

// isSecret reports whether a header field has credentials, or a parameter of a URL.
func isSecret(name string) bool {
	lower := strings.ToLower(name)
	switch {
	case lower == "lock-token", lower == "www-authenticate", lower == "proxy-authenticate",
		strings.HasPrefix(lower, "access-control-"), strings.HasSuffix(lower, "skiptoken"): // OData's pages
		return false
	}
	return secretName.MatchString(name)
}

var (
	// parameter matches a parameter of a URL, or of a form.
	parameter = regexp.MustCompile(`([?&#;]|^)([^=?&#;/]*)=([^&#;]*)`)
	// member matches a member of an object in JSON whose value is a string.
	member = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"(\s*:\s*)"(?:[^"\\]|\\.)*"`)
)

// MaskURL returns a URL without its user and without what grants access in its query. It masks what
// is before the last "@" of one that cannot be parsed.
func MaskURL(s string) string {
	u, err := url.Parse(s)
	switch i := strings.LastIndexByte(s, '@'); {
	case err == nil && u.User != nil:
		u.User = nil
		s = u.String()
	case i >= 0 && (err != nil || u.Opaque != "" || u.Host != "" && strings.Contains(u.Host, "@")):
		scheme, _, ok := strings.Cut(s[:i], "://")
		if ok {
			scheme += "://"
		} else {
			scheme = ""
		}
		s = scheme + mask + s[i:]
	}
	return maskParameters(s)
}

// maskParameters masks what grants access in the query of a URL, or in a form.
func maskParameters(s string) string {
	return parameter.ReplaceAllStringFunc(s, func(one string) string {
		m := parameter.FindStringSubmatch(one)
		name, err := url.QueryUnescape(m[2])
		if err != nil {
			name = m[2]
		}
		switch strings.ToLower(name) {
		case "key", "sig", "sid", "code":
		default:
			if !isSecret(name) {
				return one
			}
		}
		return m[1] + m[2] + "=" + mask
	})
}

// maskBody masks the credentials of a body in JSON, such as a batch, or of a form.
func maskBody(body []byte, contentType string) []byte {
	if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		return []byte(maskParameters(string(body)))
	}
	if !strings.Contains(contentType, "json") && !strings.HasPrefix(strings.TrimLeft(string(body[:min(len(body), 100)]), " \t\r\n"), "{") {
		return body
	}
	return member.ReplaceAllFunc(body, func(one []byte) []byte {
		m := member.FindSubmatch(one)
		if !isSecret(string(m[1])) {
			return one
		}
		return []byte(`"` + string(m[1]) + `"` + string(m[2]) + `"` + mask + `"`)
	})
}

// Masked returns the exchange without credentials: in header fields only their scheme is left.
func (x *Exchange) Masked() *Exchange {
	m := *x
	m.RequestHeader, m.Header = maskHeader(x.RequestHeader), maskHeader(x.Header)
	m.RequestBody = maskBody(x.RequestBody, x.RequestHeader.Get("Content-Type"))
	if x.URL != nil {
		if u, err := url.Parse(MaskURL(x.URL.String())); err == nil {
			m.URL = u
		}
	}
	m.Redirects = nil
	for _, r := range x.Redirects {
		m.Redirects = append(m.Redirects, r.Masked())
	}
	return &m
}

func maskHeader(h http.Header) http.Header {
	if h == nil {
		return nil
	}
	m := make(http.Header, len(h))
	for name, values := range h {
		values = slices.Clone(values)
		for i, v := range values {
			switch {
			case name == "Location" || name == "Destination" || name == "Content-Location" || name == "Referer":
				values[i] = MaskURL(v)
			case !isSecret(name):
			case name == "Authorization" || name == "Proxy-Authorization":
				values[i] = maskAuthorization(v)
			default:
				values[i] = mask
			}
		}
		m[name] = values
	}
	return m
}

// maskAuthorization returns the scheme, and for Basic the name of the user.
func maskAuthorization(v string) string {
	scheme, rest, ok := strings.Cut(v, " ")
	if !ok {
		return mask
	}
	if user, _, ok := basic(rest); ok && strings.EqualFold(scheme, "Basic") {
		return scheme + " " + user + ":" + mask
	}
	return scheme + " " + mask
}

// basic decodes the credentials of Basic.
func basic(s string) (user, password string, ok bool) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(b), ":")
}
