package middleware

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// basicLogin returns the user of Basic credentials (RFC 7617), in UTF-8.
func (a *authenticator) basicLogin(r *http.Request) (string, *refusal) {
	sent, password, ok := basicCredentials(r.Header.Get("Authorization"))
	if !ok || a.opts.Users == nil {
		return "", errUnauthorized
	}
	v, err := a.verify(r.Context(), a.client(r), sent, password)
	if err != nil { // the connection is lost, or the server shuts down
		return "", &refusal{status: http.StatusBadRequest, text: "The connection ended before the password was checked."}
	}
	return a.outcome(r, v)
}

// outcome returns the user, or the refusal, for the result of a login by name and password. It logs
// each wrong password.
func (a *authenticator) outcome(r *http.Request, v result) (string, *refusal) {
	switch {
	case v.wait > 0:
		return "", &refusal{status: http.StatusTooManyRequests, text: "Too many passwords were tried. Try again later.",
			retryAfter: int((v.wait + time.Second - 1) / time.Second)}
	case !v.ok:
		if v.newFailure {
			a.logWrong(r, v.user)
		}
		return "", &refusal{status: http.StatusUnauthorized, text: "The name or the password is wrong."}
	}
	return v.user, nil
}

// basicCredentials returns the name and the password in a header.
func basicCredentials(header string) (name, password string, ok bool) {
	// Any number of spaces may precede the credentials (RFC 9110 §11.4); Request.BasicAuth accepts
	// one.
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	both, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(both), ":")
}
