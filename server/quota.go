package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"dav207/props"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// quotaProperties are those of RFC 4331. They are hidden from allprop (§2 there), and defined for collections on file
// systems that can tell.
func (h *Handler) quotaProperties() []props.Live {
	quota := func(pick func(used, available uint64) uint64) func(context.Context, []byte, props.Resource) ([]byte, error) {
		return func(ctx context.Context, b []byte, r props.Resource) ([]byte, error) {
			s, ok := h.tree.FS.(tree.Spacer)
			if !ok || !r.Info.IsDir() || quotaHidden(ctx) {
				return b, props.ErrUndefined
			}
			used, available, err := s.Space(ctx, r.Path.String())
			if errors.Is(err, errors.ErrUnsupported) {
				return b, props.ErrUndefined
			}
			if err != nil {
				return b, &multistatus.Error{Status: http.StatusInternalServerError, Err: err}
			}
			const most = 1<<63 - 1 // clients read it into a signed number
			return strconv.AppendUint(b, min(pick(used, available), most), 10), nil
		}
	}
	return []props.Live{
		{Name: props.DAV("quota-available-bytes"), Hidden: true, Append: quota(func(_, available uint64) uint64 { return available })},
		{Name: props.DAV("quota-used-bytes"), Hidden: true, Append: quota(func(used, _ uint64) uint64 { return used })},
	}
}

type noQuotaKey struct{}

// hideQuota marks the context of a request whose client is to see no quota: Options.NoMacQuota.
func (h *Handler) hideQuota(ctx context.Context, agent string) context.Context {
	if h.noMacQuota && (strings.Contains(agent, "WebDAVFS/") || strings.Contains(agent, "WebDAVLib/")) {
		return context.WithValue(ctx, noQuotaKey{}, true)
	}
	return ctx
}

func quotaHidden(ctx context.Context) bool { return ctx.Value(noQuotaKey{}) != nil }
