package davtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"dav207/server/multistatus"
)

// Response is an answer of the server, read to its end.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte
	// Responses are the members of a 207, in document order.
	Responses []multistatus.Response
	// Condition is the one in the body of a plain status, a DAV:error (RFC 4918 §16) or a problem
	// in JSON, or nil.
	Condition *multistatus.Condition
	// Err is not nil if the body is truncated. The server closes the connection when it cannot
	// complete a multistatus.
	Err error
}

// Lock takes an exclusive write lock on the resource called name and returns its token. headers are
// lines as for Do, such as "Depth: 0" (the default is infinity) or "Timeout: Second-10". If the
// name is unmapped, LOCK creates an empty file.
func (s *Server) Lock(name string, headers ...string) (token string) {
	s.t.Helper()
	r := s.Send("LOCK", name, lockInfo, headers...)
	if r.StatusCode != http.StatusOK && r.StatusCode != http.StatusCreated {
		s.t.Fatalf("davtest: LOCK %s = %v", name, r)
	}
	token = strings.Trim(r.Header.Get("Lock-Token"), "<>")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setup[s.persona.Load().ownToken(token)] = true
	return token
}

const lockInfo = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`

// Do sends a request without a body. name is the decoded name of a resource, without the server's
// prefix; headers are lines such as "Depth: 0". It fails the test if there is no answer, or if a
// 207 violates RFC 4918 §14.
func (s *Server) Do(method, name string, headers ...string) *Response {
	s.t.Helper()
	return s.Send(method, name, "", headers...)
}

// Send is Do with a body.
func (s *Server) Send(method, name, body string, headers ...string) *Response {
	s.t.Helper()
	target := s.URL + (&url.URL{Path: s.prefix + name}).EscapedPath()
	req, err := http.NewRequestWithContext(s.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		s.t.Fatalf("davtest: %v", err)
	}
	for _, h := range headers {
		key, value, ok := strings.Cut(h, ":")
		if !ok {
			s.t.Fatalf("davtest: header %q has no colon", h)
		}
		if value = strings.TrimSpace(value); strings.EqualFold(key, "Host") {
			req.Host = value
		} else {
			req.Header.Add(key, value)
		}
	}
	res, err := s.Client().Do(req)
	if err != nil {
		s.t.Fatalf("davtest: %v", err)
	}
	defer res.Body.Close()
	r := &Response{StatusCode: res.StatusCode, Header: res.Header}
	r.Body, r.Err = io.ReadAll(res.Body)
	if err := r.decode(); err != nil && r.Err == nil {
		s.t.Errorf("davtest: the body of %s %s is malformed: %v\n%s", method, name, err, r.Body)
	}
	return r
}

func (r *Response) decode() (err error) {
	body := bytes.NewReader(r.Body)
	switch contentType := r.Header.Get("Content-Type"); {
	case r.StatusCode == http.StatusMultiStatus && contentType == multistatus.ContentTypeJSON:
		r.Responses, err = multistatus.DecodeJSON(body)
	case r.StatusCode == http.StatusMultiStatus:
		r.Responses, err = multistatus.Decode(body)
	case r.StatusCode < 400 || len(r.Body) == 0:
	case contentType == multistatus.ContentType:
		r.Condition, err = multistatus.DecodeError(body)
	case contentType == multistatus.ContentTypeProblem:
		var e *multistatus.Error
		if e, err = multistatus.DecodeProblem(body); err == nil {
			r.Condition = e.Condition
		}
	}
	return err
}

// Statuses returns the status of each href of a 207. For a resource with propstats that is their
// common status, or 207 if they differ.
func (r *Response) Statuses() map[string]int {
	out := make(map[string]int, len(r.Responses))
	for _, m := range r.Responses {
		out[m.Href] = m.Status
		for i, ps := range m.Propstat {
			if i > 0 && ps.Status != out[m.Href] {
				out[m.Href] = http.StatusMultiStatus
				break
			}
			out[m.Href] = ps.Status
		}
	}
	return out
}

// String returns the whole outcome in one line: the status with its condition, then each response
// of a 207 with its status, or with the properties of each propstat:
//
//	423 lock-token-submitted(/c/)
//	207 /c/1=403 /c/3=423 lock-token-submitted(/c/3)
//	207 /f=200[getetag]404[color]
func (r *Response) String() string {
	var b strings.Builder
	fmt.Fprint(&b, r.StatusCode)
	condition(&b, r.Condition)
	for _, m := range r.Responses {
		fmt.Fprintf(&b, " %s=", m.Href)
		if m.Status != 0 {
			fmt.Fprint(&b, m.Status)
		}
		for _, ps := range m.Propstat {
			fmt.Fprint(&b, ps.Status, "[")
			for i, p := range ps.Prop {
				if i > 0 {
					b.WriteByte(' ')
				}
				b.WriteString(p.XMLName.Local)
			}
			b.WriteByte(']')
			condition(&b, ps.Error)
		}
		condition(&b, m.Error)
	}
	if r.Err != nil {
		b.WriteString(" and broke off")
	}
	return b.String()
}

func condition(b *strings.Builder, c *multistatus.Condition) {
	if c == nil {
		return
	}
	b.WriteString(" " + c.Name.Local)
	if len(c.Hrefs) > 0 {
		b.WriteString("(" + strings.Join(c.Hrefs, " ") + ")")
	}
}
