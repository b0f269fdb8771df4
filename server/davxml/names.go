package davxml

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// binding is a namespace declaration. The prefix "" is the default namespace.
type binding struct{ prefix, uri string }

// scope is a linked list of the declarations of an element and of its ancestors. Elements without
// declarations share the scope of their parent.
type scope struct {
	outer    *scope
	bindings []binding
}

// lookup returns the namespace name of prefix, or "". Limits.Attrs bounds the time.
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

// bindingsHere returns the declarations on e itself.
func (e *Element) bindingsHere() []binding {
	if !e.bindsHere {
		return nil
	}
	return e.scope.bindings
}

func (e *Element) bindsDefault() bool {
	for _, b := range e.bindingsHere() {
		if b.prefix == "" {
			return true
		}
	}
	return false
}

// bind adds the namespace declarations among attrs to the scope.
func (p *parser) bind(e *Element, attrs []xml.Attr) error {
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
		if b.prefix != "xml" { // always bound
			own = append(own, b)
		}
	}
	if own == nil {
		return nil
	}
	if p.inScope += len(own); p.inScope > p.limits.Attrs {
		return errors.New("too many namespace declarations in scope")
	}
	e.scope, e.bindsHere = &scope{outer: e.scope, bindings: own}, true
	for _, b := range own {
		p.bound[b.prefix] = append(p.bound[b.prefix], b.uri)
	}
	return nil
}

// unbind removes the declarations on e from the scope, at its end tag.
func (p *parser) unbind(e *Element) {
	for _, b := range e.bindingsHere() {
		p.inScope--
		if s := p.bound[b.prefix]; len(s) > 1 {
			p.bound[b.prefix] = s[:len(s)-1]
		} else {
			delete(p.bound, b.prefix)
		}
	}
}

// checkBinding checks the constraints of Namespaces in XML §3 and §5.
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
		return errors.New("the prefix xml or its namespace is bound to another")
	case b.uri == namespaceXMLNS:
		return errors.New("a prefix is bound to the namespace of xmlns")
	case b.uri == "" && b.prefix != "":
		return fmt.Errorf("a declaration that removes the prefix %.40q, which needs Namespaces 1.1", b.prefix)
	case b.uri == "xmlns":
		// Not forbidden, but a relative reference, which is deprecated, and xml.Attr marks
		// declarations with it: an attribute of that namespace would come out of Content as a
		// declaration.
		return errors.New("the namespace name xmlns")
	}
	return nil
}

// elementName resolves the name of an element: without a prefix it is in the default namespace.
func (p *parser) elementName(n xml.Name) (xml.Name, error) {
	uri, err := p.resolve(n)
	return xml.Name{Space: uri, Local: n.Local}, err
}

// setAttrs sets e.Attr and e.Lang from the attributes that are not namespace declarations. An
// attribute without a prefix is in no namespace.
func (p *parser) setAttrs(e *Element, attrs []xml.Attr) error {
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
	return checkUnique(e.Attr) // again with namespace names: Namespaces in XML §6.3
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

// checkLocal checks what encoding/xml does not: it accepts colons at either end of a name, and
// checks only the first character of a name with its prefix.
func (p *parser) checkLocal(local string) error {
	switch {
	case len(local) > p.limits.Name:
		return errors.New("a name that is too long")
	case strings.Contains(local, ":"):
		return fmt.Errorf("a misplaced colon in the name %.40q", local)
	case !isNameStart(local):
		return fmt.Errorf("an invalid first character in the name %.40q", local)
	}
	return nil
}

// isNameStart reports whether local, which has only name characters, begins with a name start
// character.
func isNameStart(local string) bool {
	c := local[0]
	if c < utf8.RuneSelf {
		return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	// The tables of encoding/xml are not exported, so this calls the decoder.
	_, err := xml.NewDecoder(strings.NewReader("<" + local + "/>")).RawToken()
	return err == nil
}

// checkUnique checks the constraint "Unique Att Spec" of XML 1.0 §3.1.
func checkUnique(attrs []xml.Attr) error {
	if len(attrs) <= 8 {
		for i, a := range attrs {
			for _, b := range attrs[:i] {
				if a.Name == b.Name {
					return fmt.Errorf("the attribute %.40q occurs twice", a.Name.Local)
				}
			}
		}
		return nil
	}
	seen := make(map[xml.Name]bool, len(attrs))
	for _, a := range attrs {
		if seen[a.Name] {
			return fmt.Errorf("the attribute %.40q occurs twice", a.Name.Local)
		}
		seen[a.Name] = true
	}
	return nil
}

func isLang(n xml.Name) bool { return n.Local == "lang" && n.Space == NamespaceXML }
