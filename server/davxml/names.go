package davxml

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// binding is a namespace declaration; prefix "" is the default namespace.
type binding struct{ prefix, uri string }

// scope holds the declarations of one element and leads to those around it. Elements without declarations share that
// of their parent.
type scope struct {
	outer    *scope
	bindings []binding
}

// lookup returns what prefix is bound to, "" if nothing. Limits.Attrs bounds how long it takes.
func (s *scope) lookup(prefix string) string {
	for ; s != nil; s = s.outer {
		for _, b := range s.bindings {
			if b.prefix == prefix {
				return b.uri
			}
		}
	}
	return ""
}

// own returns the declarations that stand on e itself.
func (e *Element) own() []binding {
	if !e.declares {
		return nil
	}
	return e.scope.bindings
}

func (e *Element) declaresDefault() bool {
	for _, b := range e.own() {
		if b.prefix == "" {
			return true
		}
	}
	return false
}

// declare enters the namespace declarations among attrs.
func (p *parser) declare(e *Element, attrs []xml.Attr) error {
	var own []binding
	for _, a := range attrs {
		var b binding
		switch {
		case a.Name.Space == "xmlns":
			b = binding{a.Name.Local, a.Value}
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			b = binding{"", a.Value}
		default:
			continue
		}
		if err := p.checkBinding(b); err != nil {
			return err
		}
		if b.prefix != "xml" { // bound everywhere, declared or not
			own = append(own, b)
		}
	}
	if own == nil {
		return nil
	}
	if p.inScope += len(own); p.inScope > p.limits.Attrs {
		return errors.New("too many namespace declarations in scope")
	}
	e.scope, e.declares = &scope{outer: e.scope, bindings: own}, true
	for _, b := range own {
		p.bound[b.prefix] = append(p.bound[b.prefix], b.uri)
	}
	return nil
}

func (p *parser) undeclare(e *Element) {
	for _, b := range e.own() {
		p.inScope--
		if s := p.bound[b.prefix]; len(s) > 1 {
			p.bound[b.prefix] = s[:len(s)-1]
		} else {
			delete(p.bound, b.prefix)
		}
	}
}

// checkBinding applies the constraints of Namespaces in XML §3 and §5.
func (p *parser) checkBinding(b binding) error {
	if b.prefix != "" {
		if err := p.checkLocal(b.prefix); err != nil {
			return err
		}
	}
	switch {
	case len(b.uri) > p.limits.Name:
		return errors.New("a namespace name that is too long")
	case b.prefix == "xmlns":
		return errors.New("the prefix xmlns is declared")
	case (b.prefix == "xml") != (b.uri == NamespaceXML):
		return errors.New("the prefix xml and its namespace belong together")
	case b.uri == namespaceXMLNS:
		return errors.New("something is bound to the namespace of xmlns")
	case b.uri == "" && b.prefix != "":
		return fmt.Errorf("the prefix %.40q is undeclared, as only Namespaces 1.1 allows", b.prefix)
	case b.uri == "xmlns":
		// Not forbidden, but a relative reference, which is deprecated, and xml.Attr marks declarations with it: an
		// attribute of that namespace would come out of Content as a declaration.
		return errors.New("the namespace name xmlns")
	}
	return nil
}

// elementName resolves the name of an element: without a prefix it is in the default namespace.
func (p *parser) elementName(n xml.Name) (xml.Name, error) {
	uri, err := p.resolve(n)
	return xml.Name{Space: uri, Local: n.Local}, err
}

// attributes resolves the names of the attributes that are no declarations (without a prefix they are in no
// namespace) and stores them.
func (p *parser) attributes(e *Element, attrs []xml.Attr) error {
	if err := checkUnique(attrs); err != nil {
		return err
	}
	for _, a := range attrs {
		switch {
		case a.Name.Space == "xmlns", a.Name.Space == "" && a.Name.Local == "xmlns":
			continue
		}
		prefix := a.Name.Space
		if prefix == "" {
			if err := p.checkLocal(a.Name.Local); err != nil {
				return err
			}
		} else {
			uri, err := p.resolve(a.Name)
			if err != nil {
				return err
			}
			a.Name.Space = uri
		}
		if isLang(a.Name) {
			e.Lang = a.Value
		}
		e.Attr = append(e.Attr, a)
		e.attrPrefix = append(e.attrPrefix, prefix)
	}
	return checkUnique(e.Attr) // Namespaces in XML §6.3
}

// resolve returns the namespace name of a name whose Space is a prefix.
func (p *parser) resolve(n xml.Name) (uri string, err error) {
	if err := p.checkLocal(n.Local); err != nil {
		return "", err
	}
	if s := p.bound[n.Space]; len(s) > 0 {
		return s[len(s)-1], nil
	}
	if n.Space != "" {
		return "", fmt.Errorf("the prefix %.40q is not declared", n.Space)
	}
	return "", nil
}

// checkLocal completes the check of a name that encoding/xml let through: it leaves colons at either end of a
// name in Local, and looks at the first character of the whole name only.
func (p *parser) checkLocal(local string) error {
	switch {
	case len(local) > p.limits.Name:
		return errors.New("a name that is too long")
	case strings.Contains(local, ":"):
		return fmt.Errorf("a colon at the wrong place in the name %.40q", local)
	case !isNameStart(local):
		return fmt.Errorf("a wrong first character in the name %.40q", local)
	}
	return nil
}

// isNameStart reports whether local, known to consist of name characters, also begins as a name must.
func isNameStart(local string) bool {
	c := local[0]
	if c < utf8.RuneSelf {
		return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	// The tables of encoding/xml are not exported; the decoder is asked itself, so that it will read what was accepted.
	_, err := xml.NewDecoder(strings.NewReader("<" + local + "/>")).RawToken()
	return err == nil
}

// checkUnique applies "Unique Att Spec" of XML 1.0 §3.1 to the names as they stand in attrs.
func checkUnique(attrs []xml.Attr) error {
	if len(attrs) <= 8 {
		for i, a := range attrs {
			for _, b := range attrs[:i] {
				if a.Name == b.Name {
					return fmt.Errorf("the attribute %.40q stands twice", a.Name.Local)
				}
			}
		}
		return nil
	}
	seen := make(map[xml.Name]bool, len(attrs))
	for _, a := range attrs {
		if seen[a.Name] {
			return fmt.Errorf("the attribute %.40q stands twice", a.Name.Local)
		}
		seen[a.Name] = true
	}
	return nil
}

func isLang(n xml.Name) bool { return n.Local == "lang" && n.Space == NamespaceXML }
