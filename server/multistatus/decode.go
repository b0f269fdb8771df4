package multistatus

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"

	"dav207/server/davxml"
)

// ErrInvalid reports that a document is well-formed XML but not a valid multistatus or DAV:error,
// or is not valid JSON of one.
var ErrInvalid = errors.New("not a valid multistatus")

// Decode reads the body of a 207 (§14.16) and returns its responses in document order. It returns
// one Response for each href of a response with several.
//
// The error wraps ErrInvalid if a response has no href, not exactly one of status and propstat, an
// invalid status line, or a property twice. It is one of davxml.Parse if the body is not
// well-formed, or that of r. Decode does not limit the size: the caller limits r. Inspect goes on
// after what is wrong.
//
// Decode ignores unknown elements (§17), DAV:location, all conditions of a DAV:error but the first,
// and the responsedescription of the document.
func Decode(r io.Reader) ([]Response, error) {
	root, err := davxml.Parse(r, unbounded)
	if err != nil {
		return nil, err
	}
	if root.Name != dav("multistatus") {
		return nil, invalidf("the root element is %s", root.Name.Local)
	}
	d := decoder{&Report{}}
	out := d.responses(root)
	if err := d.err(); err != nil {
		return nil, err
	}
	return out, nil
}

// DecodeError reads the body of an error response, a DAV:error (§16), and returns its first
// condition. Its errors are those of Decode.
func DecodeError(r io.Reader) (*Condition, error) {
	root, err := davxml.Parse(r, unbounded)
	if err != nil {
		return nil, err
	}
	if root.Name != dav("error") {
		return nil, invalidf("the root element is %s", root.Name.Local)
	}
	d := decoder{&Report{}}
	c := d.condition(root, "")
	if err := d.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// unbounded does not limit the number of elements: the caller limits the size of the body.
var unbounded = &davxml.Limits{Elements: math.MaxInt}

func dav(local string) xml.Name { return xml.Name{Space: Namespace, Local: local} }

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// decoder decodes the elements of a multistatus, and goes on after what is wrong.
type decoder struct{ *Report }

// responses decodes the responses of a DAV:multistatus.
func (d *decoder) responses(root *davxml.Element) []Response {
	var out []Response
	for _, e := range root.Children {
		if e.Name == dav("response") {
			out = d.response(out, e)
		}
	}
	return out
}

// outcome is the content that DAV:response and DAV:propstat have in common.
type outcome struct {
	status      int
	condition   *Condition
	description string
	seen        map[xml.Name]bool
}

// outcome decodes c, a child of the DAV: element parent, and ignores c if it is none of an outcome.
func (d *decoder) outcome(o *outcome, parent, href string, c *davxml.Element) {
	switch c.Name {
	case dav("status"):
		o.status = d.status(c, href)
	case dav("error"):
		o.condition = d.condition(c, href)
	case dav("responsedescription"):
		o.description = c.Text()
	default:
		return
	}
	d.once(o, parent, href, c.Name)
}

// once reports a child that the element has for the second time.
func (d *decoder) once(o *outcome, parent, href string, child xml.Name) {
	if o.seen[child] {
		rule := ruleTwice
		if child == dav("prop") {
			rule = rulePropstat
		}
		d.Add(rule, href, "a %s has two DAV:%s", parent, child.Local)
	}
	if o.seen == nil {
		o.seen = make(map[xml.Name]bool)
	}
	o.seen[child] = true
}

// response decodes a DAV:response (§14.24), either (href*, status) or (href, propstat+), and
// appends one Response for each href.
func (d *decoder) response(out []Response, e *davxml.Element) []Response {
	var hrefs []string
	for _, c := range e.Children {
		if c.Name == dav("href") {
			href, _ := d.href(c, "")
			hrefs = append(hrefs, href)
		}
	}
	if len(hrefs) == 0 {
		d.Add(ruleNoHref, "", "a response has none")
		hrefs = []string{""}
	}
	first := hrefs[0]
	var o outcome
	var propstats []Propstat
	for _, c := range e.Children {
		if c.Name == dav("propstat") {
			propstats = append(propstats, d.propstat(c, first))
		} else {
			d.outcome(&o, "response", first, c)
		}
	}
	switch status := o.seen[dav("status")]; {
	case !status && len(propstats) == 0:
		d.Add(ruleOutcome, first, "the response has neither status nor propstat")
	case status && len(propstats) > 0:
		d.Add(ruleOutcome, first, "the response has both status and propstat")
	case len(hrefs) > 1 && len(propstats) > 0:
		d.Add(ruleOutcome, first, "a response with propstats has %d hrefs", len(hrefs))
	}
	d.unique(first, propstats)
	for _, href := range hrefs {
		out = append(out, Response{Href: href, Status: o.status, Propstat: propstats,
			Error: o.condition, Description: o.description})
	}
	return out
}

// unique reports a property that occurs twice: "the property may only show up once" (§9.1).
func (r *Report) unique(href string, propstats []Propstat) {
	seen := make(map[xml.Name]bool)
	for _, ps := range propstats {
		for _, p := range ps.Prop {
			if seen[p.XMLName] {
				r.Add(rulePropTwice, href, "the response has the property %s twice", p.XMLName.Local)
			}
			seen[p.XMLName] = true
		}
	}
}

// propstat decodes a DAV:propstat (§14.22).
func (d *decoder) propstat(e *davxml.Element, href string) Propstat {
	var o outcome
	var properties []Property
	for _, c := range e.Children {
		if c.Name != dav("prop") {
			d.outcome(&o, "propstat", href, c)
			continue
		}
		for _, p := range c.Children {
			properties = append(properties, decodeProperty(p))
		}
		d.once(&o, "propstat", href, c.Name)
	}
	if !o.seen[dav("prop")] || !o.seen[dav("status")] {
		d.Add(rulePropstat, href, "a propstat lacks its prop or its status")
	}
	return Propstat{Prop: properties, Status: o.status, Error: o.condition, Description: o.description}
}

func decodeProperty(e *davxml.Element) Property {
	p := Property{XMLName: e.Name, Lang: e.Lang}
	p.Attr, p.InnerXML = e.Content()
	return p
}

// condition decodes the first condition in a DAV:error (§14.5). It returns nil if there is none.
func (d *decoder) condition(e *davxml.Element, href string) *Condition {
	if len(e.Children) == 0 {
		d.Add(ruleCondition, href, "a DAV:error names no condition")
		return nil
	}
	first := e.Children[0]
	c := &Condition{Name: first.Name}
	for _, h := range first.Children {
		if h.Name != dav("href") {
			continue
		}
		if root, ok := d.href(h, href); ok {
			c.Hrefs = append(c.Hrefs, root)
		}
	}
	return c
}

// href decodes a DAV:href of the response for the resource of.
func (d *decoder) href(e *davxml.Element, of string) (href string, ok bool) {
	href = strings.Trim(e.Text(), whiteSpace)
	if href == "" || len(e.Children) > 0 {
		d.Add(ruleHrefEmpty, of, "a DAV:href holds no URL")
		return "", false
	}
	return href, true
}

const whiteSpace = " \t\r\n"

// status decodes a status line (§14.28), such as "HTTP/1.1 200 OK". Of another text it returns the
// status that is meant, or 0.
func (d *decoder) status(e *davxml.Element, href string) int {
	line := strings.Trim(e.Text(), whiteSpace)
	if m := statusLine.FindStringSubmatch(line); m != nil && len(e.Children) == 0 {
		return atoi(m[1])
	}
	d.Add(ruleStatusLine, href, "%.60q is not a status line", line)
	if m := anyStatus.FindStringSubmatch(line); m != nil {
		return atoi(m[1])
	}
	return 0
}

var (
	statusLine = regexp.MustCompile(`^HTTP/[0-9]+\.[0-9]+ ([1-9][0-9][0-9])(?: |$)`)
	anyStatus  = regexp.MustCompile(`^(?:[A-Za-z]+(?:/[0-9.]*)?[ \t]+)?([1-9][0-9][0-9])(?:[ \t]|$)`)
)

// atoi returns the value of three digits.
func atoi(s string) int { return int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0') }
