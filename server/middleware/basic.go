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

// BasicOptions are the choices of Basic. The zero value, and a nil pointer, have all the defaults.
type BasicOptions struct {
	// Realm is what clients show to those who are to give a password. Default: "WebDAV".
	Realm string
	// Announce sets the headers that a refusal has besides: those by which clients know what kind of server this is.
	// Default: none.
	Announce func(http.Header)
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For says who tries passwords. Default: none.
	TrustedProxies []netip.Prefix
	// Logger gets a line for each wrong password, at level Warn. Default: none.
	Logger *slog.Logger
}

// Basic lets in those who send the name and the password of a user (RFC 7617), in UTF-8; all others hear 401, whatever the
// method and the URL. The name goes into the context (access.WithPrincipal), as it stands in the file: the domain that
// Windows puts in front of it ("DOMAIN\name") does not.
//
// A good password is hashed once and remembered for a quarter of an hour after its last use, as a keyed digest. Who has sent
// some wrong ones for a user has to wait, for up to a minute: 429 with Retry-After. That goes by address and user, and does not
// concern those who are remembered. Whether there is a user cannot be told from the answer, nor from the time it takes.
//
// Basic does not encrypt: without TLS the password can be read on the way.
func Basic(users *Users, opts *BasicOptions) func(http.Handler) http.Handler {
	return newBasic(users, opts).wrap
}

type basic struct {
	*verifier
	challenge string
	announce  func(http.Header)
	trusted   []netip.Prefix
	log       *slog.Logger
}

func newBasic(users *Users, opts *BasicOptions) *basic {
	var o BasicOptions
	if opts != nil {
		o = *opts
	}
	if o.Realm == "" {
		o.Realm = "WebDAV"
	}
	if o.Announce == nil {
		o.Announce = func(http.Header) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &basic{
		verifier:  newVerifier(users),
		challenge: `Basic realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(o.Realm) + `", charset="UTF-8"`,
		announce:  o.Announce,
		trusted:   slices.Clone(o.TrustedProxies),
		log:       o.Logger,
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
		v, err := b.verify(ctx, oneClient(addr), sent, password)
		switch {
		case err != nil: // the client is gone, or the server ends
			refuse(w, r, http.StatusBadRequest, "The connection ended before the password was checked.")
		case v.wait > 0:
			b.announce(w.Header())
			w.Header().Set("Retry-After", strconv.Itoa(int((v.wait+time.Second-1)/time.Second)))
			refuse(w, r, http.StatusTooManyRequests, "Too many passwords were tried. Try again later.")
		case !v.ok:
			if v.new {
				b.logWrong(r, v.user)
			}
			b.unauthorized(w, r, "The name or the password is wrong.")
		default:
			if n, ok := ctx.Value(noteKey{}).(*note); ok {
				n.user = v.user
			}
			next.ServeHTTP(w, r.WithContext(access.WithPrincipal(ctx, v.user)))
		}
	})
}

// credentials returns the name and the password of a request that has one pair of them.
func credentials(r *http.Request) (name, password string, ok bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", "", false
	}
	// Any number of spaces may stand before the credentials (RFC 9110 §11.4); net/http wants one.
	scheme, rest, _ := strings.Cut(strings.TrimSpace(values[0]), " ")
	one := http.Request{Header: http.Header{"Authorization": {scheme + " " + strings.TrimSpace(rest)}}}
	return one.BasicAuth()
}

// unauthorized asks for credentials (RFC 9110 §15.5.2).
func (b *basic) unauthorized(w http.ResponseWriter, r *http.Request, text string) {
	b.announce(w.Header())
	w.Header().Set("WWW-Authenticate", b.challenge)
	refuse(w, r, http.StatusUnauthorized, text)
}

// logWrong logs a wrong password. A name that is not a user's is left out: some type their password where the name belongs.
func (b *basic) logWrong(r *http.Request, user string) {
	attrs := []slog.Attr{slog.String("remote", remote(r, b.trusted))}
	if user != "" {
		attrs = append(attrs, slog.String("user", safe(user)))
	}
	b.log.LogAttrs(r.Context(), slog.LevelWarn, "wrong name or password", attrs...)
}
