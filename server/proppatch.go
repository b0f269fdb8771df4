package server

import (
	"errors"
	"net/http"

	"dav207/props"
	"dav207/server/access"
	"dav207/server/davxml"
	"dav207/server/multistatus"
	"dav207/server/pathlock"
	"dav207/server/tree"
)

// proppatch implements PROPPATCH (§9.2). The response is a 207 with the status of each property.
func (h *Handler) proppatch(q *request) error {
	body, err := h.parseBody(q)
	if err != nil {
		return err
	}
	changes, err := parseUpdate(body)
	if err != nil {
		return err
	}
	if err := h.refuse(q, h.checkPolicy(q.ctx, access.WriteProperties, q.path), h.proppatchHead); err != nil {
		return err
	}
	release, err := h.reserve(q, writes(q.path))
	if err != nil {
		return err
	}
	defer release()
	t := h.treeFor(q)
	r, err := h.lookupFor(q, t, access.WriteProperties)
	if err != nil {
		return err
	}
	outcome, failed := h.registry.Patch(q.ctx, t.Props, h.property, r, changes)
	if failed != nil {
		h.warnMember(q, q.path, failed)
	}
	release() // other requests need not wait for this client to read
	out := multistatus.NewWriter(q.w, q.Request)
	err = out.Write(&multistatus.Response{Href: h.hrefs(q.ctx).Href(r.Path, r.Info.IsDir()), Propstat: outcome})
	if err = errors.Join(err, out.Close()); err != nil {
		return abort(err)
	}
	return nil
}

func (h *Handler) proppatchHead(q *request) error {
	if err := h.checkMaxXML(q); err != nil {
		return err
	}
	return h.precheck(q, func(t *tree.Tree) error {
		_, err := h.lookupFor(q, t, access.WriteProperties)
		return err
	}, pathlock.Range{Path: q.path})
}

// parseUpdate parses a DAV:propertyupdate (§14.19). It returns the changes in document order; there
// may be none (§14.18: the content of DAV:prop is ANY).
func parseUpdate(root *davxml.Element) ([]props.Change, error) {
	if root == nil || !isDAV(root, "propertyupdate") {
		return nil, invalid("The body must be a DAV:propertyupdate.")
	}
	var changes []props.Change
	for _, instruction := range root.Children {
		remove := isDAV(instruction, "remove")
		if !remove && !isDAV(instruction, "set") {
			continue
		}
		if instruction.Child(multistatus.Namespace, "prop") == nil {
			return nil, invalid("DAV:set and DAV:remove hold a DAV:prop.")
		}
		for _, prop := range instruction.Children {
			if isDAV(prop, "prop") {
				changes = appendChanges(changes, prop, remove)
			}
		}
	}
	size := 0
	for i := range changes {
		if size += changes[i].Property.Size(); size > maxUpdateSize {
			return nil, statusError(http.StatusRequestEntityTooLarge, "The properties are too large, their namespaces counted with each.")
		}
	}
	return changes, nil
}

// appendChanges appends a change for each element in a DAV:prop.
func appendChanges(changes []props.Change, prop *davxml.Element, remove bool) []props.Change {
	for _, e := range prop.Children {
		p := props.Property{XMLName: e.Name}
		if !remove {
			p.Lang = e.Lang
			p.Attr, p.InnerXML = e.Content()
		}
		changes = append(changes, props.Change{Remove: remove, Property: p})
	}
	return changes
}
