package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"dav207/server/forwarded"
)

// Log writes one line at level Info after each request: method, path (escaped as in a URL, without the query), status,
// bytes of the body sent, duration and the address of the client; also Depth and Destination where they were sent, and the
// user that Basic, behind it, found. An answer that was broken off is marked aborted; its status is 0 if nothing of it had been sent. A nil logger
// discards.
//
// The address is that of the connection, or what X-Forwarded-For says of it where that is one of the
// trusted proxies. The duration is a string with its unit, such as "97.949us", in every format.
//
// Nothing that a client sends can end a line or begin another, whatever the slog.Handler does with its values.
func Log(log *slog.Logger, trusted ...netip.Prefix) func(http.Handler) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !log.Enabled(r.Context(), slog.LevelInfo) {
				next.ServeHTTP(w, r)
				return
			}
			// Taken now: a handler may change the URL of its request, as http.StripPrefix does.
			attrs := append(make([]slog.Attr, 0, 10), slog.String("method", safe(r.Method)), slog.String("path", safe(r.URL.EscapedPath())))
			if depth := r.Header.Get("Depth"); depth != "" {
				attrs = append(attrs, slog.String("depth", safe(depth)))
			}
			if destination := r.Header.Get("Destination"); destination != "" {
				attrs = append(attrs, slog.String("destination", place(destination)))
			}
			who := &note{}
			rec := &recorder{ResponseWriter: w}
			start, completed := time.Now(), false
			defer func() {
				if completed {
					rec.implicit() // net/http sends a 200 for a handler that returns without a word
				}
				attrs = append(attrs, slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
					slog.String("duration", strings.Replace(time.Since(start).String(), "µ", "u", 1)), slog.String("remote", remote(r, trusted)))
				if who.user != "" {
					attrs = append(attrs, slog.String("user", safe(who.user)))
				}
				if !completed {
					attrs = append(attrs, slog.Bool("aborted", true))
				}
				log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
			}()
			next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), noteKey{}, who)))
			completed = true
		})
	}
}

// note is what those behind Log found out about a request.
type note struct{ user string }

type noteKey struct{}

// place returns the URL of a Destination without what may be secret in it.
func place(destination string) string {
	u, err := url.Parse(destination)
	if err != nil || u.Opaque != "" {
		return "(malformed)"
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return safe(u.String())
}

// remote returns the address of the client, or of the connection where there is no other.
func remote(r *http.Request, trusted []netip.Prefix) string {
	if addr := forwarded.Client(r, trusted); addr.IsValid() {
		return addr.String()
	}
	return r.RemoteAddr
}

// longest bounds what of a value is logged: a client must not fill the disk with one header.
const longest = 1024

// safe makes a value printable ASCII of bounded length.
func safe(s string) string {
	cut := len(s) > longest
	if cut {
		s = s[:longest]
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			s = strconv.QuoteToASCII(s)
			break
		}
	}
	if cut {
		s += "..."
	}
	return s
}
