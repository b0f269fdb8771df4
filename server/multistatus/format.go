package multistatus

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strings"

	"dav207/server/davxml"
)

// Format is a rendering of the types of this package. The zero value is that of RFC 4918.
type Format uint8

const (
	// XML is what RFC 4918 defines.
	XML Format = iota
	// JSON is what multistatus.schema.json defines.
	JSON
)

const (
	// ContentType is that of every XML body a WebDAV server sends (§8.2).
	ContentType = "application/xml; charset=utf-8"
	// ContentTypeJSON is that of a 207 in JSON. It has no charset (RFC 8259 §11).
	ContentTypeJSON = "application/json"
	// ContentTypeProblem is that of an error in JSON (RFC 9457).
	ContentTypeProblem = "application/problem+json"
)

// FormatFor returns the format of a 207 for a request with these header fields: JSON if Accept
// gives application/json a greater quality than both application/xml and text/xml, else XML.
func FormatFor(h http.Header) Format { return preferred(h, ContentTypeJSON) }

// ErrorFormatFor is FormatFor for an error response. There application/problem+json counts as
// application/json.
func ErrorFormatFor(h http.Header) Format {
	return preferred(h, ContentTypeJSON, ContentTypeProblem)
}

func preferred(h http.Header, jsonTypes ...string) Format {
	accept := h["Accept"]
	if len(accept) == 0 {
		return XML
	}
	best := 0
	for _, t := range jsonTypes {
		best = max(best, quality(accept, t))
	}
	if best > max(quality(accept, "application/xml"), quality(accept, "text/xml")) {
		return JSON
	}
	return XML
}

// quality returns the quality that Accept gives a media type, in thousandths (RFC 9110 §12.4.2,
// §12.5.1). The most specific range counts; of several that are equally specific, the greatest
// quality. It ignores parameters of ranges, and ranges whose weight is malformed.
func quality(accept []string, mediaType string) (q int) {
	kind, _, _ := strings.Cut(mediaType, "/")
	best := 0 // how specific the range of q is
	for _, line := range accept {
		for line != "" {
			var element string
			element, line = cutElement(line, ',')
			name, parameters := cutElement(element, ';')
			specific := 0
			switch name = strings.Trim(name, " \t"); {
			case strings.EqualFold(name, mediaType):
				specific = 3
			case len(name) == len(kind)+2 && strings.EqualFold(name[:len(kind)], kind) && name[len(kind):] == "/*":
				specific = 2
			case name == "*/*":
				specific = 1
			}
			if specific == 0 || specific < best {
				continue
			}
			if w, ok := weight(parameters); ok && (specific > best || w > q) {
				best, q = specific, w
			}
		}
	}
	return q
}

