package server

import (
	"context"
	"slices"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davxml"
	"dav207/server/locks"
	"dav207/server/multistatus"
)

// lockProperties are the live properties that speak of locks (RFC 4918 §15.8, §15.10).
func (h *Handler) lockProperties() []props.Live {
	const supported = `<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>` +
		`<D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>`
	return []props.Live{
		{Name: props.DAV("lockdiscovery"), Prepare: h.memberLocks},
		{Name: props.DAV("supportedlock"), Prepare: func(ctx context.Context) props.AppendFunc {
			return func(b []byte, r *props.Resource) ([]byte, error) {
				if h.allowed(ctx, access.WriteContent, r.Path) != nil {
					return b, nil // whoever may not lock is told so before trying
				}
				return append(b, supported...), nil
			}
		}},
	}
}

// namedRoot lets DAV:displayname of the root be what clients call it, the last segment of its URL, if that has one.
func (h *Handler) namedRoot(live []props.Live) []props.Live {
	i := slices.IndexFunc(live, func(l props.Live) bool { return l.Name == props.DAV("displayname") })
	prepare := live[i].Prepare
	live[i].Prepare = func(ctx context.Context) props.AppendFunc {
		of := prepare(ctx)
		return func(b []byte, r *props.Resource) ([]byte, error) {
			if r.Path.IsRoot() {
				if name := h.hrefs(ctx).Prefix().Name(); name != "" {
					return davxml.EscapeText(b, name), nil
				}
			}
			return of(b, r)
		}
	}
	return live
}

// appendLocks appends a DAV:activelock for each of the locks that cover a resource (§14.1). The token of a lock is its
// holder's alone to know. q is the request whose resource it is, nil in a listing.
func (h *Handler) appendLocks(ctx context.Context, q *request, b []byte, covering []locks.Lock) []byte {
	for _, l := range covering {
		remaining := h.locks.Remaining(l)
		if remaining <= 0 {
			continue // it has ended since it was looked up
		}
		b = append(b, `<D:activelock><D:lockscope>`...)
		if l.Shared {
			b = append(b, `<D:shared/>`...)
		} else {
			b = append(b, `<D:exclusive/>`...)
		}
		b = append(b, `</D:lockscope><D:locktype><D:write/></D:locktype><D:depth>`...)
		if l.Infinite {
			b = append(b, `infinity`...)
		} else {
			b = append(b, '0')
		}
		b = append(b, `</D:depth>`...)
		if l.Owner != nil {
			owner := multistatus.Property{XMLName: props.DAV("owner"), Lang: l.OwnerLang, Attr: l.OwnerAttr, InnerXML: l.Owner}
			b, _ = multistatus.AppendProperty(b, &owner) // its name is one
		}
		b = append(b, `<D:timeout>`...)
		b = append(b, locks.FormatTimeout(remaining)...)
		b = append(b, `</D:timeout>`...)
		if l.Principal == access.Principal(ctx) {
			b = append(b, `<D:locktoken><D:href>`...)
			b = append(b, l.Token...)
			b = append(b, `</D:href></D:locktoken>`...)
		}
		b = append(b, `<D:lockroot><D:href>`...)
		b = davxml.EscapeText(b, h.lockRoot(ctx, q, l))
		b = append(b, `</D:href></D:lockroot>`...)
		b = append(b, `</D:activelock>`...)
	}
	return b
}
