package middleware

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"dav207/server/access"
	"dav207/server/digest"
	"dav207/server/forwarded"
	"dav207/server/multistatus"
	"dav207/server/wire"
)

// AuthOptions are the ways to log in that Authenticate accepts, and its options. With none of them
// every request is refused, or that of a guest.
type AuthOptions struct {
	// Certificates accepts client certificates that TLS has verified (see tls.Config.ClientCAs).
	// The user is the e-mail address among the subject alternative names if there is exactly one,
	// and the common name of the subject if there is none. A certificate without such a name
	// authenticates nobody.
	Certificates bool
	// Header is the name of a header field in which an authenticating proxy puts the name of the
	// user. Only connections from TrustedProxies are believed; from others the field is ignored. It
	// is removed from each request. Default: none.
	Header string
	// DigestUsers log in by Digest (RFC 7616), which does not send the password. Default: none.
	DigestUsers *DigestUsers
	// Users log in by Basic (RFC 7617), which sends the password as it is: use TLS. Default: none.
	Users *Users

	// Guests reports whether a request without credentials is let in, without a user. If the
	// handler answers 403 to one, the client gets 401 instead, unless the handler calls
	// access.KeepForbidden. Wrong credentials are 401. Let in only requests for the server's own
	// hosts: see OwnHosts. Default: none.
	Guests func(*http.Request) bool
	// Groups returns the groups of the user of a request. Default: none.
	Groups func(r *http.Request, name string) []string

	// Realm is shown by clients when they prompt for a password. That of DigestUsers goes before.
	// Default: "WebDAV".
	Realm string
	// SetHeaders sets further headers of a refusal, such as DAV, by which clients recognize a
	// WebDAV server. Default: none.
	SetHeaders func(http.Header)
	// TrustedProxies are the addresses of proxies whose Header has the user, and whose
	// X-Forwarded-For has the address of the client. Default: none.
	TrustedProxies []netip.Prefix
	// Logger logs each wrong password at level Warn. Default: none.
	Logger *slog.Logger
	// OnFailure is called for each wrong password, for metrics. Default: none.
	OnFailure func()
}

// Authenticate finds out the user of each request: by a client certificate, else by the header
// field of a proxy, else by Digest or Basic. It stores the name and the groups in the context
// (access.WithPrincipal). Where there is none it answers 401 with a challenge for each scheme, for
// every method and URL, and where no scheme is configured 403.
//
// A name that is sent with a password is that in the file, without the domain that Windows puts
// before it ("DOMAIN\name"). Every name is UTF-8 without control characters and has at most 255
// bytes.
//
// Authenticate hashes a correct password of Basic once and remembers a keyed digest of it until a
// quarter of an hour after its last use. After some wrong passwords from an address for a user it
// answers 429 with Retry-After, for up to a minute; remembered passwords, and nonces of Digest with
// which the user has logged in, still work. Neither the response nor its time reveals whether a
// user exists.
func Authenticate(opts AuthOptions) func(http.Handler) http.Handler {
	return newAuthenticator(opts).wrap
}

type authenticator struct {
	*verifier
	opts   AuthOptions
	nonces *digest.Nonces
}

func newAuthenticator(o AuthOptions) *authenticator {
	if o.Realm == "" {
		o.Realm = "WebDAV"
	}
	if o.SetHeaders == nil {
		o.SetHeaders = func(http.Header) {}
	}
	if o.Guests == nil {
		o.Guests = func(*http.Request) bool { return false }
	}
	if o.OnFailure == nil {
		o.OnFailure = func() {}
	}
	if o.Groups == nil {
		o.Groups = func(*http.Request, string) []string { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Header = http.CanonicalHeaderKey(o.Header)
	o.TrustedProxies = slices.Clone(o.TrustedProxies)
	a := &authenticator{verifier: newVerifier(o.Users), opts: o}
	// Not the method value: tests replace the clock.
	a.nonces = digest.NewNonces(func() time.Time { return a.now() })
	return a
}

func (a *authenticator) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, refused := a.login(r)
		r = a.withoutHeader(r)
		switch {
		case refused != nil:
			a.refuse(w, r, refused)
		case user == "":
			ctx, kept := access.WithForbidden(r.Context())
			next.ServeHTTP(a.guest(w, r, kept), r.WithContext(ctx))
		default:
			ctx := r.Context()
			if n, ok := ctx.Value(requestInfoKey{}).(*requestInfo); ok {
				n.user = user
			}
			next.ServeHTTP(w, r.WithContext(access.WithPrincipal(ctx, user, a.opts.Groups(r, user)...)))
		}
	})
}

// refusal is an answer to a request that was not authenticated.
type refusal struct {
	status     int
	text       string
	retryAfter int    // in seconds
	stale      bool   // the client may try again without asking its user
	nonce      string // of the challenges, "" for any
}

var errUnauthorized = &refusal{status: http.StatusUnauthorized, text: "A name and a password are needed."}

