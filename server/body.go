package server

import (
	"errors"
	"io"
	"net/http"
	"time"

	"dav207/props"
	"dav207/server/davxml"
	"dav207/server/multistatus"
)

// parseBody reads the XML body of a request; nil without error means that there is none.
func (h *Handler) parseBody(q *request) (*davxml.Element, error) {
	rc := http.NewResponseController(q.w)
	rc.SetReadDeadline(time.Now().Add(readDeadline)) // not supported by every ResponseWriter, and needed by none
	defer rc.SetReadDeadline(time.Time{})
	root, err := davxml.Parse(http.MaxBytesReader(q.w, q.Body, h.maxXML), nil)
	if errors.Is(err, davxml.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, xmlError(err)
	}
	return root, nil
}

// noBody makes sure that the request has no body where one would have a meaning that this server does not know
// (RFC 4918 §9.3: 415). What a Content-Type says of an empty body does not matter: some clients send one.
func noBody(r *http.Request) error {
	var b [1]byte
	switch n, err := io.ReadFull(r.Body, b[:]); {
	case n > 0:
		return plain(http.StatusUnsupportedMediaType, "A body has no meaning here.")
	case err != io.EOF:
		return &multistatus.Error{Status: http.StatusBadRequest, Err: err}
	}
	return nil
}

func isDAV(e *davxml.Element, local string) bool {
	return e.Name.Space == multistatus.Namespace && e.Name.Local == local
}

func invalid(description string) error { return plain(http.StatusBadRequest, description) }

// parsePropfind reads a DAV:propfind (§14.20); no body means allprop (§9.1). What it does not know it passes over (§17).
func parsePropfind(root *davxml.Element) (props.Query, error) {
	if root == nil {
		return props.Query{Kind: props.AllProp}, nil
	}
	if !isDAV(root, "propfind") {
		return props.Query{}, invalid("The body must be a DAV:propfind.")
	}
	var q props.Query
	forms, include := 0, false
	for _, c := range root.Children {
		switch {
		case isDAV(c, "prop"):
			q.Kind = props.Prop
			forms++
			q.Names = appendNames(q.Names, c)
		case isDAV(c, "allprop"):
			q.Kind = props.AllProp
			forms++
		case isDAV(c, "propname"):
			q.Kind = props.PropName
			forms++
		case isDAV(c, "include"):
			include = true
			q.Names = appendNames(q.Names, c)
		}
	}
	if forms != 1 || include && q.Kind != props.AllProp {
		return q, invalid("A DAV:propfind holds one of prop, propname, and allprop, which include may follow.")
	}
	if len(q.Names) > maxNames {
		return q, plain(http.StatusRequestEntityTooLarge, "Too many properties are asked for.")
	}
	return q, nil
}

// maxNames bounds the properties that one PROPFIND asks for, which are answered for each member.
const maxNames = 2048

// parseUpdate reads a DAV:propertyupdate (§14.19): the changes in document order.
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
		prop := instruction.Child(multistatus.Namespace, "prop")
		if prop == nil {
			return nil, invalid("DAV:set and DAV:remove hold a DAV:prop.")
		}
		for _, e := range prop.Children {
			p := props.Property{XMLName: e.Name}
			if !remove {
				p.Lang = e.Lang
				p.Attr, p.InnerXML = e.Content()
			}
			changes = append(changes, props.Change{Remove: remove, Property: p})
		}
	}
	if len(changes) == 0 {
		return nil, invalid("The DAV:propertyupdate changes nothing.")
	}
	return changes, nil
}
