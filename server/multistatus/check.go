package multistatus

import (
	"bytes"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"dav207/server/davxml"
)

// checkResponses checks what the responses of a multistatus must be beside their grammar.
func (r *Report) checkResponses() {
	seen := make(map[string]bool)    // resources
	above := make(map[string]string) // the parent of each member that came, and that member
	paths, absolute := 0, 0
	for i := range r.Members {
		m := &r.Members[i]
		if m.Href == "" {
			continue
		}
		name := strings.TrimSuffix(unescape(m.Href), "/")
		if seen[name] {
			r.Add(ruleDuplicate, m.Href, "this is its second one")
		}
		seen[name] = true
		switch {
		case strings.HasPrefix(m.Href, "/") && !strings.HasPrefix(m.Href, "//"):
			paths++
		case absoluteURI.MatchString(m.Href):
			absolute++
		default:
			r.Add(ruleHrefForm, m.Href, "it is neither")
		}
		checkHref(r, m.Href)
		if first, ok := above[name]; ok && len(m.Propstat) > 0 {
			r.Add(ruleOrder, m.Href, "its member %s comes before it", first)
		}
		if parent := name[:strings.LastIndexByte(name, '/')+1]; parent != "" {
			parent = strings.TrimSuffix(parent, "/")
			if _, ok := above[parent]; !ok {
				above[parent] = m.Href
			}
		}
		checkPropstats(r, m)
	}
	if paths > 0 && absolute > 0 {
		r.Add(ruleHrefMixed, "", "%d are absolute paths, %d absolute URIs", paths, absolute)
	}
}

// escapedSlash is a slash within a segment.
var escapedSlash = strings.NewReplacer("%2F", "%252F", "%2f", "%252F")

// unescape returns an href with its escapes decoded, but those of slashes, or as it is if they are
// malformed.
func unescape(href string) string {
	if plain, err := url.PathUnescape(escapedSlash.Replace(href)); err == nil {
		return plain
	}
	return href
}

var (
	// absoluteURI has the path and the query as its last group.
	absoluteURI = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:(?://[^/?#]*)?(.*)$`)
	// unescaped matches what RFC 3986 has in no path and query, and a "%" without two digits.
	unescaped = regexp.MustCompile(`%[0-9A-Fa-f]?(?:[^0-9A-Fa-f]|$)|[^%A-Za-z0-9\-._~:/?@!$&'()*+,;=]`)
	dots      = regexp.MustCompile(`(?:^|/)\.\.?(?:/|$)`)
)

func checkHref(r *Report, href string) {
	path := href
	if m := absoluteURI.FindStringSubmatch(href); m != nil {
		path = m[1]
	}
	if bad := unescaped.FindString(path); bad != "" {
		r.Add(ruleHrefEscape, href, "%q is not", bad)
	}
	path, _, _ = strings.Cut(path, "?")
	if dot := dots.FindString(path); dot != "" {
		r.Add(ruleHrefDots, href, "it has %q", dot)
	}
}

// checkPropstats checks the propstats of a member, and the values of live properties in them.
func checkPropstats(r *Report, m *Member) {
	statuses := make(map[int]int)
	for i := range m.Propstat {
		ps := &m.Propstat[i]
		// Propstats may differ in their conditions.
		if ps.Error == nil && ps.Description == "" {
			if statuses[ps.Status]++; statuses[ps.Status] == 2 {
				r.Add(ruleSameStatus, m.Href, "two propstats have %d", ps.Status)
			}
		}
		if ps.Status != http.StatusOK {
			continue
		}
		for j := range ps.Prop {
			checkProperty(r, m.Href, &ps.Prop[j])
		}
	}
}

// checkProperty checks the value of a property. An empty one is that of propname or of PROPPATCH.
func checkProperty(r *Report, href string, p *Property) {
	if p.XMLName.Space != Namespace || len(p.InnerXML) == 0 {
		return
	}
	text := p.Text()
	switch p.XMLName.Local {
	case "resourcetype":
		path, _, _ := strings.Cut(href, "?")
		if p.Has("collection") && href != "" && !strings.HasSuffix(path, "/") {
			r.Add(ruleSlash, href, "it is one")
		}
	case "creationdate":
		if !validDateTime(text) {
			r.Add(ruleCreation, href, "%.60q is none", text)
		}
	case "getlastmodified":
		if !ValidDate(text) {
			r.Add(ruleModified, href, "%.60q is none", text)
		}
	case "getetag":
		if weak, ok := ParseETag(text); !ok {
			r.Add(ruleETag, href, "%.60q is none", text)
		} else if weak {
			r.Add(ruleWeak, href, "%.60q is weak", text)
		}
	}
}

// ValidDate reports whether s is a date in the form that senders must use (RFC 9110 §5.6.7).
func ValidDate(s string) bool {
	if day, ok := strings.CutSuffix(s, " 23:59:60 GMT"); ok { // a leap second
		s = day + " 23:59:59 GMT"
	}
	t, err := time.Parse(http.TimeFormat, s)
	return err == nil && t.Format(http.TimeFormat) == s
}

var dateTime = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// validDateTime reports whether s is a date-time of RFC 3339 §5.6, where time.Parse reads less and
// more than that.
func validDateTime(s string) bool {
	m := dateTime.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	if m[3] == "60" { // a leap second
		m[3] = "59"
	}
	_, err := time.Parse(time.DateTime, m[1]+" "+m[2]+":"+m[3])
	return err == nil
}

var etag = regexp.MustCompile(`^(?:W/)?"[\x21\x23-\x7e\x80-\x{10ffff}]*"$`)

// ParseETag reports whether s is an entity tag, and whether that is weak (RFC 9110 §8.8.3).
func ParseETag(s string) (weak, ok bool) {
	return strings.HasPrefix(s, "W/"), etag.MatchString(s)
}

// Text returns the text of a property without white space around it, or its content as XML if it
// has elements.
func (p *Property) Text() string {
	e, err := p.element()
	if err != nil || len(e.Children) > 0 {
		return strings.Trim(string(p.InnerXML), whiteSpace)
	}
	return strings.Trim(e.Text(), whiteSpace)
}

// Has reports whether a property has an element with that name in DAV:, as a DAV:resourcetype has.
func (p *Property) Has(local string) bool {
	if !bytes.Contains(p.InnerXML, []byte(local)) {
		return false
	}
	e, err := p.element()
	if err != nil {
		return false
	}
	for _, c := range e.Children {
		if c.Name == dav(local) {
			return true
		}
	}
	return false
}

// element parses the property again.
func (p *Property) element() (*davxml.Element, error) {
	b, err := AppendProp(nil, *p)
	if err != nil {
		return nil, err
	}
	root, err := davxml.Parse(bytes.NewReader(b), unbounded)
	if err != nil || len(root.Children) != 1 {
		return nil, errors.Join(err, ErrInvalid)
	}
	return root.Children[0], nil
}

// ParseName returns the name of a property or a condition: one in DAV: is bare, any other is
// "{namespace}name".
func ParseName(s string) xml.Name {
	if i := strings.LastIndexByte(s, '}'); i > 0 && s[0] == '{' { // a local name has no brace
		return xml.Name{Space: s[1:i], Local: s[i+1:]}
	}
	return dav(strings.TrimPrefix(s, Namespace))
}

// NameString is the inverse of ParseName.
func NameString(n xml.Name) string {
	if n.Space == Namespace {
		return n.Local
	}
	return "{" + n.Space + "}" + n.Local
}
