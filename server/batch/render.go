package batch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"dav207/server/multistatus"
)

// unsent are the headers of an answer that a result does not have: they are about a connection, or
// about a response that can be cached or guessed at, and only the answer to the batch is one.
var unsent = []string{"Cache-Control", "Connection", "Content-Length", "Date", "Keep-Alive", "Trailer", "Transfer-Encoding", "Vary", "X-Content-Type-Options"}

// render appends the result of item i.
func (b *run) render(dst []byte, i int) []byte {
	w := b.result
	if _, set := w.header["Content-Type"]; !set && len(w.body) > 0 {
		w.header.Set("Content-Type", http.DetectContentType(w.body)) // as net/http does
	}
	name := `,"body":`
	if b.plain {
		dst = strconv.AppendInt(append(dst, `{"index":`...), int64(i), 10)
		if name = `,"data":`; w.status >= 400 {
			name = `,"error":`
		}
	} else {
		dst = multistatus.AppendJSONString(append(dst, `{"id":`...), b.items[i].id)
	}
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(w.status), 10)
	dst = w.appendHeaders(dst)
	if len(w.body) > 0 {
		dst = w.appendBody(append(dst, name...))
	}
	return append(dst, '}')
}

// appendHeaders appends the headers of a result, sorted. Content-Length is that of HEAD, which has
// no body to count.
func (w *result) appendHeaders(dst []byte) []byte {
	names := make([]string, 0, len(w.header))
	for name, values := range w.header {
		if len(values) > 0 && (!slices.Contains(unsent, name) || w.head && name == "Content-Length") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return dst
	}
	slices.Sort(names)
	dst = append(dst, `,"headers":{`...)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		value := strings.Join(w.header[name], ", ")
		if value == multistatus.ContentTypeProblem {
			value = multistatus.ContentTypeJSON // for the client of Graph, which takes nothing else for JSON
		}
		dst = multistatus.AppendJSONString(append(multistatus.AppendJSONString(dst, name), ':'), value)
	}
	return append(dst, '}')
}

// appendBody appends a body: JSON as it is, text as a string, other bytes as base64, which the
// member base64 says.
func (w *result) appendBody(dst []byte) []byte {
	contentType := w.header.Get("Content-Type")
	if isJSON(contentType) {
		if b, ok := compact(w.body); ok {
			return append(dst, b...)
		}
	}
	if isText(contentType) && utf8.Valid(w.body) {
		return multistatus.AppendJSONString(dst, string(w.body))
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, '"'), w.body)
	return append(dst, `","base64":true`...)
}

// compact returns JSON without white space. ok is false if b is not JSON in UTF-8.
func compact(b []byte) (out []byte, ok bool) {
	var buf bytes.Buffer
	err := json.Compact(&buf, b)
	return buf.Bytes(), err == nil && utf8.Valid(b)
}
