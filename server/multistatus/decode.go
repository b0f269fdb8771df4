package multistatus

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
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
// well-formed, or that of r. Decode does not limit the size: the caller limits r.
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
	var out []Response
	for _, e := range root.Children {
		if e.Name != dav("response") {
			continue
		}
		if out, err = decodeResponse(out, e); err != nil {
			return nil, err
		}
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
	return decodeCondition(root)
}

// unbounded does not limit the number of elements: the caller limits the size of the body.
var unbounded = &davxml.Limits{Elements: math.MaxInt}

func dav(local string) xml.Name { return xml.Name{Space: Namespace, Local: local} }

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// outcome is the content that DAV:response and DAV:propstat have in common.
type outcome struct {
	status      int
	condition   *Condition
	description string
	seen        map[xml.Name]bool
}

// decode decodes c, a child of the DAV: element parent, and ignores c if it is none of an outcome.
func (o *outcome) decode(parent string, c *davxml.Element) (err error) {
	switch c.Name {
	case dav("status"):
		o.status, err = decodeStatus(c)
	case dav("error"):
		o.condition, err = decodeCondition(c)
	case dav("responsedescription"):
		o.description = c.Text()
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return o.once(parent, c.Name)
}

// once returns an error if it was called before with the same child.
func (o *outcome) once(parent string, child xml.Name) error {
	if o.seen[child] {
		return invalidf("a %s has two DAV:%s", parent, child.Local)
	}
	if o.seen == nil {
		o.seen = make(map[xml.Name]bool)
	}
	o.seen[child] = true
	return nil
}

// decodeResponse decodes a DAV:response (§14.24), either (href*, status) or (href, propstat+), and
// appends one Response for each href.
func decodeResponse(out []Response, e *davxml.Element) ([]Response, error) {
	var o outcome
	var hrefs []string
	var propstats []Propstat
	for _, c := range e.Children {
		var err error
		switch c.Name {
		case dav("href"):
			var href string
			href, err = decodeHref(c)
			hrefs = append(hrefs, href)
		case dav("propstat"):
			var ps Propstat
			ps, err = decodePropstat(c)
			propstats = append(propstats, ps)
		default:
			err = o.decode("response", c)
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case len(hrefs) == 0:
		return nil, invalidf("a response has no href")
	case o.status == 0 && len(propstats) == 0:
		return nil, invalidf("the response for %s has neither status nor propstat", hrefs[0])
	case o.status != 0 && len(propstats) > 0:
		return nil, invalidf("the response for %s has both status and propstat", hrefs[0])
	case len(hrefs) > 1 && len(propstats) > 0:
		return nil, invalidf("a response with propstats has %d hrefs", len(hrefs))
	}
	if err := checkUnique(hrefs[0], propstats); err != nil {
		return nil, err
	}
	for _, href := range hrefs {
		out = append(out, Response{Href: href, Status: o.status, Propstat: propstats,
			Error: o.condition, Description: o.description})
	}
	return out, nil
}

// checkUnique returns an error if a property occurs twice: "the property may only show up once"
// (§9.1).
func checkUnique(href string, propstats []Propstat) error {
	seen := make(map[xml.Name]bool)
	for _, ps := range propstats {
		for _, p := range ps.Prop {
			if seen[p.XMLName] {
				return invalidf("the response for %s has the property %s twice", href, p.XMLName.Local)
			}
			seen[p.XMLName] = true
		}
	}
	return nil
}

// decodePropstat decodes a DAV:propstat (§14.22).
func decodePropstat(e *davxml.Element) (Propstat, error) {
	var o outcome
	var properties []Property
	for _, c := range e.Children {
		var err error
		if c.Name == dav("prop") {
			for _, p := range c.Children {
				properties = append(properties, decodeProperty(p))
			}
			err = o.once("propstat", c.Name)
		} else {
			err = o.decode("propstat", c)
		}
		if err != nil {
			return Propstat{}, err
		}
	}
	if !o.seen[dav("prop")] || !o.seen[dav("status")] {
		return Propstat{}, invalidf("a propstat lacks its prop or its status")
	}
	return Propstat{Prop: properties, Status: o.status, Error: o.condition, Description: o.description}, nil
}

func decodeProperty(e *davxml.Element) Property {
	p := Property{XMLName: e.Name, Lang: e.Lang}
	p.Attr, p.InnerXML = e.Content()
	return p
}

// decodeCondition decodes the first condition in a DAV:error (§14.5).
func decodeCondition(e *davxml.Element) (*Condition, error) {
	if len(e.Children) == 0 {
		return nil, invalidf("a DAV:error names no condition")
	}
	first := e.Children[0]
	c := &Condition{Name: first.Name}
	for _, h := range first.Children {
		if h.Name != dav("href") {
			continue
		}
		href, err := decodeHref(h)
		if err != nil {
			return nil, err
		}
		c.Hrefs = append(c.Hrefs, href)
	}
	return c, nil
}

func decodeHref(e *davxml.Element) (string, error) {
	href := strings.Trim(e.Text(), whiteSpace)
	if href == "" || len(e.Children) > 0 {
		return "", invalidf("a DAV:href holds no URL")
	}
	return href, nil
}

const whiteSpace = " \t\r\n"

// decodeStatus decodes a status line (§14.28), such as "HTTP/1.1 200 OK".
func decodeStatus(e *davxml.Element) (int, error) {
	line := strings.Trim(e.Text(), whiteSpace)
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	number, ok := strings.CutPrefix(version, "HTTP/")
	major, minor, dot := strings.Cut(number, ".")
	if !ok || !dot || !digits(major) || !digits(minor) || len(code) != 3 || !digits(code) || code[0] == '0' || len(e.Children) > 0 {
		return 0, invalidf("%q is not a status line", line)
	}
	return int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0'), nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
