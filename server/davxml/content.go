package davxml

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Content returns what e holds so that it means the same (RFC 4918 §4.3, prefixes included) in another element of
// another document, provided that this element gets the attributes attr and that around inner the prefix D is bound to
// "DAV:", no other prefix but those in attr is bound, and there is no default namespace.
//
// attr holds first the attributes of e with their expanded names, all but xml:lang (see Lang), then the namespace
// declarations that inner and the attributes need, as {Name: {Space: "xmlns", Local: prefix}, Value: namespace name},
// sorted by prefix. An attribute in NamespaceXML is to be written with the prefix xml, one in NamespaceDAV with D; for
// any other namespace there is a declaration in attr. inner holds the children and the character data.
//
// A prefix is declared when it occurs before a colon anywhere, since a value may be a QName. The prefix D is never
// declared: one that the client bound to something else becomes D_, its D_ becomes D__, and so on. Within values
// such a prefix is not renamed: a QName there that used it no longer means what it did.
func (e *Element) Content() (attr []xml.Attr, inner []byte) {
	inner = e.appendContent(nil)
	for _, a := range e.Attr {
		if !isLang(a.Name) {
			attr = append(attr, a)
		}
	}
	return append(attr, e.declarations(inner)...), inner
}

// declarations returns those of the bindings in scope on e that inner or the attributes of e refer to.
func (e *Element) declarations(inner []byte) (attr []xml.Attr) {
	if e.scope == nil {
		return nil
	}
	mentioned := make(map[string]bool)
	mention(mentioned, inner)
	for i, a := range e.Attr {
		mentioned[e.attrPrefix[i]] = true
		mention(mentioned, []byte(a.Value))
	}
	if len(mentioned) == 0 {
		return nil
	}
	seen := make(map[string]bool)
	for s := e.scope; s != nil; s = s.outer {
		for _, b := range s.bindings {
			out := outPrefix(b.prefix, b.uri)
			if !mentioned[b.prefix] && (out == b.prefix || !mentioned[out]) || seen[b.prefix] {
				continue
			}
			seen[b.prefix] = true
			if b.prefix == "" || b.isD() || e.scope.lookup(b.prefix) != b.uri {
				continue
			}
			attr = append(attr, xml.Attr{Name: xml.Name{Space: "xmlns", Local: out}, Value: b.uri})
		}
	}
	slices.SortFunc(attr, func(a, b xml.Attr) int { return strings.Compare(a.Name.Local, b.Name.Local) })
	return attr
}

// mention adds what stands before a colon in text and may be a prefix. It knows nothing of the vocabulary, which can
// be any that has QNames, XPath for one; taking too many for prefixes does no harm.
func mention(prefixes map[string]bool, text []byte) {
	for {
		before, after, found := bytes.Cut(text, []byte{':'})
		if !found {
			return
		}
		name := before[bytes.LastIndexFunc(before, func(r rune) bool { return !isNameRune(r) })+1:]
		for len(name) > 0 && !utf8.RuneStart(name[0]) { // the rest of the character before
			name = name[1:]
		}
		if name = bytes.TrimLeft(name, "0123456789.-"); len(name) > 0 && !prefixes[string(name)] {
			prefixes[string(name)] = true
		}
		text = after
	}
}

// isNameRune is true at least for the characters of an NCName (XML 1.0 appendix B).
func isNameRune(r rune) bool {
	switch r {
	case '_', '-', '.', '\u00B7', '\u0387', '\u212E':
		return true
	}
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r)
}

// appendContent writes what is inside of e. It keeps a stack of its own: how deep it goes is up to the client.
func (e *Element) appendContent(dst []byte) []byte {
	type frame struct {
		e    *Element
		next int // child
	}
	dst = EscapeText(dst, e.head)
	for stack := []frame{{e: e}}; ; {
		top := &stack[len(stack)-1]
		if top.next == len(top.e.Children) {
			if stack = stack[:len(stack)-1]; len(stack) == 0 {
				return dst
			}
			dst = append(dst, "</"...)
			dst = top.e.appendName(dst)
			dst = append(dst, '>')
			dst = EscapeText(dst, top.e.tail)
			continue
		}
		c := top.e.Children[top.next]
		top.next++
		dst = append(dst, '<')
		dst = c.appendName(dst)
		if len(stack) == 1 && c.inherits {
			if uri := c.scope.lookup(""); uri != "" {
				dst = appendAttr(dst, "", "xmlns", uri)
			}
		}
		dst = c.appendAttrs(dst)
		if len(c.Children) == 0 && c.head == "" {
			dst = append(dst, "/>"...)
			dst = EscapeText(dst, c.tail)
			continue
		}
		dst = append(dst, '>')
		dst = EscapeText(dst, c.head)
		stack = append(stack, frame{e: c})
	}
}

// appendName writes the name of e as the client did.
func (e *Element) appendName(dst []byte) []byte {
	if e.prefix != "" {
		dst = append(append(dst, outPrefix(e.prefix, e.Name.Space)...), ':')
	}
	return append(dst, e.Name.Local...)
}

// appendAttrs writes the declarations and the attributes of e.
func (e *Element) appendAttrs(dst []byte) []byte {
	for _, b := range e.own() {
		switch {
		case b.prefix == "":
			dst = appendAttr(dst, "", "xmlns", b.uri)
		case !b.isD():
			dst = appendAttr(dst, "xmlns", outPrefix(b.prefix, b.uri), b.uri)
		}
	}
	for i, a := range e.Attr {
		dst = appendAttr(dst, outPrefix(e.attrPrefix[i], a.Name.Space), a.Name.Local, a.Value)
	}
	return dst
}

func appendAttr(dst []byte, prefix, local, value string) []byte {
	dst = append(dst, ' ')
	if prefix != "" {
		dst = append(append(dst, prefix...), ':')
	}
	dst = append(append(dst, local...), `="`...)
	return append(EscapeAttr(dst, value), '"')
}

// isD reports whether b is what every document of ours declares.
func (b binding) isD() bool { return b.prefix == "D" && b.uri == NamespaceDAV }

// outPrefix returns what a prefix bound to uri is called in our documents. Different ones stay different: all of D, D_,
// D__ and so on move on by one, save the D that is ours.
func outPrefix(prefix, uri string) string {
	if strings.HasPrefix(prefix, "D") && strings.Trim(prefix[1:], "_") == "" && !(binding{prefix, uri}).isD() {
		return prefix + "_"
	}
	return prefix
}
