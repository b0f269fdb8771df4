package server

import (
	"encoding/xml"
	"net/http"
	"strings"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davxml"
	"dav207/server/multistatus"
	"dav207/server/tree"
)

// propfind answers PROPFIND (RFC 4918 §9.1). Each member has one response. Where it cannot be described, the properties asked
// for have the status that says why.
func (h *Handler) propfind(q *request) error {
	query, err := h.parseFind(q)
	if err != nil {
		return err
	}
	t := h.treeFor(q)
	r, depth, noroot, err := h.checkPropfind(q, t)
	if err != nil {
		return err
	}
	if r.Info.IsDir() {
		h.sayCollection(q, r)
	}
	return h.list(q, t, r, depth, noroot, query)
}

func (h *Handler) propfindHead(q *request) error {
	if err := h.tooLarge(q); err != nil {
		return err
	}
	_, _, _, err := h.checkPropfind(q, h.treeFor(q))
	return err
}

// checkPropfind looks at the resource of a PROPFIND, and returns how deep it goes and whether the
// collection itself is left out.
func (h *Handler) checkPropfind(q *request, t *tree.Tree) (r props.Resource, d tree.Depth, noroot bool, err error) {
	if r, err = h.existing(q, t, access.Read); err != nil {
		return r, 0, false, err
	}
	if !r.Info.IsDir() {
		// "If a resource does not have internal members, then the Depth header MUST be ignored" (§10.2)
		return r, tree.Zero, false, nil
	}
	d, noroot, err = findDepth(q.Header)
	if err == nil && d == tree.Infinity && h.finite {
		err = condition(http.StatusForbidden, multistatus.PropfindFiniteDepth)
	}
	return r, d, noroot, err
}

// parseFind reads what a PROPFIND asks for.
func (h *Handler) parseFind(q *request) (props.Query, error) {
	body, err := h.parseBody(q)
	if err != nil {
		return props.Query{}, err
	}
	return parsePropfind(body)
}

// sayCollection tells a client that left out the slash what the URL of the collection is (§5.2).
func (h *Handler) sayCollection(q *request, r props.Resource) {
	if !strings.HasSuffix(q.URL.Path, "/") {
		q.w.Header().Set("Content-Location", h.hrefs(q.ctx).Href(r.Path, true))
	}
}

// list writes the multistatus of a PROPFIND, with noroot without the response for r. It returns an error only as long as nothing has left for the client, or
// one to abort with.
func (h *Handler) list(q *request, t *tree.Tree, r props.Resource, depth tree.Depth, noroot bool, query props.Query) error {
	out := multistatus.NewWriter(q.w)
	finder := h.registry.NewFinder(h.listing(q.ctx, r.Path), query, h.property)
	scan := props.NewScan(q.ctx, t.Props)
	defer scan.Close()
	each := h.hrefs(q.ctx).Hrefs()
	var member props.Resource
	var dead []props.Property
	var failed *multistatus.Error // why member cannot be described
	appendHref := func(b []byte) []byte {
		return each.Append(b, member.Path, member.Info != nil && member.Info.IsDir())
	}
	appendFound := func(b []byte) ([]byte, error) {
		if failed != nil {
			return finder.Fail(b, failed)
		}
		return finder.Find(b, &member, dead)
	}
	withDead := finder.NeedsDead()
	var err error
	root := true
	for member, err = range h.listed(t).Walk(q.ctx, r, depth) {
		failed = nil
		switch {
		case err == nil && root && noroot:
			root = false
			out.Begin() // there may be no member
			continue
		case err == nil && withDead && root:
			dead, err = scan.Root(member.Path)
		case err == nil && withDead:
			dead, err = scan.Member(member.Path)
		case err == nil:
		case root || q.ctx.Err() != nil:
			return giveUp(out, err)
		default:
			h.warnMember(q, member.Path, err)
			failed, err = asError(err), nil
		}
		root = false
		if err == nil {
			err = out.WriteFunc(appendHref, appendFound)
		}
		if err == nil {
			err = out.FlushIfStale()
		}
		if err != nil {
			return giveUp(out, err)
		}
	}
	if err := out.Close(); err != nil {
		return abort(err)
	}
	return nil
}

// giveUp ends a multistatus that cannot be completed: with a plain status while that is possible.
func giveUp(out *multistatus.Writer, err error) error {
	if out.Discard() {
		return err
	}
	return abort(err)
}

func appendNames(names []xml.Name, prop *davxml.Element) []xml.Name {
	for _, e := range prop.Children {
		names = append(names, e.Name)
	}
	return names
}
