package batch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"dav207/server/multistatus"
	"dav207/server/reqbody"
)

// envelope is a batch that was read and checked. If it is large it holds of each item only what
// orders them.
type envelope struct {
	body  spool
	plain bool // the shape with operations and results
	items []item
	order []int // in which the items run
}

// item is an item of an envelope.
type item struct {
	section
	id        string // "" for none
	needs     []int  // the items that it depends on
	condition condition
	op        *operation // nil if the body is in a temp file
}

// operation is an item as it is sent.
type operation struct {
	id, method, url string
	header          http.Header
	body            json.RawMessage // nil for none
	base64          bool
	dependsOn       []string
	condition       string
}

// The bounds on what is kept of each item, or read at once.
const (
	maxID     = 256      // the bytes of an id
	maxMember = 64 << 10 // the bytes of a member but the body; the head of a request has as many
	maxNeeds  = 64       // the dependencies of an item, on average
)

// readEnvelope reads the body of a batch and checks all of it. The caller must close the body of
// the envelope, also after an error, if it is not nil.
func (h *Handler) readEnvelope(r *http.Request, body *reqbody.Reader) (*envelope, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	coding := r.Header.Get("Content-Encoding")
	if charset := params["charset"]; err != nil || media != multistatus.ContentTypeJSON || coding != "" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		// A page of another site cannot send this type without asking the server first (Fetch
		// Standard, CORS-safelisted request-header).
		return nil, &multistatus.Error{Status: http.StatusUnsupportedMediaType, Err: err, Description: "A batch is sent as application/json, without a content coding."}
	}
	if r.ContentLength > h.MaxBytes {
		return nil, tooLarge("The batch has %d bytes, and at most %d are allowed.", r.ContentLength, h.MaxBytes)
	}
	e := &envelope{}
	n, err := reqbody.Copy(&e.body, io.LimitReader(body, h.MaxBytes+1))
	switch {
	case err != nil:
		return e, err
	case n > h.MaxBytes:
		return e, tooLarge("The batch has more than the %d bytes that are allowed.", h.MaxBytes)
	}
	if n > spoolMemory {
		if err := h.acquire(r.Context()); err != nil {
			return e, err
		}
		defer h.release()
	}
	return e, h.parse(e)
}

// tooLarge returns the error for an envelope beyond a limit.
func tooLarge(format string, args ...any) error {
	return &multistatus.Error{Status: http.StatusRequestEntityTooLarge, Description: fmt.Sprintf(format, args...)}
}

// malformed returns the error for an envelope that cannot be run.
func malformed(format string, args ...any) error {
	return &multistatus.Error{Status: http.StatusBadRequest, Description: fmt.Sprintf(format, args...)}
}

// parser parses an envelope.
type parser struct {
	*json.Decoder
	h          *Handler
	e          *envelope
	dependsOn  [][]string // of each item
	conditions []string   // of each item
	needs      int        // the number of ids in dependsOn
}

// parse parses e.body, and checks it.
func (h *Handler) parse(e *envelope) error {
	p := &parser{Decoder: json.NewDecoder(io.NewSectionReader(&e.body, 0, e.body.size)), h: h, e: e}
	err := p.envelope()
	switch {
	case err == nil:
		return e.link(p.dependsOn, p.conditions)
	case errors.As(err, new(*multistatus.Error)):
		return err
	case strings.Contains(err.Error(), "exceeded max depth"): // encoding/json has no value for it
		return h.tooDeep()
	}
	return &multistatus.Error{Status: http.StatusBadRequest, Err: err,
		Description: fmt.Sprintf("The batch is not valid JSON, at byte %d.", p.InputOffset())}
}

// envelope parses the object around the list of items.
func (p *parser) envelope() error {
	if err := p.delim('{'); err != nil {
		return err
	}
	found := false
	for p.More() {
		name, err := p.Token()
		switch {
		case err != nil:
			return err
		case name != "requests" && name != "operations":
			return malformed("The batch has a member %q: it has one, requests or operations.", name)
		case found:
			return malformed("The batch has a second list, %s.", name)
		}
		found, p.e.plain = true, name == "operations"
		if err := p.list(); err != nil {
			return err
		}
	}
	if err := p.delim('}'); err != nil {
		return err
	}
	if _, err := p.Token(); err != io.EOF {
		return malformed("More follows the batch, at byte %d.", p.InputOffset())
	}
	if !found {
		return malformed("The batch has neither requests nor operations.")
	}
	return nil
}

// list parses the list of items.
func (p *parser) list() error {
	if err := p.delim('['); err != nil {
		return err
	}
	var raw json.RawMessage
	for p.More() {
		i := len(p.e.items)
		if i == p.h.MaxItems {
			return tooLarge("The batch has more than the %d items that are allowed.", p.h.MaxItems)
		}
		raw = raw[:0]
		if err := p.Decode(&raw); err != nil {
			return err
		}
		op, err := p.h.parseItem(raw, i, p.e.plain)
		if err != nil {
			return err
		}
		p.e.items = append(p.e.items, item{section: section{p.InputOffset() - int64(len(raw)), int64(len(raw))}, id: op.id})
		if p.e.body.file == nil {
			p.e.items[i].op = op
		}
		p.dependsOn, p.conditions = append(p.dependsOn, op.dependsOn), append(p.conditions, op.condition)
		if p.needs += len(op.dependsOn); p.needs > maxNeeds*p.h.MaxItems {
			return tooLarge("The items of the batch have more than %d dependencies.", maxNeeds*p.h.MaxItems)
		}
	}
	return p.delim(']')
}

