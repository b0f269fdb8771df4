package middleware

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"dav207/server/early"
	"dav207/server/wire"
)

// The header fields of CORS have the same lists in every response: none depends on a request.
const (
	corsMethods = "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK, POST"
	// corsRequestHeaders are those that scripts may set and the server uses, and one that libraries
	// add.
	corsRequestHeaders = "Accept, Authorization, Content-Encoding, Content-Range, Content-Type, Depth, Destination, If, " +
		"If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Lock-Token, Overwrite, Prefer, Range, Timeout, " +
		"X-Expected-Entity-Length, X-OC-CTime, X-OC-Mtime, X-Requested-With"
	corsResponseHeaders = "Accept-Post, Accept-Ranges, Allow, Content-Language, Content-Length, Content-Location, Content-Range, DAV, Date, " +
		"ETag, Last-Modified, Location, Lock-Token, MS-Author-Via, Preference-Applied, Retry-After, WWW-Authenticate, X-OC-CTime, X-OC-Mtime"
	// corsMaxAge is two hours, the most that Chromium keeps a preflight.
	corsMaxAge = "7200"
)

// CORS lets scripts in pages of the named origins read all responses, and send all methods and
// header fields of WebDAV (https://fetch.spec.whatwg.org/#http-cors-protocol). It answers a
// preflight, which never has credentials, by itself, so it must be in front of authentication. It
// must be in front of all else that answers, too: a script cannot read an error without its header
// fields. Other origins get nothing, as if CORS were not there.
//
// A browser also sends the named origins' requests with the password that it stores if the script
// asks for that (credentials: "include"). So name only origins that may do all that their users
// may. SameSite must be given the same origins.
//
// Chromium's Access-Control-Request-Private-Network is not answered: no version of it insisted on
// an answer, and later ones ask the user.
func CORS(origins ...*url.URL) func(http.Handler) http.Handler {
	named := map[string]bool{}
	for _, u := range origins {
		named[webOrigin(u)] = true
	}
	return func(next http.Handler) http.Handler {
		if len(named) == 0 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			head := w.Header()
			head.Add("Vary", "Origin")
			origin := r.Header["Origin"]
			if len(origin) != 1 || !named[origin[0]] {
				next.ServeHTTP(w, r)
				return
			}
			head.Set("Access-Control-Allow-Origin", origin[0])
			head.Set("Access-Control-Allow-Credentials", "true")
			if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
				head.Set("Access-Control-Expose-Headers", corsResponseHeaders)
				next.ServeHTTP(w, r)
				return
			}
			head.Set("Access-Control-Allow-Methods", corsMethods)
			head.Set("Access-Control-Allow-Headers", corsRequestHeaders)
			head.Set("Access-Control-Max-Age", corsMaxAge)
			w = wire.Wrap(w, r)
			early.Respond(w, r, false, time.Time{}, func() { w.WriteHeader(http.StatusNoContent) })
		})
	}
}

// originForm is an origin as browsers send it, except that it may have the default port.
var originForm = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://([a-z0-9_][a-z0-9_.-]*|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?$`)

// ParseOrigin parses an origin for CORS: scheme, host and perhaps port, of which case does not
// matter. The scheme may be one that programs with a browser inside use for their own pages.
func ParseOrigin(s string) (*url.URL, error) {
	s = strings.ToLower(s)
	u, err := url.Parse(s)
	switch {
	case strings.Contains(s, "*"):
		return nil, errors.New("must be one origin such as https://app.example: there are no wildcards")
	case s == "null" || strings.HasPrefix(s, "file:"):
		return nil, errors.New("must be an origin that one site alone has: any page can have null")
	case err != nil || !originForm.MatchString(s):
		return nil, errors.New("must be scheme, host and perhaps port such as https://app.example, without a path, as browsers send it (xn-- for other letters)")
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && addr.String() != u.Hostname() {
		return nil, errors.New("must have the address as browsers write it: " + addr.String())
	}
	return u, nil
}
