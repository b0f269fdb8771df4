package davxml

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Content returns the content of e in a form that means the same in another document (RFC 4918
// §4.3, prefixes included). The other document must write inner in an element that has the
// attributes attr, must bind the prefix D to "DAV:" and no other prefix but those in attr, and must
// have no default namespace.
//
// attr holds first the attributes of e except xml:lang (see Lang), with their expanded names. Then
// follow the namespace declarations that inner and the attributes need, as {Name: {Space: "xmlns",
// Local: prefix}, Value: namespace name}, sorted by prefix. Write an attribute in NamespaceXML with
// the prefix xml and one in NamespaceDAV with D; attr has a declaration for any other namespace.
// inner holds the children and the character data.
//
// Content declares every prefix that occurs before a colon in text or in a value, because that may
// be a QName. It never declares D: if the client bound D to another namespace it becomes D_, D_
// becomes D__, and so on. Content does not rename them in text and values, so a QName that uses
// such a prefix loses its meaning.
func (e *Element) Content() (attr []xml.Attr, inner []byte) {
	inner = e.appendContent(nil)
	for _, a := range e.Attr {
		if !isLang(a.Name) {
			attr = append(attr, a)
		}
	}
	return append(attr, e.declarations(inner)...), inner
}

// declarations returns the bindings in scope on e that inner or the attributes of e use.
func (e *Element) declarations(inner []byte) (attr []xml.Attr) {
	if e.scope == nil {
		return nil
	}
	used := make(map[string]bool)
	addPrefixes(used, inner)
	for i, a := range e.Attr {
		used[e.attrPrefix[i]] = true
		addPrefixes(used, []byte(a.Value))
	}
	if len(used) == 0 {
		return nil
	}
	seen := make(map[string]bool)
	for s := e.scope; s != nil; s = s.outer {
		for _, b := range s.bindings {
			out := outPrefix(b.prefix, b.uri)
			if !used[b.prefix] && (out == b.prefix || !used[out]) || seen[b.prefix] {
				continue
			}
			seen[b.prefix] = true
			if b.prefix == "" || b.bindsDToDAV() || e.scope.lookup(b.prefix) != b.uri {
				continue
			}
			attr = append(attr, xml.Attr{Name: xml.Name{Space: "xmlns", Local: out}, Value: b.uri})
		}
	}
	slices.SortFunc(attr, func(a, b xml.Attr) int { return strings.Compare(a.Name.Local, b.Name.Local) })
	return attr
}

// addPrefixes adds each NCName before a colon in text to prefixes. It may be a prefix: the
// vocabulary is unknown and may have QNames or XPath. An unnecessary declaration is harmless.
func addPrefixes(prefixes map[string]bool, text []byte) {
	for {
		before, after, found := bytes.Cut(text, []byte{':'})
		if !found {
			return
		}
		name := before[bytes.LastIndexFunc(before, func(r rune) bool { return !isNameRune(r) })+1:]
		for len(name) > 0 && !utf8.RuneStart(name[0]) { // trailing bytes of a character
			name = name[1:]
		}
		if name = bytes.TrimLeft(name, "0123456789.-"); len(name) > 0 && !prefixes[string(name)] {
			prefixes[string(name)] = true
		}
		text = after
	}
}

// isNameRune returns true for at least the characters of an NCName (XML 1.0 appendix B).
func isNameRune(r rune) bool {
	switch r {
	case '_', '-', '.', '\u00B7', '\u0387', '\u212E':
		return true
	}
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r)
}

// appendContent appends the content of e as XML. It uses an explicit stack, because the client
// chooses the depth.
func (e *Element) appendContent(dst []byte) []byte {
	type frame struct {
		e    *Element
		next int // the index of the next child
	}
	dst = EscapeText(dst, e.text)
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
		if len(stack) == 1 && c.needsDefault {
			if uri := c.scope.lookup(""); uri != "" {
				dst = appendAttr(dst, "", "xmlns", uri)
			}
		}
		dst = c.appendAttrs(dst)
		if len(c.Children) == 0 && c.text == "" {
			dst = append(dst, "/>"...)
			dst = EscapeText(dst, c.tail)
			continue
		}
		dst = append(dst, '>')
		dst = EscapeText(dst, c.text)
		stack = append(stack, frame{e: c})
	}
}

// appendName appends the name of e with the client's prefix.
func (e *Element) appendName(dst []byte) []byte {
	if e.prefix != "" {
		dst = append(append(dst, outPrefix(e.prefix, e.Name.Space)...), ':')
	}
	return append(dst, e.Name.Local...)
}

// appendAttrs appends the namespace declarations and the attributes of e.
func (e *Element) appendAttrs(dst []byte) []byte {
	for _, b := range e.bindingsHere() {
		switch {
		case b.prefix == "":
			dst = appendAttr(dst, "", "xmlns", b.uri)
		case !b.bindsDToDAV():
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

// bindsDToDAV reports whether b is the binding that every document of this server declares.
func (b binding) bindsDToDAV() bool { return b.prefix == "D" && b.uri == NamespaceDAV }

// outPrefix returns the prefix to write for a client's prefix that is bound to uri. Different
// prefixes stay different: D, D_, D__ and so on each get one more underscore, unless D is bound to
// DAV:.
func outPrefix(prefix, uri string) string {
	if strings.HasPrefix(prefix, "D") && strings.Trim(prefix[1:], "_") == "" && !(binding{prefix, uri}).bindsDToDAV() {
		return prefix + "_"
	}
	return prefix
}