// delim reads a delimiter.
func (p *parser) delim(want json.Delim) error {
	t, err := p.Token()
	if err == nil && t != want {
		err = malformed("The batch has no %q where one is expected, at byte %d.", want.String(), p.InputOffset())
	}
	return err
}

func (h *Handler) tooDeep() error {
	return tooLarge("The batch is nested deeper than the %d levels that are allowed.", h.MaxDepth)
}

// parseItem parses item number i of an envelope. raw is valid JSON.
func (h *Handler) parseItem(raw []byte, i int, plain bool) (*operation, error) {
	switch err := checkText(raw, h.MaxDepth-2); { // the envelope and its list are two levels
	case err == errDepth:
		return nil, h.tooDeep()
	case err != nil:
		return nil, malformed("Item %d has a string that is not Unicode.", i)
	}
	op := &operation{}
	seen := map[string]bool{}
	err := eachMember(raw, func(name string, value json.RawMessage) error {
		if string(value) == "null" { // OData JSON Format §19.1: equivalent to none
			value = nil
		}
		if seen[name] {
			return malformed("Item %d has the member %q twice.", i, name)
		}
		if seen[name] = true; value == nil {
			return nil
		}
		return op.setMember(i, name, value)
	})
	switch {
	case errors.Is(err, errNoObject):
		return nil, malformed("Item %d is not an object.", i)
	case err != nil:
		return nil, err
	case op.method == "" || op.url == "":
		return nil, malformed("Item %d lacks a method or a url.", i)
	case op.id == "" && !plain:
		return nil, malformed("Item %d lacks an id.", i)
	case len(op.id) > maxID:
		return nil, malformed("The id of item %d has more than %d bytes.", i, maxID)
	}
	return op, nil
}

// setMember sets a member of item number i. It refuses unknown ones: one of them may be dependsOn,
// misspelled.
func (op *operation) setMember(i int, name string, value json.RawMessage) error {
	if name != "body" && len(value) > maxMember {
		return tooLarge("The member %q of item %d has more than %d bytes.", name, i, maxMember)
	}
	var to any
	switch name {
	case "id":
		to = &op.id
	case "method":
		to = &op.method
	case "url":
		to = &op.url
	case "dependsOn":
		to = &op.dependsOn
	case "if":
		to = &op.condition
	case "base64":
		to = &op.base64
	case "body":
		op.body = value
		return nil
	case "headers":
		return op.setHeaders(i, value)
	case "atomicityGroup":
		return &multistatus.Error{Status: http.StatusNotImplemented,
			Description: fmt.Sprintf("Item %d has an atomicityGroup: this server cannot undo what a request has done.", i)}
	default:
		return malformed("Item %d has a member %q, which is not known.", i, name)
	}
	if json.Unmarshal(value, to) != nil {
		return malformed("The member %q of item %d has the wrong type.", name, i)
	}
	return nil
}

// setHeaders sets the headers of item number i.
func (op *operation) setHeaders(i int, value json.RawMessage) error {
	op.header = http.Header{}
	err := eachMember(value, func(name string, value json.RawMessage) error {
		canonical, text := http.CanonicalHeaderKey(name), ""
		if op.header[canonical] != nil || json.Unmarshal(value, &text) != nil {
			return malformed("The header %q of item %d is not one string.", name, i)
		}
		op.header[canonical] = []string{strings.Trim(text, " \t")}
		return nil
	})
	if errors.Is(err, errNoObject) {
		return malformed("The headers of item %d are not an object.", i)
	}
	return err
}

// link resolves the ids of dependencies and conditions, and orders the items.
func (e *envelope) link(dependsOn [][]string, conditions []string) error {
	index := make(map[string]int, len(e.items))
	for i, it := range e.items {
		if _, twice := index[it.id]; twice {
			return malformed("The id %q is that of two items.", it.id)
		}
		if it.id != "" {
			index[it.id] = i
		}
	}
	for i, ids := range dependsOn {
		it := &e.items[i]
		needs := map[string]int{}
		for _, id := range ids {
			n, ok := index[id]
			if !ok {
				return malformed("Item %d depends on the id %q, which no item has.", i, id)
			}
			needs[id] = n
			it.needs = append(it.needs, n)
		}
		var err error
		if it.condition, err = parseCondition(conditions[i], needs); err != nil {
			return malformed("The if of item %d is not understood: it may have $ID/$succeeded of ids in dependsOn, not, and, or, parentheses.", i)
		}
	}
	return e.sort()
}

// sort sets the order: that of the envelope, but an item that another one needs comes before it.
func (e *envelope) sort() error {
	const waiting, done = 1, 2
	state := make([]uint8, len(e.items))
	var visit func(i int) error
	visit = func(i int) error {
		switch state[i] {
		case waiting:
			return malformed("The item with the id %q depends on itself.", e.items[i].id)
		case done:
			return nil
		}
		state[i] = waiting
		for _, n := range e.items[i].needs {
			if err := visit(n); err != nil {
				return err
			}
		}
		state[i] = done
		e.order = append(e.order, i)
		return nil
	}
	for i := range e.items {
		if err := visit(i); err != nil {
			return err
		}
	}
	return nil
}
