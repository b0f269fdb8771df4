package server

import (
	"io/fs"
	"net/http"

	"dav207/fsbackend"
	"dav207/props"
	"dav207/server/davheader"
	"dav207/server/davpath"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// respondOutside responds to a request for a URL outside of the prefix. Some clients ask for each
// ancestor of the collection that they mount. An ancestor of the prefix is an empty collection,
// apart from the next ancestor; other URLs get 404.
func (h *Handler) respondOutside(q *request, path davpath.Path) error {
	prefix := h.mapping.Prefix()
	if !path.Contains(prefix) {
		return statusError(http.StatusNotFound, "")
	}
	switch q.Method {
	case http.MethodHead, http.MethodGet:
		if withoutSlash(q.URL) {
			redirect(q, davpath.Mapping{}.Href(path, true))
			return nil
		}
		q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		q.w.WriteHeader(http.StatusOK)
		return nil
	case "PROPFIND":
	default:
		return statusError(http.StatusForbidden, "")
	}
	d, noroot, err := davheader.PropfindDepth(q.Header)
	if err != nil {
		return err
	}
	if d == tree.Infinity {
		return conditionError(http.StatusForbidden, multistatus.PropfindFiniteDepth)
	}
	query, err := h.readPropfind(q)
	if err != nil {
		return err
	}
	registry := &props.Registry{}
	registry.Register(props.Standard(nil)...)
	finder := registry.NewFinder(q.ctx, query, nil)
	out := multistatus.NewWriter(q.w)
	collections := []davpath.Path{path}
	if d == tree.One {
		next := prefix
		for next.Parent() != path {
			next = next.Parent()
		}
		collections = append(collections, next)
	}
	if noroot {
		collections = collections[1:]
	}
	for _, p := range collections {
		// These collections do not exist in the back end and have no times.
		info := &fsbackend.Info{Attr: fsbackend.Attr{Name: p.Name(), Mode: fs.ModeDir | 0o555}}
		r := &props.Resource{Path: p, Info: info}
		err := out.WriteFunc(func(b []byte) []byte { return davpath.Mapping{}.AppendHref(b, p, true) },
			func(b []byte) ([]byte, error) { return finder.Find(b, r, nil) })
		if err != nil {
			return discardOrAbort(out, err)
		}
	}
	if err := out.Close(); err != nil {
		return abort(err)
	}
	return nil
}
