package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"

	"dav207/server/forwarded"
)

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

// WithRemote returns a handler that adds remote, the address of the client as in the line of Log,
// to each record that is logged with the context of a request behind Log. A record that has remote
// already stays as it is.
func WithRemote(h slog.Handler) slog.Handler { return remoteHandler{h} }

type remoteHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h remoteHandler) Handle(ctx context.Context, rec slog.Record) error {
	if info, ok := ctx.Value(requestInfoKey{}).(*requestInfo); ok && !hasRemote(rec) {
		rec = rec.Clone()
		rec.AddAttrs(slog.String("remote", forwarded.Remote(info.request, info.trusted)))
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

func hasRemote(rec slog.Record) (has bool) {
	rec.Attrs(func(a slog.Attr) bool {
		has = has || a.Key == "remote"
		return !has
	})
	return has
}
