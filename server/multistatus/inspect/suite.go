package inspect

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"dav207/server/multistatus"
)

// Row is a row of the table of Suite: what one request has shown.
type Row struct {
	What      string // what was asked for
	Answer    string // the status, with the condition
	Supported string // yes, no, or what the server says of itself
	Outcome   Outcome
	Findings  []multistatus.Finding
}

// The rules of Suite, beside those of Judge.
var (
	ruleClass      = &multistatus.Rule{Name: "dav-field", Section: "RFC 4918 §10.1", Text: "the answer to OPTIONS has DAV with class 1"}
	ruleMissing    = &multistatus.Rule{Name: "missing-resource", Section: "RFC 9110 §15.5.5", Text: "what is not there is 404"}
	ruleMalformed  = &multistatus.Rule{Name: "malformed-request", Section: "RFC 4918 §8.2", Text: "a body that is not well-formed is 400"}
	ruleUnknown    = &multistatus.Rule{Name: "unknown-property", Section: "RFC 4918 §9.1", Text: "a property that is not there is 404 in a propstat"}
	rulePropname   = &multistatus.Rule{Name: "propname-values", Section: "RFC 4918 §9.1", Text: "propname is answered with names and no values"}
	ruleInfinity   = &multistatus.Rule{Name: "infinite-depth", Section: "RFC 4918 §9.1.1", Text: "Depth: infinity is answered, or 403 with propfind-finite-depth", Advice: true}
	ruleSameETag   = &multistatus.Rule{Name: "etag-differs", Section: "RFC 4918 §15.6", Text: "getetag is the ETag of GET"}
	ruleSameLength = &multistatus.Rule{Name: "length-differs", Section: "RFC 4918 §15.4", Text: "getcontentlength is the Content-Length of GET"}
	ruleHead       = &multistatus.Rule{Name: "head-differs", Section: "RFC 9110 §9.3.2", Text: "HEAD has the header fields of GET", Advice: true}
	ruleCondition  = &multistatus.Rule{Name: "if-none-match", Section: "RFC 9110 §13.1.2", Text: "GET with If-None-Match and the entity tag of the resource is 304"}
)

// suite is a run of Suite.
type suite struct {
	ctx  context.Context
	base *Request
	rows []Row
	file *multistatus.Member // a file that the listing has, nil for none
}

// Suite asks a server for what it supports, by requests that change nothing, and returns what each
// has shown. The URL of base is that of a collection; its header fields are those of each request.
func Suite(ctx context.Context, base *Request) []Row {
	collection, target := *base, *base.URL
	if !strings.HasSuffix(target.Path, "/") {
		target.Path, target.RawPath = target.Path+"/", ""
	}
	collection.URL = &target
	s := &suite{ctx: ctx, base: &collection}
	s.options()
	if last := s.rows[len(s.rows)-1]; last.Outcome == Transport {
		return s.rows
	}
	s.propfind()
	s.refusals()
	s.extensions()
	if s.file != nil {
		s.content()
	}
	return s.rows
}

// row is the answer to a request, before it is a Row.
type row struct {
	*Exchange
	*Report
	Row
}

// found adds a finding of a rule of Suite.
func (r *row) found(rule *multistatus.Rule, format string, args ...any) {
	r.Row.Findings = append(r.Row.Findings, multistatus.Finding{Rule: rule, Href: r.What, Text: fmt.Sprintf(format, args...)})
}

// ask sends a request and adds its row. judge says whether the server supports what was asked for,
// and adds findings; nil is whether the status is that of success.
func (s *suite) ask(what, method, href, body string, fields []string, judge func(r *row) bool) *row {
	header := s.base.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		header.Set(name, value)
	}
	if body != "" {
		header.Set("Content-Type", multistatus.ContentType)
	}
	r := &row{Row: Row{What: what}}
	target, err := s.base.URL.Parse(href)
	if err != nil {
		return r
	}
	r.Exchange = Send(s.ctx, &Request{Method: method, URL: target, Header: header, Body: []byte(body), Timeout: s.base.Timeout, Transport: s.base.Transport})
	r.Report = Judge(r.Exchange, 0)
	r.Answer = strconv.Itoa(r.Status)
	if r.Status == 0 {
		r.Answer = "none"
	}
	if r.Condition != nil {
		r.Answer += " " + multistatus.NameString(r.Condition.Name)
	}
	for _, f := range r.Report.Findings {
		f.Href = strings.TrimSuffix(what+" "+f.Href, " ")
		r.Row.Findings = append(r.Row.Findings, f)
	}
	supported := r.Status >= 200 && r.Status < 300
	if judge != nil {
		supported = judge(r)
	}
	if r.Supported == "" {
		r.Supported = map[bool]string{true: "yes", false: "no"}[supported]
	}
	switch {
	case r.Err != nil && r.Err != errTooLong:
		r.Row.Outcome, r.Answer, r.Supported = Transport, r.Answer+" "+r.Err.Error(), "?"
	case slices.ContainsFunc(r.Row.Findings, func(f multistatus.Finding) bool { return !f.Advice }):
		r.Row.Outcome = Broken
	}
	s.rows = append(s.rows, r.Row)
	return r
}

