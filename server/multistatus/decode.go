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

// ErrInvalid is wrapped by the errors of Decode and DecodeError for a document that is XML and does not mean what its
// place asks for.
var ErrInvalid = errors.New("not a valid multistatus")

// Decode reads the body of a 207 (§14.16) and returns its responses in document order, for clients and for tests. A
// response that gives one status to several hrefs becomes one Response for each of them.
//
// It is strict about what a client would otherwise have to guess: a response without href or outcome, with two of
// them, a status that is no status line, a property given twice are ErrInvalid. Elements it does not know are passed over
// (§17), and so are DAV:location, what follows the first condition of a DAV:error, and the responsedescription of the whole
// document. XML that is no XML is davxml.ErrMalformed, and other errors are those of r, which is what bounds the size.
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

// DecodeError reads the body of an error response, a DAV:error (§16), and returns its first condition.
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

// unbounded lets a listing be as long as it is: whoever has r bounds it.
var unbounded = &davxml.Limits{Elements: math.MaxInt}

func dav(local string) xml.Name { return xml.Name{Space: Namespace, Local: local} }

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// decodeResponse appends what a DAV:response says (§14.24): (href*, status) or (href, propstat+).
func decodeResponse(out []Response, e *davxml.Element) ([]Response, error) {
	var r Response
	var hrefs []string
	var err error
	seen := make(map[xml.Name]bool)
	for _, c := range e.Children {
		switch c.Name {
		case dav("href"):
			href, err := decodeHref(c)
			if err != nil {
				return nil, err
			}
			hrefs = append(hrefs, href)
			continue
		case dav("propstat"):
			ps, err := decodePropstat(c)
			if err != nil {
				return nil, err
			}
			r.Propstat = append(r.Propstat, ps)
			continue
		case dav("status"):
			r.Status, err = decodeStatus(c)
		case dav("error"):
			r.Error, err = decodeCondition(c)
		case dav("responsedescription"):
			r.Description = c.Text()
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		if seen[c.Name] {
			return nil, invalidf("a response has two DAV:%s", c.Name.Local)
		}
		seen[c.Name] = true
	}
	switch {
	case len(hrefs) == 0:
		return nil, invalidf("a response has no href")
	case r.Status == 0 && len(r.Propstat) == 0:
		return nil, invalidf("the response for %s has neither status nor propstat", hrefs[0])
	case r.Status != 0 && len(r.Propstat) > 0:
		return nil, invalidf("the response for %s has both status and propstat", hrefs[0])
	case len(hrefs) > 1 && len(r.Propstat) > 0:
		return nil, invalidf("a response with propstats has %d hrefs", len(hrefs))
	}
	if err := distinct(hrefs[0], r.Propstat); err != nil {
		return nil, err
	}
	for _, r.Href = range hrefs {
		out = append(out, r)
	}
	return out, nil
}

// distinct checks that no property has two outcomes: "the property may only show up once" (§9.1).
func distinct(href string, propstats []Propstat) error {
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

// decodePropstat reads a DAV:propstat (§14.22).
func decodePropstat(e *davxml.Element) (Propstat, error) {
	var ps Propstat
	var err error
	seen := make(map[xml.Name]bool)
	for _, c := range e.Children {
		switch c.Name {
		case dav("prop"):
			for _, p := range c.Children {
				ps.Prop = append(ps.Prop, decodeProperty(p))
			}
		case dav("status"):
			ps.Status, err = decodeStatus(c)
		case dav("error"):
			ps.Error, err = decodeCondition(c)
		case dav("responsedescription"):
			ps.Description = c.Text()
		default:
			continue
		}
		if err != nil {
			return ps, err
		}
		if seen[c.Name] {
			return ps, invalidf("a propstat has two DAV:%s", c.Name.Local)
		}
		seen[c.Name] = true
	}
	if !seen[dav("prop")] || !seen[dav("status")] {
		return ps, invalidf("a propstat lacks its prop or its status")
	}
	return ps, nil
}

func decodeProperty(e *davxml.Element) Property {
	p := Property{XMLName: e.Name, Lang: e.Lang}
	p.Attr, p.InnerXML = e.Content()
	return p
}

// decodeCondition reads what a DAV:error holds (§14.5).
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

// decodeStatus reads a status line (§14.28), such as "HTTP/1.1 200 OK".
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
