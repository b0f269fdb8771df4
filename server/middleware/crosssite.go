package middleware

import (
	"net/http"
	"net/url"
	"strings"
)

// SameSite answers 403 to requests that a page of another site makes a browser send, except GET,
// HEAD and OPTIONS. The browser would add the password that it stores, and the page could change
// what its user may change. SameSite checks Sec-Fetch-Site or, without it, Origin (see
// http.CrossOriginProtection). It accepts requests with neither, since only browsers send them, and
// those of browser extensions.
//
// sites are further URLs whose pages may send requests, such as the public URL of this server
// behind a proxy. The host of the request is always allowed.
func SameSite(sites ...*url.URL) func(http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, u := range sites {
		// An error means that u is no valid origin, so no browser sends it.
		protection.AddTrustedOrigin(webOrigin(u))
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if protection.Check(r) != nil && !fromExtension(r) {
				refuse(w, r, http.StatusForbidden, "Pages of other sites may not do that.")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// webOrigin returns the origin of a URL as browsers send it (RFC 6454 §6.1): without the default
// port of its scheme.
func webOrigin(u *url.URL) string {
	host, port := strings.ToLower(u.Host), u.Port()
	if u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}

// fromExtension reports whether a browser extension, which its user installed, sent the request. No
// page has an origin with such a scheme ("moz-extension:").
func fromExtension(r *http.Request) bool {
	scheme, _, ok := strings.Cut(r.Header.Get("Origin"), "://")
	return ok && strings.HasSuffix(scheme, "-extension")
}