func (s *suite) options() {
	s.ask("OPTIONS", "OPTIONS", "", "", nil, func(r *row) bool {
		classes := strings.Join(r.Header.Values("DAV"), ", ")
		if r.Err == nil && r.Status < 300 && !lists(classes, "1") {
			r.found(ruleClass, "DAV is %.60q", classes)
		}
		r.Supported = classes
		return false
	})
	s.ask("OPTIONS for a page of another origin", "OPTIONS", "", "", []string{"Origin: https://dav207.example",
		"Access-Control-Request-Method: PROPFIND", "Access-Control-Request-Headers: depth"}, func(r *row) bool {
		// That a server lets no page in is a choice.
		r.Row.Findings = slices.DeleteFunc(r.Row.Findings, func(f multistatus.Finding) bool {
			return f.Name == "cors" && r.Header.Get("Access-Control-Allow-Methods") == ""
		})
		return lists(strings.Join(r.Header.Values("Access-Control-Allow-Methods"), ","), "PROPFIND")
	})
}

const named = `<propfind xmlns="DAV:"><prop><resourcetype/><getetag/><getlastmodified/><getcontentlength/></prop></propfind>`

func (s *suite) propfind() {
	s.ask("PROPFIND, Depth: 0, allprop", "PROPFIND", "", "", []string{"Depth: 0"}, isMultistatus)
	s.ask("PROPFIND, Depth: 0, propname", "PROPFIND", "", `<propfind xmlns="DAV:"><propname/></propfind>`, []string{"Depth: 0"}, func(r *row) bool {
		for p := range properties(r, http.StatusOK) {
			if p.Text() != "" {
				r.found(rulePropname, "%s has a value", multistatus.NameString(p.XMLName))
				break
			}
		}
		return isMultistatus(r)
	})
	s.ask("PROPFIND of an unknown property", "PROPFIND", "", `<propfind xmlns="DAV:"><prop><x xmlns="https://dav207.example/"/></prop></propfind>`,
		[]string{"Depth: 0"}, func(r *row) bool {
			for range properties(r, http.StatusNotFound) {
				return true
			}
			if isMultistatus(r) {
				r.found(ruleUnknown, "there is no 404")
			}
			return false
		})
	listing := s.ask("PROPFIND, Depth: 1", "PROPFIND", "", named, []string{"Depth: 1"}, isMultistatus)
	if listing.Report != nil {
		s.file = s.firstFile(listing.Members)
	}
	s.ask("PROPFIND, Depth: infinity", "PROPFIND", "", `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, []string{"Depth: infinity"}, func(r *row) bool {
		refused := r.Condition != nil && r.Condition.Name.Local == multistatus.PropfindFiniteDepth
		if r.Err == nil && !isMultistatus(r) && !(r.Status == http.StatusForbidden && refused) {
			r.found(ruleInfinity, "it is %d", r.Status)
		}
		return isMultistatus(r)
	})
}

// firstFile returns the first file of a listing, or nil.
func (s *suite) firstFile(members []multistatus.Member) *multistatus.Member {
	for i := range members {
		m := &members[i]
		if p := property(m, "getcontentlength"); p != nil && !m.Failed(false) && !strings.HasSuffix(m.Href, "/") && s.holds(m.Href) {
			return m
		}
	}
	return nil
}

// holds reports whether the collection has what an href names. What a server says of others is not
// asked for: the credentials are not for them.
func (s *suite) holds(href string) bool {
	j := judge{Exchange: &Exchange{URL: s.base.URL}}
	r, ok := j.resource(href)
	self := resourceOf(s.base.URL)
	return ok && r.host == self.host && r.within(self)
}

// refusals asks for what no server may grant.
func (s *suite) refusals() {
	s.ask("PROPFIND of what is not there", "PROPFIND", "dav207-inspect-is-not-there", "", []string{"Depth: 0"}, func(r *row) bool {
		if r.Err == nil && r.Status != http.StatusNotFound {
			r.found(ruleMissing, "it is %d", r.Status)
		}
		return r.Status == http.StatusNotFound
	})
	s.ask("PROPFIND with malformed XML", "PROPFIND", "", `<propfind xmlns="DAV:"><prop>`, []string{"Depth: 0"}, func(r *row) bool {
		if r.Err == nil && r.Status != http.StatusBadRequest {
			r.found(ruleMalformed, "it is %d", r.Status)
		}
		return r.Status == http.StatusBadRequest
	})
}

// extensions asks for what is beyond RFC 4918.
func (s *suite) extensions() {
	for _, p := range []struct{ what, name string }{
		{"locks (RFC 4918 §15.10)", "supportedlock"},
		{"quota (RFC 4331)", "quota-used-bytes"},
		{"the current user (RFC 5397)", "current-user-principal"},
		{"access control (RFC 3744)", "current-user-privilege-set"},
		{"collection synchronization (RFC 6578)", "sync-token"},
		{"reports (RFC 3253 §3.1.5)", "supported-report-set"},
	} {
		s.ask(p.what, "PROPFIND", "", `<propfind xmlns="DAV:"><prop><`+p.name+`/></prop></propfind>`, []string{"Depth: 0"}, func(r *row) bool {
			for found := range properties(r, http.StatusOK) {
				return p.name != "supportedlock" || found.Text() != ""
			}
			return false
		})
	}
	s.ask("a 207 in JSON", "PROPFIND", "", named, []string{"Depth: 0", "Accept: application/json"}, func(r *row) bool {
		return r.JSON && r.Kind == multistatus.KindMultistatus
	})
}

// content asks for a file of the listing.
func (s *suite) content() {
	href := s.file.Href
	get := s.ask("GET of a file", "GET", href, "", nil, s.likeListing)
	if get.Exchange == nil || get.Status != http.StatusOK {
		return
	}
	s.ask("HEAD of a file", "HEAD", href, "", nil, func(r *row) bool {
		for _, name := range []string{"ETag", "Last-Modified", "Content-Type"} {
			if got, want := r.Header.Get(name), get.Header.Get(name); r.Err == nil && got != want {
				r.found(ruleHead, "%s is %.60q, and %.60q with GET", name, got, want)
			}
		}
		return r.Status == http.StatusOK
	})
	s.ask("GET of a range", "GET", href, "", []string{"Range: bytes=0-0"}, func(r *row) bool {
		return r.Status == http.StatusPartialContent || len(get.Body) == 0 && r.Status == http.StatusRequestedRangeNotSatisfiable
	})
	if etag := get.Header.Get("ETag"); etag != "" {
		s.ask("GET with If-None-Match", "GET", href, "", []string{"If-None-Match: " + etag}, func(r *row) bool {
			if r.Err == nil && r.Status != http.StatusNotModified {
				r.found(ruleCondition, "it is %d", r.Status)
			}
			return r.Status == http.StatusNotModified
		})
	}
}

// likeListing compares the answer to GET with what the listing says.
func (s *suite) likeListing(r *row) bool {
	if r.Err != nil || r.Status != http.StatusOK {
		return false
	}
	if p := property(s.file, "getetag"); p != nil && p.Text() != r.Header.Get("ETag") {
		r.found(ruleSameETag, "getetag is %.60q, ETag is %.60q", p.Text(), r.Header.Get("ETag"))
	}
	if p := property(s.file, "getcontentlength"); p.Text() != strconv.Itoa(len(r.Body)) {
		r.found(ruleSameLength, "getcontentlength is %.20q, the content has %d", p.Text(), len(r.Body))
	}
	return true
}

func isMultistatus(r *row) bool {
	return r.Status == http.StatusMultiStatus && r.Kind == multistatus.KindMultistatus
}

// properties yields the properties with a status.
func properties(r *row, status int) func(yield func(*multistatus.Property) bool) {
	return func(yield func(*multistatus.Property) bool) {
		for _, m := range r.Members {
			for _, ps := range m.Propstat {
				for i := range ps.Prop {
					if ps.Status == status && !yield(&ps.Prop[i]) {
						return
					}
				}
			}
		}
	}
}

// property returns a property that a member has, or nil.
func property(m *multistatus.Member, name string) *multistatus.Property {
	for _, ps := range m.Propstat {
		for i := range ps.Prop {
			if ps.Status == http.StatusOK && multistatus.NameString(ps.Prop[i].XMLName) == name {
				return &ps.Prop[i]
			}
		}
	}
	return nil
}

// Worst returns the worst outcome of the rows.
func Worst(rows []Row) Outcome {
	worst := Well
	for _, r := range rows {
		worst = max(worst, r.Outcome)
	}
	return worst
}

// Table prints the rows, with the findings below them.
func (p *Printer) Table(rows []Row) error {
	var b bytes.Buffer
	what, supported := 0, 0
	for _, r := range rows {
		what, supported = max(what, len(r.What)), max(supported, len(short(r.Supported)))
	}
	report := &Report{Report: &multistatus.Report{}}
	for _, r := range rows {
		fmt.Fprintf(&b, "%-*s  %-*s  %s\n", what, r.What, supported, short(r.Supported), short(r.Answer))
		report.Findings = append(report.Findings, r.Findings...)
	}
	if len(report.Findings) > 0 {
		fmt.Fprintln(&b)
		p.findings(&b, report)
	}
	_, err := p.W.Write(b.Bytes())
	return err
}

// WriteRows writes the rows as one line of JSON.
func WriteRows(w io.Writer, target *url.URL, rows []Row) error {
	type rowJSON struct {
		What      string        `json:"what"`
		Supported string        `json:"supported"`
		Answer    string        `json:"answer"`
		Findings  []jsonFinding `json:"findings,omitempty"`
	}
	out := struct {
		URL     string    `json:"url"`
		Rows    []rowJSON `json:"rows"`
		Outcome Outcome   `json:"outcome"`
	}{URL: MaskURL(target.String()), Outcome: Worst(rows)}
	for _, r := range rows {
		out.Rows = append(out.Rows, rowJSON{r.What, r.Supported, r.Answer, appendFindings(nil, r.Findings)})
	}
	return encode(w, out)
}