// login returns the user of a request, "" for a guest.
func (a *authenticator) login(r *http.Request) (user string, refused *refusal) {
	var noName error
	if a.opts.Certificates && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		if user, noName = certificateUser(r.TLS.VerifiedChains[0][0]); noName == nil {
			return user, nil
		}
	}
	if user, refused := a.proxyLogin(r); user != "" || refused != nil {
		return user, refused
	}
	values := r.Header["Authorization"]
	switch {
	case len(values) == 1:
		scheme, params, _ := strings.Cut(strings.TrimSpace(values[0]), " ")
		if strings.EqualFold(scheme, "Digest") {
			return a.digestLogin(r, params)
		}
		return a.basicLogin(r)
	case len(values) > 1:
		return "", errUnauthorized
	case noName != nil:
		return "", &refusal{status: http.StatusUnauthorized, text: "The certificate names no user: " + noName.Error() + "."}
	case a.opts.Guests(r):
		return "", nil
	}
	return "", errUnauthorized
}

// proxyLogin returns the user that a trusted proxy names, or "".
func (a *authenticator) proxyLogin(r *http.Request) (string, *refusal) {
	if a.opts.Header == "" || !forwarded.Trusted(r.RemoteAddr, a.opts.TrustedProxies) {
		return "", nil
	}
	values := r.Header[a.opts.Header]
	switch {
	case len(values) > 1: // one may be from the client
		return "", &refusal{status: http.StatusBadRequest, text: "More than one header field names the user."}
	case len(values) == 0 || values[0] == "":
		return "", nil
	case checkName(values[0]) != nil:
		return "", &refusal{status: http.StatusBadRequest, text: "The header field with the user is malformed: " + checkName(values[0]).Error() + "."}
	}
	return values[0], nil
}

// withoutHeader returns r without the header field of proxies: what follows could believe it, or
// show it.
func (a *authenticator) withoutHeader(r *http.Request) *http.Request {
	if _, ok := r.Header[a.opts.Header]; a.opts.Header == "" || !ok {
		return r
	}
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	r.Header.Del(a.opts.Header)
	return r
}

// certificateUser returns the user of a certificate.
func certificateUser(c *x509.Certificate) (string, error) {
	name := c.Subject.CommonName
	switch len(c.EmailAddresses) {
	case 1:
		name = c.EmailAddresses[0]
	case 0:
		names := 0
		for _, attribute := range c.Subject.Names {
			if attribute.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}) {
				names++
			}
		}
		if names > 1 {
			return "", errors.New("it has more than one common name")
		}
	default:
		return "", errors.New("it has more than one e-mail address")
	}
	return name, checkName(name)
}

// refuse answers a request that was not authenticated.
func (a *authenticator) refuse(w http.ResponseWriter, r *http.Request, f *refusal) {
	status := a.setRefusalHeaders(w.Header(), f)
	refuse(w, r, status, f.text)
}

// setRefusalHeaders sets the headers of a refusal, and returns its status: a 401 has challenges
// (RFC 9110 §15.5.2), so it is a 403 without.
func (a *authenticator) setRefusalHeaders(head http.Header, f *refusal) int {
	a.opts.SetHeaders(head)
	if f.retryAfter > 0 {
		head.Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	if f.status != http.StatusUnauthorized {
		return f.status
	}
	challenges := a.challenges(f)
	if len(challenges) == 0 {
		return http.StatusForbidden
	}
	head["Www-Authenticate"] = challenges
	return f.status
}

// challenges returns those of each scheme, the safest first. Each is in a field of its own: many
// clients cannot parse a list of them.
func (a *authenticator) challenges(f *refusal) []string {
	challenges := a.digestChallenges(f.nonce, f.stale)
	if a.opts.Users != nil {
		realm := a.opts.Realm
		if a.opts.DigestUsers != nil {
			realm = a.opts.DigestUsers.current().realm
		}
		challenges = append(challenges, `Basic realm=`+quote(realm)+`, charset="UTF-8"`)
	}
	return challenges
}

// guest returns the ResponseWriter for a guest.
func (a *authenticator) guest(w http.ResponseWriter, r *http.Request, kept func() bool) http.ResponseWriter {
	if a.opts.Users == nil && a.opts.DigestUsers == nil {
		return w // there is nothing to log in with
	}
	return &guestWriter{ResponseWriter: w, kept: kept, challenge: func() {
		w := wire.Wrap(w, r)
		status := a.setRefusalHeaders(w.Header(), errUnauthorized)
		multistatus.RespondError(w, r, &multistatus.Error{Status: status, Description: errUnauthorized.text})
	}}
}

// logWrong logs and counts a wrong password. It omits a name that is not a user's: it may be a
// password that was typed into the wrong field.
func (a *authenticator) logWrong(r *http.Request, user string) {
	a.opts.OnFailure()
	attrs := []slog.Attr{slog.String("remote", forwarded.Remote(r, a.opts.TrustedProxies))}
	if user != "" {
		attrs = append(attrs, slog.String("user", sanitize(user)))
	}
	a.opts.Logger.LogAttrs(r.Context(), slog.LevelWarn, "wrong name or password", attrs...)
}

// client returns the network that counts as the client of a request.
func (a *authenticator) client(r *http.Request) netip.Prefix {
	return forwarded.Network(forwarded.Client(r, a.opts.TrustedProxies))
}
