package middleware

import (
	"net/http"
	"net/netip"
	"strings"

	"dav207/server/digest"
)

// digestLogin returns the user of Digest credentials (RFC 7616), without the scheme.
func (a *authenticator) digestLogin(r *http.Request, params string) (string, *refusal) {
	if a.opts.DigestUsers == nil {
		return "", errUnauthorized
	}
	c, err := digest.Parse(params)
	if err != nil {
		return "", &refusal{status: http.StatusUnauthorized, text: "The Digest credentials cannot be used: " + err.Error() + "."}
	}
	if !c.IsFor(r) { // "the server SHOULD return a 400" (RFC 7616 §3.4.6)
		return "", &refusal{status: http.StatusBadRequest, text: "The uri of the Digest credentials is not the target of the request."}
	}
	t := a.opts.DigestUsers.current()
	if c.Realm != t.realm {
		return "", errUnauthorized
	}
	name, ha1 := t.find(c)
	s := a.session(a.client(r), name, ha1, c.Nonce)
	v := a.check(s, func() bool {
		right := c.Answers(ha1, r.Method) // computed for an unknown user, too, for the time that it takes
		return right && ha1 != ""
	})
	user, refused := a.outcome(r, v)
	if refused != nil {
		return "", refused
	}
	if a.nonces.Use(c.Nonce, c.Count) {
		a.succeed(s)
		return user, nil
	}
	// The password is right, and the client need not ask for it again (RFC 7616 §3.3, stale).
	next := a.nonces.New()
	a.renew(s, a.session(netip.Prefix{}, name, ha1, next).secret)
	return "", &refusal{status: http.StatusUnauthorized, text: "The nonce is too old, or was used for another request.", stale: true, nonce: next}
}

// session returns the session of a user with a nonce. ha1 is "" if there is no such user.
func (a *authenticator) session(from netip.Prefix, name, ha1, nonce string) session {
	s := session{from: a.mac("from", from.String(), name), secret: a.mac("nonce", name, ha1, nonce)}
	if ha1 != "" {
		s.user = name
	}
	return s
}

// digestChallenges returns a challenge for each algorithm, the best first (RFC 7616 §3.7).
func (a *authenticator) digestChallenges(nonce string, stale bool) []string {
	if a.opts.DigestUsers == nil {
		return nil
	}
	if nonce == "" {
		nonce = a.nonces.New()
	}
	t := a.opts.DigestUsers.current()
	var challenges []string
	for _, algorithm := range t.offered {
		challenge := `Digest realm=` + quote(t.realm) + `, qop="auth", algorithm=` + algorithm.String() + `, nonce="` + nonce + `", charset=UTF-8`
		if algorithm != digest.MD5 { // older clients have MD5 and may not expect this
			challenge += ", userhash=true"
		}
		if stale {
			challenge += ", stale=true"
		}
		challenges = append(challenges, challenge)
	}
	return challenges
}

// quote returns s as a quoted-string (RFC 9110 §5.6.4).
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
