package multistatus

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"

	"dav207/server/davxml"
)

const (
	xmlDeclaration = `<?xml version="1.0" encoding="utf-8"?>` + "\n"
	documentStart  = xmlDeclaration + `<D:multistatus xmlns:D="DAV:">`
	documentEnd    = `</D:multistatus>`

	responseStart = `<D:response><D:href>`
	hrefEnd       = `</D:href>`
	propstatStart = `<D:propstat><D:prop>`
	responseEnd   = `</D:response>`
)

// appendError appends the body of an error response: a DAV:error that contains c (§16).
func appendError(b []byte, c *Condition) []byte {
	b = append(b, xmlDeclaration...)
	b = append(b, `<D:error xmlns:D="DAV:">`...)
	b = appendCondition(b, c)
	return append(b, `</D:error>`...)
}

// AppendProp appends a document whose root is a DAV:prop with these properties: the body of a
// successful LOCK (§9.10.1). It returns an error if the name of a property is not an XML name.
func AppendProp(b []byte, properties ...Property) ([]byte, error) {
	b = append(b, xmlDeclaration...)
	b = append(b, `<D:prop xmlns:D="DAV:">`...)
	for i := range properties {
		var err error
		if b, err = AppendProperty(b, &properties[i]); err != nil {
			return b, err
		}
	}
	return append(b, `</D:prop>`...), nil
}

func appendPropstatEnd(b []byte, status int, c *Condition, description string) []byte {
	b = append(b, `</D:prop>`...)
	b = appendStatus(b, status)
	b = appendErrorAndDescription(b, c, description)
	return append(b, `</D:propstat>`...)
}

// appendStatus appends a complete status line (§14.28): some clients require the reason phrase.
func appendStatus(b []byte, status int) []byte {
	if status == http.StatusOK {
		return append(b, `<D:status>HTTP/1.1 200 OK</D:status>`...)
	}
	b = append(b, `<D:status>HTTP/1.1 `...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	return append(b, `</D:status>`...)
}

func appendErrorAndDescription(b []byte, c *Condition, description string) []byte {
	if c != nil {
		b = append(b, `<D:error>`...)
		b = appendCondition(b, c)
		b = append(b, `</D:error>`...)
	}
	if description != "" {
		b = append(b, `<D:responsedescription>`...)
		b = davxml.EscapeText(b, description)
		b = append(b, `</D:responsedescription>`...)
	}
	return b
}

func appendCondition(b []byte, c *Condition) []byte {
	if len(c.Hrefs) == 0 {
		b = append(b, '<')
		b, _ = appendName(b, c.Name, nil)
		return append(b, `/>`...)
	}
	b = append(b, '<')
	b, tag := appendName(b, c.Name, nil)
	b = append(b, '>')
	for _, h := range c.Hrefs {
		b = append(b, `<D:href>`...)
		b = davxml.EscapeText(b, h)
		b = append(b, `</D:href>`...)
	}
	return appendEnd(b, tag, c.Name)
}

// AppendProperty appends the element of one property, for a document that binds the prefix D to
// DAV:. It returns an error if the name is not an XML name.
func AppendProperty(b []byte, p *Property) ([]byte, error) { return appendElement(b, p, "") }

// appendElement is AppendProperty. declaration is appended after the name.
func appendElement(b []byte, p *Property, declaration string) ([]byte, error) {
	if err := checkName(p.XMLName); err != nil {
		return b, err
	}
	b = append(b, '<')
	b, prefix := appendName(b, p.XMLName, p.Attr)
	b = append(b, declaration...)
	if p.Lang != "" {
		b = append(b, ` xml:lang="`...)
		b = davxml.EscapeAttr(b, p.Lang)
		b = append(b, '"')
	}
	for i, a := range p.Attr {
		b = append(b, ' ')
		switch {
		case a.Name.Space == "xmlns":
			b = append(b, `xmlns:`...)
			b = append(b, a.Name.Local...)
		case a.Name.Space == "":
			b = append(b, a.Name.Local...)
		default:
			q := boundPrefix(p.Attr, a.Name.Space)
			if q == "" {
				q = "a" + strconv.Itoa(i)
				b = append(b, `xmlns:`...)
				b = append(b, q...)
				b = append(b, `="`...)
				b = davxml.EscapeAttr(b, a.Name.Space)
				b = append(b, `" `...)
			}
			b = append(b, q...)
			b = append(b, ':')
			b = append(b, a.Name.Local...)
		}
		b = append(b, `="`...)
		b = davxml.EscapeAttr(b, a.Value)
		b = append(b, '"')
	}
	if len(p.InnerXML) == 0 {
		return append(b, `/>`...), nil
	}
	b = append(b, '>')
	b = append(b, p.InnerXML...)
	return appendEnd(b, prefix, p.XMLName), nil
}

// appendName appends the qualified name of a start tag, after its '<', and the declaration of its
// namespace unless D, xml or attr binds it. It returns the prefix for the end tag.
func appendName(b []byte, n xml.Name, attr []xml.Attr) ([]byte, string) {
	switch n.Space {
	case Namespace:
		b = append(b, `D:`...)
		return append(b, n.Local...), "D"
	case "":
		return append(b, n.Local...), ""
	case davxml.NamespaceXML:
		b = append(b, `xml:`...)
		return append(b, n.Local...), "xml"
	}
	if prefix := boundPrefix(attr, n.Space); prefix != "" {
		b = append(b, prefix...)
		b = append(b, ':')
		return append(b, n.Local...), prefix
	}
	prefix := "ns"
	for i := 1; bindsPrefix(attr, prefix); i++ {
		prefix = "ns" + strconv.Itoa(i)
	}
	b = append(b, prefix...)
	b = append(b, ':')
	b = append(b, n.Local...)
	b = append(b, ` xmlns:`...)
	b = append(b, prefix...)
	b = append(b, `="`...)
	b = davxml.EscapeAttr(b, n.Space)
	return append(b, '"'), prefix
}

func appendEnd(b []byte, prefix string, n xml.Name) []byte {
	b = append(b, `</`...)
	if prefix != "" {
		b = append(b, prefix...)
		b = append(b, ':')
	}
	b = append(b, n.Local...)
	return append(b, '>')
}

// boundPrefix returns the prefix that attr or the document binds to the namespace, or "".
func boundPrefix(attr []xml.Attr, namespace string) string {
	if namespace == Namespace {
		return "D"
	}
	if namespace == davxml.NamespaceXML {
		return "xml"
	}
	for _, a := range attr {
		if a.Name.Space == "xmlns" && a.Value == namespace {
			return a.Name.Local
		}
	}
	return ""
}

// bindsPrefix reports whether attr declares the prefix.
func bindsPrefix(attr []xml.Attr, prefix string) bool {
	for _, a := range attr {
		if a.Name.Space == "xmlns" && a.Name.Local == prefix {
			return true
		}
	}
	return false
}

func checkName(n xml.Name) error {
	if !validName(n.Local) {
		return fmt.Errorf("multistatus: %q is not the name of an XML element", n.Local)
	}
	return nil
}

// validName reports whether s can be written as a name without making the document ill-formed. It
// is a cheap check for names that callers pass; davxml checks those of clients by the full grammar.
func validName(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x80, c == '-', c == '.', c == '_':
		case '0' <= c && c <= '9':
			if i == 0 {
				return false
			}
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		default:
			return false
		}
	}
	return s != "" && s[0] != '-' && s[0] != '.'
}
