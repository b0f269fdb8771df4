package middleware

import (
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"dav207/server/access"
	"dav207/server/forwarded"
)

// BasicOptions are the options of Basic. The zero value and a nil pointer have all the defaults.
type BasicOptions struct {
	// Realm is shown by clients when they prompt for a password. Default: "WebDAV".
	Realm string
	// SetHeaders sets further headers of a 401 and a 429, such as DAV, by which clients recognize a
	// WebDAV server. Default: none.
	SetHeaders func(http.Header)
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For or Forwarded has the
	// address of the client. Default: none.
	TrustedProxies []netip.Prefix
	// Logger logs each wrong password at level Warn. Default: none.
	Logger *slog.Logger
	// OnFailure is called for each wrong password, for metrics. Default: none.
	OnFailure func()
}

// Basic requires the name and the password of a user (RFC 7617), in UTF-8. It answers 401 to
// requests without them, for every method and URL. It stores the name as in the file in the context
// (access.WithPrincipal), without the domain that Windows puts before it ("DOMAIN\name").
//
// Basic hashes a correct password once and remembers a keyed digest of it until a quarter of an
// hour after its last use. After some wrong passwords from an address for a user it answers 429
// with Retry-After, for up to a minute; remembered passwords still work. Neither the response nor
// its time reveals whether a user exists.
//
// Basic does not encrypt: use TLS.
func Basic(users *Users, opts *BasicOptions) func(http.Handler) http.Handler {
	return newBasic(users, opts).wrap
}

type basic struct {
	*verifier
	challenge  string
	setHeaders func(http.Header)
	trusted    []netip.Prefix
	log        *slog.Logger
	onFailure  func()
}

func newBasic(users *Users, opts *BasicOptions) *basic {
	var o BasicOptions
	if opts != nil {
		o = *opts
	}
	if o.Realm == "" {
		o.Realm = "WebDAV"
	}
	if o.SetHeaders == nil {
		o.SetHeaders = func(http.Header) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnFailure == nil {
		o.OnFailure = func() {}
	}
	return &basic{
		verifier:   newVerifier(users),
		challenge:  `Basic realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(o.Realm) + `", charset="UTF-8"`,
		setHeaders: o.SetHeaders,
		trusted:    slices.Clone(o.TrustedProxies),
		log:        o.Logger,
		onFailure:  o.OnFailure,
	}
}

func (b *basic) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		sent, password, ok := credentials(r)
		if !ok {
			b.unauthorized(w, r, "A name and a password are needed.")
			return
		}
		addr := forwarded.Client(r, b.trusted)
		v, err := b.verify(ctx, clientPrefix(addr), sent, password)
		switch {
		case err != nil: // the connection is lost, or the server shuts down
			refuse(w, r, http.StatusBadRequest, "The connection ended before the password was checked.")
		case v.wait > 0:
			b.setHeaders(w.Header())
			w.Header().Set("Retry-After", strconv.Itoa(int((v.wait+time.Second-1)/time.Second)))
			refuse(w, r, http.StatusTooManyRequests, "Too many passwords were tried. Try again later.")
		case !v.ok:
			if v.newFailure {
				b.logWrong(r, v.user)
				b.onFailure()
			}
			b.unauthorized(w, r, "The name or the password is wrong.")
		default:
			if n, ok := ctx.Value(requestInfoKey{}).(*requestInfo); ok {
				n.user = v.user
			}
			next.ServeHTTP(w, r.WithContext(access.WithPrincipal(ctx, v.user)))
		}
	})
}

// credentials returns the name and the password of a request with exactly one Authorization header.
func credentials(r *http.Request) (name, password string, ok bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", "", false
	}
	// Any number of spaces may precede the credentials (RFC 9110 §11.4); BasicAuth accepts one.
	scheme, rest, _ := strings.Cut(strings.TrimSpace(values[0]), " ")
	one := http.Request{Header: http.Header{"Authorization": {scheme + " " + strings.TrimSpace(rest)}}}
	return one.BasicAuth()
}

// unauthorized answers 401 with a challenge (RFC 9110 §15.5.2).
func (b *basic) unauthorized(w http.ResponseWriter, r *http.Request, text string) {
	b.setHeaders(w.Header())
	w.Header().Set("WWW-Authenticate", b.challenge)
	refuse(w, r, http.StatusUnauthorized, text)
}

// logWrong logs a wrong password. It omits a name that is not a user's: it may be a password that
// was typed into the wrong field.
func (b *basic) logWrong(r *http.Request, user string) {
	attrs := []slog.Attr{slog.String("remote", forwarded.Remote(r, b.trusted))}
	if user != "" {
		attrs = append(attrs, slog.String("user", sanitize(user)))
	}
	b.log.LogAttrs(r.Context(), slog.LevelWarn, "wrong name or password", attrs...)
}

// clientPrefix returns the network that counts as one client: the address, with IPv6 its /64. It
// returns the zero Prefix if addr is not valid, as with a Unix socket.
func clientPrefix(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