// cutElement cuts s at the first separator that is not in a quoted string (RFC 9110 §5.6.4).
func cutElement(s string, separator byte) (element, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == separator && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// weight returns the parameter q in thousandths, 1000 if there is none (RFC 9110 §12.4.2). ok is
// false if it is malformed.
func weight(parameters string) (w int, ok bool) {
	for parameters != "" {
		var p string
		p, parameters = cutElement(parameters, ';')
		name, value, _ := strings.Cut(strings.Trim(p, " \t"), "=")
		if strings.EqualFold(name, "q") {
			return parseWeight(value)
		}
	}
	return 1000, true
}

func parseWeight(s string) (w int, ok bool) {
	if s == "" || len(s) > len("0.000") || len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	for i, unit := 0, 1000; i < len(s); i++ {
		if i == 1 {
			continue
		}
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		w += int(s[i]-'0') * unit
		unit /= 10
	}
	return w, w <= 1000
}

// addVary adds the name of a request header field to Vary (RFC 9110 §12.5.5), which other handlers
// may have set.
func addVary(h http.Header, name string) {
	fields := strings.Join(h["Vary"], ", ")
	for field := range strings.SplitSeq(fields, ",") {
		if field = strings.TrimSpace(field); field == "*" || strings.EqualFold(field, name) {
			return
		}
	}
	if fields != "" {
		name = fields + ", " + name
	}
	h["Vary"] = []string{name}
}

// contentType is the Content-Type of a 207.
func (f Format) contentType() string {
	if f == JSON {
		return ContentTypeJSON
	}
	return ContentType
}

// appendResponse appends r. first is false if the document has a response before it.
func (f Format) appendResponse(b []byte, r *Response, first bool) ([]byte, error) {
	if (r.Status == 0) == (len(r.Propstat) == 0) {
		return b, errors.New("multistatus: a response has either a status or propstats")
	}
	b = f.appendResponseStart(b, first)
	if f == JSON {
		b = appendJSONText(b, r.Href)
	} else {
		b = davxml.EscapeText(b, r.Href)
	}
	b = f.appendHrefEnd(b, r.Status)
	for i := range r.Propstat {
		ps := &r.Propstat[i]
		b = f.AppendPropstatStart(b, ps.Status)
		for j := range ps.Prop {
			var err error
			if b, err = f.AppendProperty(b, &ps.Prop[j]); err != nil {
				return b, err
			}
		}
		b = f.AppendPropstatEnd(b, ps.Status, ps.Error, ps.Description)
	}
	return f.appendResponseEnd(b, r), nil
}

// appendResponseStart appends the beginning of a response, up to the content of its href.
func (f Format) appendResponseStart(b []byte, first bool) []byte {
	if f == XML {
		return append(b, responseStart...)
	}
	if !first {
		b = append(b, ',')
	}
	return append(b, jsonResponseStart...)
}

// appendHrefEnd appends the end of the href, and the status or, if that is 0, the beginning of the
// propstats.
func (f Format) appendHrefEnd(b []byte, status int) []byte {
	switch {
	case f == JSON:
		return appendJSONHrefEnd(b, status)
	case status != 0:
		return appendStatus(append(b, hrefEnd...), status)
	}
	return append(b, hrefEnd...)
}

// appendResponseEnd appends the end of a response. It uses all of r but Href and Propstat.
func (f Format) appendResponseEnd(b []byte, r *Response) []byte {
	if f == XML {
		return append(appendErrorAndDescription(b, r.Error, r.Description), responseEnd...)
	}
	if r.Status == 0 {
		b = append(b, ']')
	}
	return append(appendJSONErrorAndDescription(b, r.Error, r.Description), '}')
}

// AppendPropstatStart appends the beginning of a propstat to a response, after other propstats if
// there are any. The caller appends the properties with AppendProperty or Tags, then calls
// AppendPropstatEnd with the same status.
func (f Format) AppendPropstatStart(b []byte, status int) []byte {
	if f == JSON {
		return appendJSONPropstatStart(b, status)
	}
	return append(b, propstatStart...)
}

// AppendPropstatEnd appends the status and the end of a propstat. c may be nil and description
// empty.
func (f Format) AppendPropstatEnd(b []byte, status int, c *Condition, description string) []byte {
	if f == JSON {
		return append(appendJSONErrorAndDescription(append(b, '}'), c, description), '}')
	}
	return appendPropstatEnd(b, status, c, description)
}

// AppendProperty appends one property to a propstat. It returns an error if the name is not an XML
// name.
func (f Format) AppendProperty(b []byte, p *Property) ([]byte, error) {
	if f == JSON {
		return appendJSONProperty(b, p)
	}
	return AppendProperty(b, p)
}

// Tags is the name of a property without attributes, prepared for each format. It saves time where
// many resources have the property.
type Tags struct {
	name              xml.Name
	start, end, empty string // as AppendProperty writes them
	jsonStart         string // a comma, the member name, and the beginning of a string
}

// NewTags returns an error if n is not an XML name.
func NewTags(n xml.Name) (Tags, error) {
	// "<>" cannot be a part of a tag.
	whole, err := AppendProperty(nil, &Property{XMLName: n, InnerXML: []byte("<>")})
	if err != nil {
		return Tags{}, err
	}
	empty, err := AppendProperty(nil, &Property{XMLName: n})
	start, end, _ := strings.Cut(string(whole), "<>")
	return Tags{n, start, end, string(empty), "," + string(appendJSONName(nil, n)) + `:"`}, err
}

// LastElement is the last value of a property with markup, in JSON. Many members of a collection
// have the same, such as DAV:supportedlock. The zero value is ready.
type LastElement struct{ content, json []byte }

// maxLastElement is the maximum size of a LastElement in JSON.
const maxLastElement = 1 << 10

// AppendStart appends the beginning of the property to a propstat. The caller appends the content
// as XML, as in Property.InnerXML, then calls AppendEnd.
func (t *Tags) AppendStart(b []byte, f Format) []byte {
	if f == JSON {
		if b[len(b)-1] == '{' {
			return append(b, t.jsonStart[1:]...)
		}
		return append(b, t.jsonStart...)
	}
	return append(b, t.start...)
}

// AppendEnd appends the end of the property. Its content is b[content:]. last is of the previous
// call for the property in this response.
func (t *Tags) AppendEnd(b []byte, f Format, content int, last *LastElement) []byte {
	if f == JSON {
		return t.endJSON(b, content, last)
	}
	return append(b, t.end...)
}

// AppendEndPlain is AppendEnd for content that has no character that XML or JSON would escape.
func (t *Tags) AppendEndPlain(b []byte, f Format) []byte {
	if f == JSON {
		return append(b, '"')
	}
	return append(b, t.end...)
}

// AppendEmpty appends the property without content to a propstat.
func (t *Tags) AppendEmpty(b []byte, f Format) []byte {
	if f == JSON {
		return append(t.AppendStart(b, f), '"')
	}
	return append(b, t.empty...)
}
