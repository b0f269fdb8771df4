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

// Log logs one line at level Info after each request: method, path (escaped, without the query),
// Depth and Destination if present, status, bytes of the body sent, duration, address of the
// client, and the user if an Authenticate behind it found one. A 207 of a multistatus.Writer has
// the number of its members, and of those that failed. If the handler panics the line has
// aborted=true, and status 0 if no header was sent. A nil logger discards.
//
// The address is that of the connection or, if that is a trusted proxy, the one that it names in
// X-Forwarded-For or Forwarded.
// The duration is a string with its unit in every format, such as "97.949us".
//
// The other lines about a request have the address, too, if the handler of their logger is
// WithRemote.
//
// All values are printable ASCII of bounded length, so that a client cannot forge log lines.
func Log(log *slog.Logger, trusted ...netip.Prefix) func(http.Handler) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			behind, info := withInfo(r, trusted)
			if !log.Enabled(r.Context(), slog.LevelInfo) {
				next.ServeHTTP(w, behind)
				return
			}
			// The handler may change the URL of its request, as http.StripPrefix does.
			attrs := append(make([]slog.Attr, 0, 12), slog.String("method", sanitize(r.Method)), slog.String("path", sanitize(r.URL.EscapedPath())))
			if depth := r.Header.Get("Depth"); depth != "" {
				attrs = append(attrs, slog.String("depth", sanitize(depth)))
			}
			if destination := r.Header.Get("Destination"); destination != "" {
				attrs = append(attrs, slog.String("destination", redact(destination)))
			}
			rec := NewRecorder(w)
			start, completed := time.Now(), false
			defer func() {
				if completed {
					rec.End()
				}
				attrs = append(attrs, slog.Int("status", rec.status))
				if m, ok := rec.Members(); ok {
					attrs = append(attrs, slog.Int("members", m.Total), slog.Int("failed", m.Failed))
				}
				attrs = append(attrs, slog.Int64("bytes", rec.bytes),
					slog.String("duration", strings.Replace(time.Since(start).String(), "µ", "u", 1)), slog.String("remote", forwarded.Remote(r, trusted)))
				if info.user != "" {
					attrs = append(attrs, slog.String("user", sanitize(info.user)))
				}
				if !completed {
					attrs = append(attrs, slog.Bool("aborted", true))
				}
				log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
			}()
			next.ServeHTTP(rec, behind)
			completed = true
		})
	}
}

// redact returns the URL of a Destination without password, query and fragment.
func redact(destination string) string {
	u, err := url.Parse(destination)
	if err != nil || u.Opaque != "" {
		return "(malformed)"
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return sanitize(u.String())
}

// maxLogged bounds the bytes of a logged value, so that a header cannot fill the disk.
const maxLogged = 1024

// sanitize returns s as printable ASCII of bounded length.
func sanitize(s string) string {
	cut := len(s) > maxLogged
	if cut {
		s = s[:maxLogged]
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

// requestInfo has what the log knows about a request.
type requestInfo struct {
	request *http.Request
	trusted []netip.Prefix
	user    string // set by handlers behind Log
}

type requestInfoKey struct{}

// withInfo returns r with a requestInfo in its context.
func withInfo(r *http.Request, trusted []netip.Prefix) (*http.Request, *requestInfo) {
	info := &requestInfo{request: r, trusted: trusted}
	return r.WithContext(context.WithValue(r.Context(), requestInfoKey{}, info)), info
}

// WithRemote returns a handler that adds remote and user, the address of the client and who logged
// in as in the line of Log, to each record that is logged with the context of a request behind Log.
// A record that has remote already stays as it is.
func WithRemote(h slog.Handler) slog.Handler { return remoteHandler{h} }

type remoteHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h remoteHandler) Handle(ctx context.Context, rec slog.Record) error {
	if info, ok := ctx.Value(requestInfoKey{}).(*requestInfo); ok && !has(rec, "remote") {
		rec = rec.Clone()
		rec.AddAttrs(slog.String("remote", forwarded.Remote(info.request, info.trusted)))
		if info.user != "" && !has(rec, "user") {
			rec.AddAttrs(slog.String("user", sanitize(info.user)))
		}
	}
	return h.Handler.Handle(ctx, rec)
}

// WithAttrs implements slog.Handler.
func (h remoteHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return remoteHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h remoteHandler) WithGroup(name string) slog.Handler {
	return remoteHandler{h.Handler.WithGroup(name)}
}

func has(rec slog.Record, key string) (found bool) {
	rec.Attrs(func(a slog.Attr) bool {
		found = found || a.Key == key
		return !found
	})
	return found
}
