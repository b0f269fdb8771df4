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

// isSecret reports whether a header field has credentials. name is canonical.
func isSecret(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "X-Auth-Token":
		return true
	}
	return false
}

// secretParameter matches parameters of URLs that have credentials.
var secretParameter = regexp.MustCompile(`(?i)([?&](?:access_token|api_?key|auth|password|secret|sig|signature|token|x-amz-signature|x-amz-credential)=)[^&#]*`)

// maskURL returns a URL without its user and without what grants access in its query.
func maskURL(s string) string {
	if u, err := url.Parse(s); err == nil && u.User != nil {
		u.User = nil
		s = u.String()
	}
	return secretParameter.ReplaceAllString(s, "${1}"+mask)
}

// Masked returns the exchange without credentials: in header fields only their scheme is left.
func (x *Exchange) Masked() *Exchange {
	m := *x
	m.RequestHeader, m.Header = maskHeader(x.RequestHeader), maskHeader(x.Header)
	if x.URL != nil {
		if u, err := url.Parse(maskURL(x.URL.String())); err == nil {
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
				values[i] = maskURL(v)
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
