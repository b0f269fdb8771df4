package server

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"dav207/props"
	"dav207/server/davxml"
	"dav207/server/multistatus"
)

// body is the body of a request. Its errors are the client's, and not the file system's.
//
// A method reads it to io.EOF, and not to the announced length: with HTTP/2 an empty DATA frame may
// end it. An answer that ends before that frame comes makes the server reset the stream (RFC 9113
// §8.1), and libsoup give up the connection.
type body struct {
	r        io.Reader
	w        http.ResponseWriter
	http2    bool
	begun    bool      // Read was called: a client that waited for 100 Continue got it
	ended    bool      // it was read to its end, or there is none
	err      error     // why no more of it can be read
	deadline time.Time // zero for none
	one      [1]byte   // to see whether there is more
}

func newBody(w http.ResponseWriter, r *http.Request) body {
	return body{r: r.Body, w: w, http2: r.ProtoMajor == 2, ended: r.Body == nil || r.Body == http.NoBody}
}

func (b *body) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	b.begun = true
	n, err := b.r.Read(p)
	switch {
	case err == nil:
	case err == io.EOF:
		b.ended = true
		if !b.deadline.IsZero() { // a long operation would end with it
			http.NewResponseController(b.w).SetReadDeadline(time.Time{})
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.err = &multistatus.Error{Status: http.StatusRequestTimeout, Err: err}
	default:
		b.err = &multistatus.Error{Status: http.StatusBadRequest, Description: "The body ended early.", Err: err}
	}
	if b.err != nil {
		err = b.err
	}
	return n, err
}

// fill reads a body of len(p) bytes, and its end.
func (b *body) fill(p []byte) error {
	n, err := io.ReadFull(b, p)
	if err == nil {
		var more int
		if more, err = io.ReadFull(b, b.one[:]); err == io.EOF {
			return nil
		}
		n += more
	}
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		return asAnnounced(int64(n), int64(len(p)))
	}
	return err
}

// readDeadline bounds the time for a body; uploads have no such bound.
const readDeadline = time.Minute

// limit sets the deadline for the body, once. It is in force until the body was read, also while
// net/http reads the rest. Not every ResponseWriter supports it.
func (b *body) limit() {
	if b.ended || !b.deadline.IsZero() {
		return
	}
	b.deadline = time.Now().Add(readDeadline)
	http.NewResponseController(b.w).SetReadDeadline(b.deadline)
}

// ignore is for a body without meaning (RFC 9110 §9.3.1). With HTTP/1.1 net/http reads what there
// is of it before it answers.
func (b *body) ignore() {
	b.limit()
	if b.http2 {
		io.CopyN(io.Discard, b, maxIgnored)
	}
}

// maxIgnored bounds what is read of a body without meaning, as net/http does with HTTP/1.1.
const maxIgnored = 256 << 10

// parseBody reads the XML body of a request; nil without error means that there is none.
func (h *Handler) parseBody(q *request) (*davxml.Element, error) {
	if q.body.ended {
		return nil, nil
	}
	if err := h.tooLarge(q); err != nil {
		return nil, err
	}
	q.body.limit()
	root, err := h.readXML(q)
	if errors.Is(err, davxml.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, xmlError(err)
	}
	return root, nil
}

// tooLarge refuses a body for the length that its head announces.
func (h *Handler) tooLarge(q *request) error {
	if q.ContentLength > h.maxXML {
		return &multistatus.Error{Status: http.StatusRequestEntityTooLarge}
	}
	return nil
}

// readXML reads a body. Of what is sent with a PROPPATCH there is hardly ever the same again.
func (h *Handler) readXML(q *request) (*davxml.Element, error) {
	n := q.ContentLength
	if n < 0 || n > min(copySize, h.maxXML) || q.Method == "PROPPATCH" {
		return davxml.Parse(http.MaxBytesReader(q.w, io.NopCloser(&q.body), h.maxXML), nil)
	}
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	if err := q.body.fill(buf[:n]); err != nil {
		return nil, err
	}
	return h.parsed.parse(buf[:n])
}

// noBody makes sure that the request has no body where one would have a meaning that this server does not know
// (RFC 4918 §9.3: 415). What a Content-Type says of an empty body does not matter: some clients send one.
func (q *request) noBody() error {
	if err := q.noLength(); err != nil {
		return err
	}
	q.body.limit()
	switch n, err := io.ReadFull(&q.body, q.body.one[:]); {
	case n > 0:
		return errBody
	case err != io.EOF:
		return err
	}
	return nil
}

// noLength is noBody as far as the head tells.
func (q *request) noLength() error {
	if q.ContentLength > 0 {
		return errBody
	}
	return nil
}

var errBody = plain(http.StatusUnsupportedMediaType, "A body has no meaning here.")

// oldBody makes sure that a COPY or MOVE has no body but the DAV:propertybehavior of RFC 2518 §12.12, which old clients
// send and which asks for what is done anyway (§8.4: anything else is 415).
func (h *Handler) oldBody(q *request) error {
	root, err := h.parseBody(q)
	if errors.Is(err, davxml.ErrMalformed) || errors.Is(err, davxml.ErrCharset) ||
		root != nil && !isDAV(root, "propertybehavior") {
		return errBody
	}
	return err
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
	forms, named := 0, false
	var include []xml.Name
	for _, c := range root.Children {
		switch {
		case isDAV(c, "prop"):
			q.Kind = props.Prop
			if !named { // a second one goes on with the first: Emacs' url-dav sends two
				named = true
				forms++
			}
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

// parseUpdate reads a DAV:propertyupdate (§14.19): the changes in document order, of which there may be none (§14.18: prop is ANY).
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
