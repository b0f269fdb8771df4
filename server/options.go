package server

import (
	"net/http"
	"os"
	"time"

	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// Announce sets the headers by which clients know a WebDAV server, as the answer to OPTIONS has them (RFC 4918 §10.1). What
// refuses a request in front of a Handler sends them, too: clients ask OPTIONS before they know of a password.
func (h *Handler) Announce(head http.Header) {
	classes := "1, 2, 3"
	if h.readOnly {
		classes = "1, 3" // §18.3: all but locking. macOS mounts what is not of class 2 for reading only
	}
	head.Set("DAV", classes)
	head.Set("MS-Author-Via", "DAV") // without it Office opens documents read-only
}

// options answers OPTIONS (RFC 4918 §10.1), the same for every URL: clients ask for the share, its parents, the root of
// the host and names that do not exist, and take what they hear for the whole server.
func (h *Handler) options(q *request) error {
	head := q.w.Header()
	h.Announce(head)
	head.Set("Allow", h.allow(""))
	head.Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// outside answers for a URL that is not below the prefix. Some clients look at every collection on the way to what they
// mount: those on the way to the prefix are there, and hold nothing but the way.
func (h *Handler) outside(q *request, whole davpath.Path) error {
	prefix := h.mapping.Prefix()
	if !whole.Contains(prefix) {
		return plain(http.StatusNotFound, "")
	}
	switch q.Method {
	case http.MethodHead, http.MethodGet:
		if withoutSlash(q.URL) {
			redirect(q, davpath.Mapping{}.Href(whole, true))
			return nil
		}
		q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		q.w.WriteHeader(http.StatusOK)
		return nil
	case "PROPFIND":
	default:
		return plain(http.StatusForbidden, "")
	}
	d, noroot, err := findDepth(q.Header)
	if err != nil {
		return err
	}
	if d == tree.Infinity {
		return condition(http.StatusForbidden, multistatus.PropfindFiniteDepth)
	}
	query, err := h.parseFind(q)
	if err != nil {
		return err
	}
	registry := &props.Registry{}
	registry.Register(props.Standard(h.tree.AppendETag, nil)...)
	finder := registry.NewFinder(q.ctx, query, nil)
	out := multistatus.NewWriter(q.w)
	way := []davpath.Path{whole}
	if d == tree.One {
		next := prefix
		for next.Parent() != whole {
			next = next.Parent()
		}
		way = append(way, next)
	}
	if noroot {
		way = way[1:]
	}
	for _, p := range way {
		step := &props.Resource{Path: p, Info: wayInfo(p.Name())}
		err := out.WriteFunc(func(b []byte) []byte { return davpath.Mapping{}.AppendHref(b, p, true) },
			func(b []byte) ([]byte, error) { return finder.Find(b, step, nil) })
		if err != nil {
			return giveUp(out, err)
		}
	}
	if err := out.Close(); err != nil {
		return abort(err)
	}
	return nil
}

// wayInfo describes a collection that exists only because the prefix has more than one segment. It has no time.
type wayInfo string

func (n wayInfo) Name() string     { return string(n) }
func (wayInfo) Size() int64        { return 0 }
func (wayInfo) Mode() os.FileMode  { return os.ModeDir | 0o555 }
func (wayInfo) ModTime() time.Time { return time.Time{} }
func (wayInfo) IsDir() bool        { return true }
func (wayInfo) Sys() any           { return nil }
