package davtest

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"dav207/server/davxml"
	"dav207/server/multistatus"
)

// persona is the dialect of another server, as differences that are made in their order.
type persona struct {
	name        string
	differences []difference
}

// difference is one way in which another server answers differently. A persona changes what a
// client sees and sends, not what a request does to the tree, unless the request is refused.
type difference struct {
	about  string
	source string // where it was seen
	// asked changes the request before the server has it, or refuses it with a status other than 0.
	asked func(*question) int
	// answered changes the answer.
	answered effect
}

// effect changes an answer.
type effect func(*answer)

// question is a request, as its persona changed it.
type question struct {
	*http.Request
	collection bool         // the Request-URI is that of a collection
	exists     bool         // or of any resource
	body       bytes.Buffer // of a PROPFIND
	server     *Server
}

// answer is the answer to a question, before it is sent.
type answer struct {
	*question
	status    int
	header    http.Header
	responses []multistatus.Response // of a multistatus
	multi     bool                   // the body is a multistatus
	body      []byte                 // otherwise
	dialect   dialect
}

// dialect is how the XML of a server is written.
type dialect struct {
	declaration string
	prefix      string            // of DAV:
	root        string            // attributes of the root after the declaration of DAV:
	live        map[string]string // other prefixes of DAV:, for properties
	statusFirst bool              // in a propstat
	reason      string            // of all statuses of propstats but 200
}

// Personas returns the names for Options.Persona and SetPersona, sorted.
func Personas() []string { return slices.Sorted(maps.Keys(personas)) }

// SetPersona makes the server answer in the dialect of another one, from the next request on. "" is
// the server's own.
func (s *Server) SetPersona(name string) error {
	differences, known := personas[name]
	if !known && name != "" {
		return fmt.Errorf("there is no persona %q: they are %s", name, strings.Join(Personas(), ", "))
	}
	s.persona.Store(&persona{name, differences})
	return nil
}

// Persona returns the name of the persona, or "".
func (s *Server) Persona() string { return s.persona.Load().name }

// asPersona serves requests in the dialect of the persona.
func (s *Server) asPersona(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := s.persona.Load()
		if len(p.differences) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		r = r.WithContext(r.Context())
		r.Header = r.Header.Clone()
		r.Header.Del("Accept") // all of them answer in XML
		q := &question{Request: r, server: s}
		if name := pathOf(r.URL, s.prefix); name != "" {
			info, err := s.files.Stat(name)
			q.exists, q.collection = err == nil, err == nil && info.IsDir()
		}
		if r.Method == "PROPFIND" && r.Body != nil && r.Body != http.NoBody {
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.TeeReader(r.Body, &q.body), r.Body}
		}
		inner := next
		if status := p.asked(q); status != 0 {
			inner = s.authenticate(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		}
		pw := &personaWriter{ResponseWriter: w, persona: p, question: q}
		inner.ServeHTTP(pw, r)
		pw.end()
	})
}

// asked changes the request, and returns the status with which it is refused, or 0.
func (p *persona) asked(q *question) int {
	for _, d := range p.differences {
		if d.asked != nil {
			if status := d.asked(q); status != 0 {
				return status
			}
		}
	}
	return 0
}

// ownToken returns the lock token of the server that clients know by this token.
func (p *persona) ownToken(token string) string {
	r := &http.Request{Header: http.Header{"Lock-Token": {"<" + token + ">"}}}
	p.asked(&question{Request: r})
	return strings.Trim(r.Header.Get("Lock-Token"), "<>")
}

// personaWriter is the ResponseWriter of a question. It holds the answer back, but for the content
// of a GET.
type personaWriter struct {
	http.ResponseWriter
	persona  *persona
	question *question
	answer   *answer // nil before the final status
	streams  bool    // the answer has begun
	replaced bool    // what the server writes is dropped
}

