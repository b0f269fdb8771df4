package limits

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"dav207/server/access"
	"dav207/server/early"
	"dav207/server/forwarded"
	"dav207/server/multistatus"
	"dav207/server/wire"
)

// RequestOptions are the limits of Requests.
type RequestOptions struct {
	// MaxPerUser is the number of requests that one user may have under way. 0 is no limit.
	MaxPerUser int
	// MaxPerAddress is that of one address, with IPv6 of its /64, for requests without a user. 0 is
	// no limit.
	MaxPerAddress int
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For has the address of the
	// client.
	TrustedProxies []netip.Prefix
}

// Requests answers 429 (RFC 6585 §4) with Retry-After, before it reads the body, to a request whose
// user has too many under way. It must be behind authentication (access.WithPrincipal). It is 429
// and not 503, for other users are served as before.
func Requests(opts RequestOptions) func(http.Handler) http.Handler {
	counts := requests{RequestOptions: opts, underWay: map[client]int{}}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, limit := counts.client(r)
			if limit <= 0 {
				next.ServeHTTP(w, r)
				return
			}
			if !counts.begin(c, limit) {
				w = wire.Wrap(w, r)
				w.Header().Set("Retry-After", "1")
				early.Respond(w, r, false, time.Time{}, func() {
					multistatus.RespondError(w, r, &multistatus.Error{Status: http.StatusTooManyRequests,
						Description: "Too many requests are under way. Try again when one has ended."})
				})
				return
			}
			defer counts.end(c)
			next.ServeHTTP(w, r)
		})
	}
}

// client is who a request is counted for: a user, or else an address.
type client struct {
	user string
	from netip.Prefix
}

// requests counts the requests of each client.
type requests struct {
	RequestOptions
	mu       sync.Mutex
	underWay map[client]int
}

// client returns who a request is counted for, and the limit.
func (c *requests) client(r *http.Request) (client, int) {
	if user := access.Principal(r.Context()); user != "" {
		return client{user: user}, c.MaxPerUser
	}
	from := forwarded.Network(forwarded.Client(r, c.TrustedProxies))
	if !from.IsValid() {
		return client{}, 0
	}
	return client{from: from}, c.MaxPerAddress
}

// begin counts a request, and reports whether it may be served.
func (c *requests) begin(by client, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.underWay[by] >= limit {
		return false
	}
	c.underWay[by]++
	return true
}

// end ends a request that begin has counted.
func (c *requests) end(by client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.underWay[by]--; c.underWay[by] == 0 {
		delete(c.underWay, by)
	}
}
