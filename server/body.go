package server

import (
	"encoding/xml"
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
	if q.ContentLength == 0 {
		return nil, nil
	}
	hurry := q.hurry()
	root, err := h.readXML(q)
	if err == nil || errors.Is(err, davxml.ErrEmpty) {
		q.drained = true
		hurry.SetReadDeadline(time.Time{}) // or a long operation would end with it
	}
	if errors.Is(err, davxml.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, xmlError(err)
	}
	return root, nil
}

// readXML reads a body. Of what is sent with a PROPPATCH there is hardly ever the same again.
func (h *Handler) readXML(q *request) (*davxml.Element, error) {
	n := q.ContentLength
	if n < 0 || n > min(copySize, h.maxXML) || q.Method == "PROPPATCH" {
		return davxml.Parse(http.MaxBytesReader(q.w, q.Body, h.maxXML), nil)
	}
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	if _, err := io.ReadFull(q.Body, buf[:n]); err != nil {
		return nil, err
	}
	return h.parsed.parse(buf[:n])
}

// hurry gives the client a limited time for the rest of its body. It stays in force, also for what net/http does with the rest,
// until the body was read. Not every ResponseWriter supports that.
func (q *request) hurry() *http.ResponseController {
	rc := http.NewResponseController(q.w)
	rc.SetReadDeadline(time.Now().Add(readDeadline))
	return rc
}

// noBody makes sure that the request has no body where one would have a meaning that this server does not know
// (RFC 4918 §9.3: 415). What a Content-Type says of an empty body does not matter: some clients send one.
func (q *request) noBody() error {
	if q.ContentLength == 0 {
		return nil
	}
	hurry := q.hurry()
	var b [1]byte
	switch n, err := io.ReadFull(q.Body, b[:]); {
	case n > 0:
		return plain(http.StatusUnsupportedMediaType, "A body has no meaning here.")
	case err != io.EOF:
		return &multistatus.Error{Status: http.StatusBadRequest, Err: err}
	}
	hurry.SetReadDeadline(time.Time{})
	return nil
}

// oldBody makes sure that a COPY or MOVE has no body but the DAV:propertybehavior of RFC 2518 §12.12, which old clients
// send and which asks for what is done anyway (§8.4: anything else is 415).
func (h *Handler) oldBody(q *request) error {
	root, err := h.parseBody(q)
	if e := multistatus.AsError(err); e != nil && (e.Status == http.StatusRequestEntityTooLarge || e.Status == http.StatusRequestTimeout) {
		return err
	}
	if err != nil || root != nil && !isDAV(root, "propertybehavior") {
		return plain(http.StatusUnsupportedMediaType, "A body has no meaning here.")
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
	forms := 0
	var include []xml.Name
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
			include = appendNames(include, c)
		}
	}
	if forms != 1 {
		return q, invalid("A DAV:propfind holds one of prop, propname and allprop.")
	}
	if q.Kind == props.AllProp { // elsewhere it is an element that is not expected, and passed over (§17)
		q.Names = include
	}
	size := 0
	for _, n := range q.Names {
		size += len(n.Space) + len(n.Local)
	}
	if len(q.Names) > maxNames || size > maxNamesSize {
		return q, plain(http.StatusRequestEntityTooLarge, "Too many properties are asked for.")
	}
	return q, nil
}

// What one request may name and set. A namespace is declared once in a body and stands with every name in an answer, and a
// PROPFIND is answered for each member: without bounds a few bytes would ask for gigabytes.
const (
	maxNames      = 2048
	maxNamesSize  = 128 << 10
	maxUpdateSize = 8 << 20
)

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
		if instruction.Child(multistatus.Namespace, "prop") == nil {
			return nil, invalid("DAV:set and DAV:remove hold a DAV:prop.")
		}
		for _, prop := range instruction.Children {
			if isDAV(prop, "prop") {
				changes = appendChanges(changes, prop, remove)
			}
		}
	}
	if len(changes) == 0 {
		return nil, invalid("The DAV:propertyupdate changes nothing.")
	}
	size := 0
	for i := range changes {
		if size += changes[i].Property.Size(); size > maxUpdateSize {
			return nil, plain(http.StatusRequestEntityTooLarge, "The properties are too large, their namespaces counted with each.")
		}
	}
	return changes, nil
}

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