// Unwrap is called by http.ResponseController.
func (w *personaWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *personaWriter) WriteHeader(status int) {
	if status < 200 {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.answer != nil {
		return
	}
	w.answer = &answer{question: w.question, status: status, header: w.Header(), dialect: dialect{prefix: "D"}}
	if m := w.question.Method; m != http.MethodGet && m != http.MethodHead || status >= 400 {
		return
	}
	w.answer.change(w.persona)
	if w.streams = w.answer.status == status; w.streams {
		w.ResponseWriter.WriteHeader(status)
	}
	w.replaced = !w.streams
}

// Write implements http.ResponseWriter.
func (w *personaWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	switch {
	case w.streams:
		return w.ResponseWriter.Write(p)
	case !w.replaced:
		w.answer.body = append(w.answer.body, p...)
	}
	return len(p), nil
}

// FlushError is called by http.ResponseController.
func (w *personaWriter) FlushError() error {
	if !w.streams {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// end sends the answer that was held back.
func (w *personaWriter) end() {
	w.WriteHeader(http.StatusOK)
	if w.streams {
		return
	}
	a := w.answer
	if !w.replaced {
		if a.status == http.StatusMultiStatus {
			var err error
			a.responses, err = multistatus.Decode(bytes.NewReader(a.body))
			a.multi = err == nil // what is none stays as it is
		}
		a.change(w.persona)
	}
	a.send(w.ResponseWriter)
}

func (a *answer) change(p *persona) {
	for _, ours := range []string{"Cache-Control", "Vary"} {
		a.set(ours)
	}
	for _, d := range p.differences {
		if d.answered != nil {
			d.answered(a)
		}
	}
}

func (a *answer) send(w http.ResponseWriter) {
	body := a.body
	if a.multi {
		body = a.dialect.multistatus(a.responses)
	} else if a.header.Get("Content-Type") == multistatus.ContentType {
		body = a.dialect.document(body)
	}
	a.header.Del("Content-Length")
	if a.status == http.StatusNoContent || a.Method == http.MethodHead {
		w.WriteHeader(a.status)
		return
	}
	a.header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	w.Write(body)
}

// plain replaces a multistatus by a status without a body; 0 is that of the first failure.
func (a *answer) plain(status int) {
	for _, r := range a.responses {
		if status == 0 && r.Status >= 400 {
			status = r.Status
		}
	}
	if status == 0 {
		status = http.StatusInternalServerError
	}
	a.status = status
	a.replaceBody("", "")
}

// replaceBody replaces the body. "" is none.
func (a *answer) replaceBody(contentType, body string) {
	a.multi, a.body = false, []byte(body)
	a.set("Content-Type")
	if body != "" {
		a.set("Content-Type", contentType)
	}
}

// set sets a field of the header, as it is spelled, or removes it if there are no values.
func (a *answer) set(name string, values ...string) {
	maps.DeleteFunc(a.header, func(key string, _ []string) bool { return strings.EqualFold(key, name) })
	if len(values) > 0 {
		a.header[name] = values
	}
}

// tag returns the entity tag in the header, or "".
func (a *answer) tag() string {
	for key, values := range a.header {
		if strings.EqualFold(key, "ETag") && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// wants reports whether a PROPFIND names the property, and whether it is for all properties.
func (a *answer) wants(name string) (named, all bool) {
	root, err := davxml.Parse(bytes.NewReader(a.question.body.Bytes()), nil)
	if err != nil {
		return false, true // no body is allprop (RFC 4918 §9.1)
	}
	for _, list := range []string{"prop", "include"} {
		if e := root.Child(multistatus.Namespace, list); e != nil && e.Child(multistatus.Namespace, name) != nil {
			named = true
		}
	}
	return named, root.Child(multistatus.Namespace, "allprop") != nil
}

// find returns the propstat of a property, and its index there, or nil.
func find(r *multistatus.Response, name string) (*multistatus.Propstat, int) {
	for i := range r.Propstat {
		if j := slices.IndexFunc(r.Propstat[i].Prop, func(p multistatus.Property) bool { return p.XMLName == davName(name) }); j >= 0 {
			return &r.Propstat[i], j
		}
	}
	return nil, -1
}

// found returns the property of a response that has the status 200, or nil.
func found(r *multistatus.Response, name string) *multistatus.Property {
	ps, i := find(r, name)
	if ps == nil || ps.Status != http.StatusOK {
		return nil
	}
	return &ps.Prop[i]
}

// move moves a property, which may not be there, to the propstat with a status; 0 is none. It
// drops a propstat that is empty then.
func move(r *multistatus.Response, name, value string, status int) {
	if ps, i := find(r, name); ps != nil {
		ps.Prop = slices.Delete(ps.Prop, i, i+1)
	}
	if status != 0 {
		i := slices.IndexFunc(r.Propstat, func(ps multistatus.Propstat) bool { return ps.Status == status })
		if i < 0 {
			i = len(r.Propstat)
			r.Propstat = append(r.Propstat, multistatus.Propstat{Status: status})
		}
		r.Propstat[i].Prop = append(r.Propstat[i].Prop, multistatus.Property{XMLName: davName(name), InnerXML: []byte(value)})
	}
	r.Propstat = slices.DeleteFunc(r.Propstat, func(ps multistatus.Propstat) bool { return len(ps.Prop) == 0 })
}

func davName(local string) xml.Name { return xml.Name{Space: multistatus.Namespace, Local: local} }

const davDeclaration = `xmlns:D="DAV:"`

// multistatus returns the document in the dialect.
func (d *dialect) multistatus(responses []multistatus.Response) []byte {
	b := []byte(`<?xml version="1.0" encoding="utf-8"?>` + "\n" + `<D:multistatus ` + davDeclaration + `>`)
	for i := range responses {
		r := &responses[i]
		b = append(b, "<D:response>"...)
		b = append(davxml.EscapeText(append(b, "<D:href>"...), r.Href), "</D:href>"...)
		if len(r.Propstat) == 0 {
			b = append(b, outcome(r.Status, r.Error, r.Description)...)
		}
		for j := range r.Propstat {
			b = d.appendPropstat(b, &r.Propstat[j])
		}
		b = append(b, "</D:response>"...)
	}
	return d.document(append(b, "</D:multistatus>"...))
}

func (d *dialect) appendPropstat(b []byte, ps *multistatus.Propstat) []byte {
	result := outcome(ps.Status, ps.Error, ps.Description)
	if d.reason != "" && ps.Status != http.StatusOK {
		result = strings.Replace(result, http.StatusText(ps.Status), d.reason, 1)
	}
	b = append(b, "<D:propstat>"...)
	if d.statusFirst {
		b = append(b, result...)
	}
	b = append(b, "<D:prop>"...)
	for i := range ps.Prop {
		b = d.appendProperty(b, &ps.Prop[i])
	}
	b = append(b, "</D:prop>"...)
	if !d.statusFirst {
		b = append(b, result...)
	}
	return append(b, "</D:propstat>"...)
}

// appendProperty appends a property, whose name has its prefix. Decode returned it, or it is ours:
// its name is one.
func (d *dialect) appendProperty(b []byte, p *multistatus.Property) []byte {
	whole, _ := multistatus.AppendProperty(nil, p)
	prefix := d.live[p.XMLName.Local]
	if prefix == "" || p.XMLName.Space != multistatus.Namespace {
		return append(b, whole...)
	}
	inner, hasEnd := bytes.CutSuffix(whole, []byte("</D:"+p.XMLName.Local+">"))
	b = append(append(b, "<"+prefix+":"...), inner[len("<D:"):]...)
	if hasEnd {
		b = append(b, "</"+prefix+":"+p.XMLName.Local+">"...)
	}
	return b
}

// outcome returns the status, the condition and the description of a response or a propstat.
func outcome(status int, c *multistatus.Condition, description string) string {
	b := string(multistatus.XML.AppendPropstatEnd(nil, status, c, description))
	return strings.TrimSuffix(strings.TrimPrefix(b, "</D:prop>"), "</D:propstat>")
}

// document returns a document of the server in the dialect: with its declaration, and the prefix in
// place of D. Where a value may still use D it stays declared.
func (d *dialect) document(b []byte) []byte {
	if _, after, declared := bytes.Cut(b, []byte("?>\n")); declared && d.declaration != "" {
		b = append([]byte(d.declaration), after...)
	}
	root := davDeclaration + d.root
	if d.prefix != "D" {
		b = bytes.ReplaceAll(b, []byte("<D:"), []byte("<"+d.prefix+":"))
		b = bytes.ReplaceAll(b, []byte("</D:"), []byte("</"+d.prefix+":"))
		root = "xmlns:" + d.prefix + `="DAV:"` + d.root
		if bytes.Contains(b, []byte("D:")) {
			root += " " + davDeclaration
		}
	}
	return bytes.Replace(b, []byte(davDeclaration), []byte(root), 1)
}
