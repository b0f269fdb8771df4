package server

import (
	"errors"

	"dav207/server/access"
	"dav207/server/multistatus"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// proppatch answers PROPPATCH (§9.2): always a 207, in which every property of the request has its outcome.
func (h *Handler) proppatch(q *request) error {
	body, err := h.parseBody(q)
	if err != nil {
		return err
	}
	changes, err := parseUpdate(body)
	if err != nil {
		return err
	}
	release, err := h.reserve(q, writes(q.path))
	if err != nil {
		return err
	}
	defer release()
	t := h.treeFor(q)
	r, err := h.existing(q, t, access.WriteProperties)
	if err != nil {
		return err
	}
	outcome, failed := h.registry.Patch(q.ctx, t.Props, h.property, r, changes)
	if failed != nil {
		h.warnMember(q, q.path, failed)
	}
	release() // nobody waits for how fast this client reads
	out := multistatus.NewWriter(q.w)
	err = out.Write(&multistatus.Response{Href: h.hrefs(q.ctx).Href(r.Path, r.Info.IsDir()), Propstat: outcome})
	if err = errors.Join(err, out.Close()); err != nil {
		return abort(err)
	}
	return nil
}

func (h *Handler) proppatchHead(q *request) error {
	if err := h.tooLarge(q); err != nil {
		return err
	}
	return h.looking(q, func(t *tree.Tree) error {
		_, err := h.existing(q, t, access.WriteProperties)
		return err
	}, pathlock.Range{Path: q.path})
}
