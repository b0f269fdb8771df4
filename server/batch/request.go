package batch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"dav207/server/davpath"
	"dav207/server/multistatus"
)

// inherited are the headers of the batch that its items have, too: who sent it, and by which way.
// Items cannot have others.
var inherited = []string{"Authorization", "Cookie", "Forwarded", "Origin", "User-Agent", "Via", "X-Forwarded-For", "X-Forwarded-Host",
	"X-Forwarded-Prefix", "X-Forwarded-Proto", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site"}

// refused are the headers that items cannot have besides: they belong to a connection or to the
// framing of a message (RFC 9110 §7.6.1, §8.6, §10.1.1), or choose the host.
var refused = []string{"Connection", "Content-Length", "Expect", "Host", "Http2-Settings", "Keep-Alive", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade"}

// inherited returns the headers of an item that has none of its own.
func (h *Handler) inherited(r *http.Request) http.Header {
	head := http.Header{"Accept": {multistatus.ContentTypeJSON}}
	for _, name := range inherited {
		if values, ok := r.Header[name]; ok {
			head[name] = values
		}
	}
	return head
}

// mayHave reports whether an item may have a header, whose name is canonical.
func mayHave(name string) bool {
	for _, prefix := range []string{"Proxy-", "Sec-", "X-Forwarded-"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return name == "User-Agent" || !slices.Contains(inherited, name) && !slices.Contains(refused, name)
}

// newRequest returns the request of an item. Its errors are the outcome of the item.
func (b *run) newRequest(op *operation) (*http.Request, error) {
	target, err := b.target(op.url)
	if err != nil {
		return nil, err
	}
	method := strings.ToUpper(op.method) // OData JSON Format §19.1: case-insensitive
	// Both are tokens (RFC 9110 §5.1, §9.1). ToUpper makes an S of the letter U+017F.
	if !httpguts.ValidHeaderFieldName(op.method) {
		return nil, malformed("The method is not a token.")
	}
	head := maps.Clone(b.header)
	for name, values := range op.header {
		switch {
		case !mayHave(name):
			return nil, malformed("An item cannot have the header %s: that of the batch counts.", name)
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(values[0]):
			return nil, malformed("The header %q cannot be sent.", name)
		}
		head[name] = values
	}
	b.addPrefix(head)
	body, err := op.decodeBody(head)
	if err != nil {
		return nil, err
	}
	r := b.r.WithContext(b.r.Context())
	r.Method, r.URL, r.RequestURI, r.Header = method, target, target.RequestURI(), head
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Body, r.ContentLength, r.TransferEncoding, r.Trailer, r.Close = http.NoBody, int64(len(body)), nil, nil, false
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if method == http.MethodPost {
		if p, err := b.h.mapping.Parse(target.EscapedPath()); err == nil && p == b.h.path {
			return nil, malformed("A batch cannot have a batch as an item.")
		}
	}
	return r, nil
}

// target returns the request-target of an item. A path is one below the prefix. How dot segments
// and escapes are understood is left to the server.
func (b *run) target(s string) (*url.URL, error) {
	path, query, _ := strings.Cut(s, "?")
	switch {
	case strings.Contains(s, "#"):
		return nil, malformed("The url has a fragment.")
	case strings.HasPrefix(path, "//") || hasScheme(path):
		p, err := b.origin.ParseURL(path)
		switch {
		case errors.Is(err, davpath.ErrMalformed):
			return nil, malformed("The url is neither a path nor a whole URL.")
		case err != nil: // ErrForeign or ErrOutside
			return nil, &multistatus.Error{Status: http.StatusMisdirectedRequest, Err: err, Description: "The url is not on this server."}
		}
		path = b.h.mapping.Href(p, strings.HasSuffix(path, "/"))
	default:
		path = below(b.h.mapping, path)
	}
	u, err := url.ParseRequestURI(path)
	if err != nil || strings.ContainsFunc(query, isControl) {
		return nil, malformed("The url cannot be that of a resource.")
	}
	u.RawQuery = escapeQuery(query)
	return u, nil
}

// escapeQuery escapes what a request-target cannot have (RFC 3986 §3.4), as url.URL does in a path.
func escapeQuery(query string) string {
	var out strings.Builder
	for i := 0; i < len(query); i++ {
		if c := query[i]; c <= ' ' || c > '~' || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

// isControl reports whether a header or a request-target cannot have c. Headers may have tabs.
func isControl(c rune) bool { return c < ' ' || c == 0x7F }

// below returns a path that is relative to the root of the tree as an absolute path.
func below(m davpath.Mapping, path string) string {
	return m.Href(davpath.Root, true) + strings.TrimPrefix(path, "/")
}

// hasScheme reports whether a URL is not relative (RFC 3986 §4.2): its first segment has a colon.
func hasScheme(s string) bool {
	i := strings.IndexAny(s, ":/?#")
	return i >= 0 && s[i] == ':'
}

// addPrefix puts the prefix in front of the paths in Destination and If, which are below it as
// those in url are. Whole URLs are left as they are.
func (b *run) addPrefix(head http.Header) {
	if d := head.Get("Destination"); d != "" {
		head["Destination"] = []string{b.withPrefix(d)}
	}
	if s := head.Get("If"); s != "" {
		head["If"] = []string{b.addPrefixToIf(s)}
	}
}

// withPrefix returns the absolute path for a path below the prefix.
func (b *run) withPrefix(path string) string {
	if strings.HasPrefix(path, "//") || hasScheme(path) {
		return path
	}
	return below(b.origin.Mapping, path)
}

// addPrefixToIf is addPrefix for a value of If: a Resource-Tag is outside of parentheses, and all
// that is up to its ">" is the URL, which may have parentheses of its own (RFC 4918 §10.4.2, RFC
// 3986 §2.2).
func (b *run) addPrefixToIf(s string) string {
	var out strings.Builder
	depth := 0
	for s != "" {
		n := 1
		switch end := closing[s[0]]; {
		case s[0] == '(':
			depth++
		case s[0] == ')':
			depth--
		case end != 0: // of a URL or an entity tag
			n = len(s)
			if i := strings.IndexByte(s[1:], end); i >= 0 {
				n = i + 2
			}
		}
		part := s[:n]
		if s = s[n:]; depth == 0 && n > 2 && part[0] == '<' && part[n-1] == '>' {
			part = "<" + b.withPrefix(part[1:n-1]) + ">"
		}
		out.WriteString(part)
	}
	return out.String()
}

// closing are the ends of what is one piece in If, by its beginning.
var closing = map[byte]byte{'<': '>', '"': '"'}

// decodeBody returns the body of an item (OData JSON Format §19.1). A string without a type is
// text. Other JSON without a type gets its type.
func (op *operation) decodeBody(head http.Header) ([]byte, error) {
	media := head.Get("Content-Type")
	switch {
	case op.body == nil:
		return nil, nil
	case op.base64 && op.body[0] != '"':
		return nil, malformed("The body is not base64.")
	case !op.base64 && (op.body[0] != '"' || isJSON(media)):
		if media == "" {
			head["Content-Type"] = []string{multistatus.ContentTypeJSON}
		}
		return op.body, nil
	}
	var s string
	if err := json.Unmarshal(op.body, &s); err != nil {
		return nil, err
	}
	if !op.base64 && (media == "" || isText(media)) {
		return []byte(s), nil
	}
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, malformed("The body is not base64, as one of the type %q must be.", media)
	}
	return b, nil
}

// isJSON reports whether a media type is JSON (RFC 6839 §3.1).
func isJSON(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	return media == multistatus.ContentTypeJSON || strings.HasSuffix(media, "+json")
}

// isText reports whether a media type is text: its bodies are strings.
func isText(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	return strings.HasPrefix(media, "text/") || media == "application/xml" || strings.HasSuffix(media, "+xml")
}
