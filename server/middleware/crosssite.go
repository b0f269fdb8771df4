package middleware

import (
	"net/http"
	"net/url"
	"strings"
)

// SameSite refuses with 403 what a page of another site makes a browser ask for, unless it is GET, HEAD or OPTIONS: the
// browser would add the password that it knows, and whoever wrote the page could change what the reader of it may change.
// It goes by Sec-Fetch-Site and, where that is missing, by Origin (see http.CrossOriginProtection): clients that are no
// browsers send neither, and pass. So do extensions of a browser, which are no sites.
//
// sites are URLs of which pages pass besides those of the host that the request names: those of this server behind a
// proxy.
func SameSite(sites ...*url.URL) func(http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, u := range sites {
		// What is no origin is none that a browser sends, so nothing is lost without it.
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

// webOrigin returns the origin of a URL as browsers write it (RFC 6454 §6.1): without the port that its scheme has anyway.
func webOrigin(u *url.URL) string {
	host, port := strings.ToLower(u.Host), u.Port()
	if u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}

// fromExtension reports whether an extension of a browser asks, such as "moz-extension:", which its user has given leave. No
// page can have an origin with such a scheme.
func fromExtension(r *http.Request) bool {
	scheme, _, ok := strings.Cut(r.Header.Get("Origin"), "://")
	return ok && strings.HasSuffix(scheme, "-extension")
}
